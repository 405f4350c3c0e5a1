/** The bytes of an unfinished download, kept so that the next attempt, or the next run, goes on after them. */

import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, rmSync } from 'node:fs';
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { storageError, throwIfAborted } from '../src/errors.js';
import { writeFully } from './append-file.js';

export interface PartialFile {
  /** How many bytes are there. */
  size(): number;
  append(chunk: Buffer): void;
  /** Hands out what is there in pieces of a megabyte. */
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

  return {
    size: () => sizeBytes,
    append(chunk) {
      writeFully(fd, chunk, chunk.length, sizeBytes);
      sizeBytes += chunk.length;
    },
    async replay(onChunk, signal) {
      for (let at = 0; at < sizeBytes; ) {
        throwIfAborted(signal);
        // A fresh buffer each time: the decompressor keeps it for a while.
        const chunk = Buffer.allocUnsafe(Math.min(REPLAY_BYTES, sizeBytes - at));
        const got = attempt(() => readSync(fd, chunk, 0, chunk.length, at));
        if (got === 0) break;
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
