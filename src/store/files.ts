/** Durable file operations: write, sync, rename, sync the folder. */

import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf, isFetchError, storageError } from '../errors.js';
import { partialFiles } from './layout.js';

/** Moves a synced file to its final place, so that after a crash it is there whole or not at all. */
export async function publishFile(from: string, to: string): Promise<void> {
  try {
    const firstMade = await mkdir(dirname(to), { recursive: true });
    if (firstMade !== undefined) await syncFolder(dirname(firstMade));
    await rename(from, to);
    await syncFolder(dirname(to));
  } catch (error) {
    throw storageError(error, `cannot store ${to}`);
  }
}

/** Replaces a small file in one step. `tempDir` must be on the same file system. */
export async function writeFileDurably(path: string, text: string, tempDir: string): Promise<void> {
  const temp = join(tempDir, randomUUID());
  try {
    const file = await open(temp, 'wx', 0o644);
    try {
      await file.writeFile(text);
      await file.datasync();
    } finally {
      await file.close();
    }
    await publishFile(temp, path);
  } catch (error) {
    await rm(temp, { force: true });
    throw storageError(error, `cannot write ${path}`);
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Undefined when there is no such file. */
export async function readTextIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw storageError(error, `cannot read ${path}`);
  }
}

/** Size of a file; undefined when there is none. */
export async function fileSizeIfThere(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw storageError(error, `cannot read ${path}`);
  }
}

/** What a download has left for the next one must not be what keeps a disk full: it goes when `error` says so. */
export async function removeIfFull(partialFile: string, error: unknown): Promise<void> {
  if (isFetchError(error) && error.code === 'ERR_NO_SPACE') await removePartial(partialFile);
}

/** With the record beside it. */
export async function removePartial(partialFile: string): Promise<void> {
  await Promise.all(partialFiles(partialFile).map((path) => rm(path, { force: true })));
}
