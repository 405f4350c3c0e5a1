/** The bytes of an unfinished download, kept so that the next attempt, or the next run, goes on after them. */

import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, rmSync } from 'node:fs';
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { FetchError, storageError, throwIfAborted } from '../src/errors.js';
import type { FileRange } from '../src/types.js';
import { writeFully } from './append-file.js';

export interface ReadableBytes {
  /** How many bytes are there. */
  size(): number;
  /** Reads up to `length` bytes from `offset` into the front of `target`; returns how many. */
  read(target: Buffer, offset: number, length: number): number;
}

export interface PartialFile extends ReadableBytes {
  append(chunk: Buffer): void;
  /** Begins again from nothing. */
  clear(): void;
  close(): void;
  remove(): void;
}

const REPLAY_BYTES = 1024 * 1024;

/** Hands out what is there from `start` on in pieces of a megabyte, each good until its promise resolves. */
export async function replay(
  bytes: ReadableBytes,
  onChunk: (chunk: Buffer) => Promise<void>,
  signal: AbortSignal,
  start = 0,
): Promise<void> {
  const chunk = Buffer.allocUnsafe(REPLAY_BYTES);
  const sizeBytes = bytes.size();
  for (let at = start; at < sizeBytes; ) {
    throwIfAborted(signal);
    const got = bytes.read(chunk, at, Math.min(REPLAY_BYTES, sizeBytes - at));
    at += got;
    await onChunk(chunk.subarray(0, got));
    await yieldToEvents();
  }
}

/** A range of a file that is whole already. @throws (from all) FetchError of exit code 8 */
export function openFileRange({ path, offset, sizeBytes }: FileRange): ReadableBytes & { close(): void } {
  const fd = atFile(path, () => openSync(path, constants.O_RDONLY));
  return {
    size: () => sizeBytes,
    read: (target, at, length) => readAt(fd, path, target, offset + at, length),
    close: () => closeSync(fd),
  };
}

function readAt(fd: number, path: string, target: Buffer, position: number, length: number): number {
  const got = atFile(path, () => readSync(fd, target, 0, length, position));
  // Someone else has cut it.
  if (got === 0) throw new FetchError('ERR_IO', `${path} has become shorter`, { stage: 'store' });
  return got;
}

function atFile<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw storageError(error, `cannot use ${path}`);
  }
}

/** The caller holds the lock of the download. @throws (from all) FetchError of exit code 8 */
export function openPartialFile(path: string): PartialFile {
  const attempt = <T>(action: () => T): T => atFile(path, action);
  const fd = attempt(() => openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644));
  let sizeBytes = attempt(() => fstatSync(fd).size);

  return {
    size: () => sizeBytes,
    append(chunk) {
      writeFully(fd, chunk, chunk.length, sizeBytes);
      sizeBytes += chunk.length;
    },
    read: (target, offset, length) => readAt(fd, path, target, offset, length),
    clear() {
      attempt(() => ftruncateSync(fd, 0));
      sizeBytes = 0;
    },
    close: () => closeSync(fd),
    remove: () => attempt(() => rmSync(path, { force: true })),
  };
}
