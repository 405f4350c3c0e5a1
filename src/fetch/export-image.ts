/** Writes an image of the store as an uncompressed ACI, to a file or a stream. */

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { constants, type FileHandle, link, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSha512 } from '../../wasm/sha512.js';
import { abortedError, errnoOf, FetchError, storageError, throwIfAborted } from '../errors.js';
import { type ExtentPart, imageDamaged, partsOf, readParts } from '../store/parts.js';
import type { ImageFacts, Store } from '../store/store.js';

export type ExportTarget =
  | { readonly path: string; readonly overwrite: boolean }
  | { readonly stream: Writable };

/**
 * A file appears only when all of it is written and has the SHA-512 of the image; a stream has got the bytes
 * before the last of them can show damage, and then the promise rejects.
 * @throws FetchError ERR_STORE_DAMAGED, ERR_USAGE when the file exists, those of exit code 8
 */
export async function exportImage(
  store: Store,
  image: ImageFacts,
  target: ExportTarget,
  signal: AbortSignal,
): Promise<void> {
  const parts = partsOf(await store.readExtents(image.id), store.layout);
  if ('stream' in target)
    await writeParts(parts, image.id, (chunk) => writeTo(target.stream, chunk, signal), signal);
  else await exportToFile(parts, image.id, target, signal);
}

async function exportToFile(
  parts: readonly ExtentPart[],
  id: string,
  { path, overwrite }: { readonly path: string; readonly overwrite: boolean },
  signal: AbortSignal,
): Promise<void> {
  try {
    const existing = await stat(path).catch(ifMissing);
    if (existing !== undefined && !existing.isFile()) {
      // A device or a pipe is written to; putting a file in its place would take it away from everybody.
      const held = existing.isFIFO() ? await openForReader(path, signal) : undefined;
      // Held until the end: a pipe without a writer in between would be at its end for the reader.
      await writeFileOf(parts, id, path, 'w', signal).finally(() => held?.close());
      return;
    }
    if (existing !== undefined && !overwrite) throw fileExists(path);
    // Behind a symbolic link it is the file that is replaced.
    const final = existing === undefined ? resolve(path) : await realpath(path);
    const temp = join(dirname(final), `.${basename(final)}.${randomUUID()}`);
    try {
      await writeFileOf(parts, id, temp, 'wx', signal);
      // A link, unlike a rename, does not replace what came there in the meantime.
      if (overwrite) await rename(temp, final);
      else await link(temp, final);
    } finally {
      await rm(temp, { force: true });
    }
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') throw fileExists(path, error);
    throw storageError(error, `cannot write ${path}`);
  }
}

async function writeFileOf(
  parts: readonly ExtentPart[],
  id: string,
  path: string,
  flags: 'w' | 'wx',
  signal: AbortSignal,
): Promise<void> {
  const file = await open(path, flags, 0o644);
  try {
    await writeParts(parts, id, async (chunk) => void (await file.writeFile(chunk)), signal);
    // Devices and pipes have nothing to sync.
    if (flags === 'wx') await file.datasync();
  } finally {
    await file.close();
  }
}

/** Waits until somebody reads the pipe: opening it would do so too, but nothing could end that. */
async function openForReader(path: string, signal: AbortSignal): Promise<FileHandle> {
  for (;;) {
    try {
      return await open(path, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      if (errnoOf(error) !== 'ENXIO') throw error;
    }
    throwIfAborted(signal);
    await sleep(50, undefined, { signal }).catch((error: unknown) => {
      throw abortedError(error);
    });
  }
}

function ifMissing(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error;
}

function fileExists(path: string, cause?: unknown): FetchError {
  return new FetchError('ERR_USAGE', `${path} exists`, {
    stage: 'usage',
    hint: 'replace it with --overwrite',
    cause,
  });
}

async function writeParts(
  parts: readonly ExtentPart[],
  id: string,
  write: (chunk: Buffer) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const hash = await createSha512();
  for await (const chunk of readParts(parts)) {
    throwIfAborted(signal);
    hash.update(chunk);
    await write(chunk);
  }
  if (`sha512-${hash.digestHex()}` !== id) throw imageDamaged(id);
}

async function writeTo(stream: Writable, chunk: Buffer, signal: AbortSignal): Promise<void> {
  if (stream.write(chunk)) return;
  await once(stream, 'drain', { signal });
}
