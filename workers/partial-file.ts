/** The bytes of an unfinished download, kept so that the next attempt, or the next run, goes on after them. */

import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, rmSync } from 'node:fs';
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { FetchError, storageError, throwIfAborted } from '../src/errors.js';
import { writeFully } from './append-file.js';

export interface PartialFile {
  /** How many bytes are there. */
  size(): number;
  append(chunk: Buffer): void;
  /** Reads up to `length` bytes from `offset` into the front of `target`; returns how many. */
  read(target: Buffer, offset: number, length: number): number;
  /** Hands out what is there in pieces of a megabyte, each good until its promise resolves. */
  replay(onChunk: (chunk: Buffer) => Promise<void>, signal: AbortSignal): Promise<void>;
  /** Begins again from nothing. */
  clear(): void;
  close(): void;
  remove(): void;
}

const REPLAY_BYTES = 1024 * 1024;

/** The caller holds the lock of the download. @throws (from all) FetchError of exit code 8 */
export function openPartialFile(path: string): PartialFile {
  const fd = attempt(() => openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644));
  let sizeBytes = attempt(() => fstatSync(fd).size);

  function attempt<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw storageError(error, `cannot use ${path}`);
    }
  }

  function read(target: Buffer, offset: number, length: number): number {
    const got = attempt(() => readSync(fd, target, 0, length, offset));
    // Someone else has cut it.
    if (got === 0) throw new FetchError('ERR_IO', `${path} has become shorter`, { stage: 'store' });
    return got;
  }

  return {
    size: () => sizeBytes,
    append(chunk) {
      writeFully(fd, chunk, chunk.length, sizeBytes);
      sizeBytes += chunk.length;
    },
    read,
    async replay(onChunk, signal) {
      const chunk = Buffer.allocUnsafe(REPLAY_BYTES);
      for (let at = 0; at < sizeBytes; ) {
        throwIfAborted(signal);
        const got = read(chunk, at, Math.min(REPLAY_BYTES, sizeBytes - at));
        at += got;
        await onChunk(chunk.subarray(0, got));
        await yieldToEvents();
      }
    },
    clear() {
      attempt(() => ftruncateSync(fd, 0));
      sizeBytes = 0;
    },
    close: () => closeSync(fd),
    remove: () => attempt(() => rmSync(path, { force: true })),
  };
}
