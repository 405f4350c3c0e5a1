/** A buffered writer at the end of a file that other threads follow. */

import { writeSync } from 'node:fs';
import { storageError } from '../src/errors.js';

export interface AppendFile {
  /** Copies the bytes; they reach the file with the next flush. */
  write(bytes: Buffer): void;
  flush(): void;
}

/** Writes from 256 KiB up are the cheapest; a megabyte keeps the number of wake-ups low too. */
const BUFFER_BYTES = 1024 * 1024;

/** `onFlush` gets the size of the file so far. @throws (from both) FetchError of exit code 8 */
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

  return {
    write(bytes) {
      for (let at = 0; at < bytes.length; ) {
        const taken = bytes.copy(buffer, filled, at);
        at += taken;
        filled += taken;
        if (filled === BUFFER_BYTES) flush();
      }
    },
    flush,
  };
}

/** Writes the first `length` bytes at `position`, however many calls that takes. */
export function writeFully(fd: number, bytes: Buffer, length: number, position: number): void {
  try {
    for (let at = 0; at < length; ) at += writeSync(fd, bytes, at, length - at, position + at);
  } catch (error) {
    throw storageError(error, 'cannot write');
  }
}
