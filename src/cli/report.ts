/** The file of `--report`: checked before anything is fetched, and written whole or not at all. */

import { constants } from 'node:fs';
import { access, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FetchError } from '../index.js';
import { jsonText } from './text.js';

/** Before anything is fetched, and not hours later. @throws FetchError ERR_IO */
export async function checkReport(path: string): Promise<void> {
  if (await isDirectory(path)) throw reportError(path, new Error('it is a folder'));
  const written = (await isPlainOrNew(path)) ? dirname(path) : path;
  await access(written, constants.W_OK).catch((cause: unknown) => {
    throw reportError(path, cause);
  });
}

/** Whoever waits for the file does not find a part of it. @throws FetchError ERR_IO */
export async function writeReport(path: string, value: unknown): Promise<void> {
  const text = `${jsonText(value, '  ')}\n`;
  const unfinished = `${path}.${process.pid}.tmp`;
  try {
    if (!(await isPlainOrNew(path))) return await writeFile(path, text);
    await writeFile(unfinished, text);
    await rename(unfinished, path);
  } catch (cause) {
    await rm(unfinished, { force: true }).catch(() => undefined);
    throw reportError(path, cause);
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (facts) => facts.isDirectory(),
    () => false,
  );
}

/** A pipe or a device is written to, not replaced. */
async function isPlainOrNew(path: string): Promise<boolean> {
  return stat(path).then(
    (facts) => facts.isFile(),
    () => true,
  );
}

function reportError(path: string, cause: unknown): FetchError {
  const message = `the report ${path} cannot be written: ${(cause as Error).message}`;
  return new FetchError('ERR_IO', message, { stage: 'store', cause });
}
