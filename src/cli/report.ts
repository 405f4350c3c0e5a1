/** The file of `--report`: checked before anything is fetched, and written whole or not at all. */

import { constants } from 'node:fs';
import { access, readlink, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { FetchError } from '../index.js';
import { jsonText } from './text.js';

/** Before anything is fetched, and not hours later. @throws FetchError ERR_IO */
export async function checkReport(path: string): Promise<void> {
  try {
    const { target, isReplaced } = await placeOf(path);
    await access(isReplaced ? dirname(target) : target, constants.W_OK);
  } catch (cause) {
    throw reportError(path, cause);
  }
}

/** Whoever waits for the file does not find a part of it. @throws FetchError ERR_IO */
export async function writeReport(path: string, value: unknown): Promise<void> {
  const text = `${jsonText(value, '  ')}\n`;
  try {
    const { target, isReplaced } = await placeOf(path);
    await (isReplaced ? replaceFile(target, text) : writeFile(target, text));
  } catch (cause) {
    throw reportError(path, cause);
  }
}

async function replaceFile(target: string, text: string): Promise<void> {
  const unfinished = `${target}.${process.pid}.tmp`;
  try {
    await writeFile(unfinished, text);
    await rename(unfinished, target);
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => undefined);
    throw error;
  }
}

interface Place {
  readonly target: string;
  /** A pipe or a device is written to, not replaced. */
  readonly isReplaced: boolean;
}

/** A link stays: it is the file behind it that is replaced. */
async function placeOf(path: string): Promise<Place> {
  const facts = await unlessMissing(stat(path));
  if (facts?.isDirectory()) throw new Error('it is a folder');
  if (facts !== undefined && !facts.isFile()) return { target: path, isReplaced: false };
  return { target: await behindLinks(path), isReplaced: true };
}

/** Also behind a link to a file that is still to be made. */
async function behindLinks(path: string): Promise<string> {
  const existing = await unlessMissing(realpath(path));
  if (existing !== undefined) return existing;
  const link = await readlink(path).catch(() => undefined);
  return link === undefined ? path : behindLinks(resolve(await realpath(dirname(path)), link));
}

async function unlessMissing<T>(found: Promise<T>): Promise<T | undefined> {
  return found.catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

function reportError(path: string, cause: unknown): FetchError {
  const message = `the report ${path} cannot be written: ${(cause as Error).message}`;
  return new FetchError('ERR_IO', message, { stage: 'store', cause });
}
