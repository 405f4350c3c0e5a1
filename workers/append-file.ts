/** A buffered writer at the end of a file that other threads follow. */

import { fstatSync, ftruncateSync, writeSync } from 'node:fs';
import { storageError } from '../src/errors.js';

export interface AppendFile {
  /** Copies the bytes; they reach the file with the next flush. */
  write(bytes: Buffer): void;
  /** As many zeros; a hole of the file, which takes no time and no room, where they are many. */
  zeros(sizeBytes: number): void;
  flush(): void;
}

/** Writes from 256 KiB up are the cheapest; a megabyte keeps the number of wake-ups low too. */
const BUFFER_BYTES = 1024 * 1024;
/** Writing this many zeros takes as long as the calls that make a hole. */
const HOLE_BYTES = 64 * 1024;

/** `onFlush` gets the size of the file so far. @throws (from all) FetchError of exit code 8 */
export function appendFile(fd: number, onFlush: (sizeBytes: number) => void = () => {}): AppendFile {
  const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  let filled = 0;
  let flushed = 0;

  function flush(): void {
    writeFully(fd, buffer, filled, flushed);
    flushed += filled;
    filled = 0;
    onFlush(flushed);
  }

  function write(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const taken = bytes.copy(buffer, filled, at);
      at += taken;
      filled += taken;
      if (filled === BUFFER_BYTES) flush();
    }
  }

  return {
    write,
    zeros(sizeBytes) {
      if (sizeBytes < HOLE_BYTES) return write(ZEROS.subarray(0, sizeBytes));
      flush();
      makeHole(fd, flushed, sizeBytes);
      flushed += sizeBytes;
      onFlush(flushed);
    },
    flush,
  };
}

const ZEROS = Buffer.alloc(HOLE_BYTES);

/** Lets the file end with zeros from `position` on. */
export function makeHole(fd: number, position: number, sizeBytes: number): void {
  try {
    // What an attempt before this one wrote there is the same, and may be in use.
    if (fstatSync(fd).size < position + sizeBytes) ftruncateSync(fd, position + sizeBytes);
  } catch (error) {
    throw storageError(error, 'cannot write');
  }
}

/** Writes the first `length` bytes at `position`, however many calls that takes. */
export function writeFully(fd: number, bytes: Buffer, length: number, position: number): void {
  try {
    for (let at = 0; at < length; ) at += writeSync(fd, bytes, at, length - at, position + at);
  } catch (error) {
    throw storageError(error, 'cannot write');
  }
}
