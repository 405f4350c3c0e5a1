/** What both ways of unpacking have in common. */

import type { TarEntry } from '../src/tar/entry.js';

/** Where entries go, with paths below the folder. The methods but `drained` and `finish` do not wait. */
export interface ExtractSink {
  entry(entry: TarEntry): void;
  data(chunk: Buffer): void;
  /** The next bytes are zeros. */
  hole(sizeBytes: number): void;
  entryEnd(): void;
  /** Resolves when more is welcome. @throws FetchError ERR_ABORTED */
  drained(signal: AbortSignal): Promise<void>;
  /** Resolves when all is written, to what could not be kept, a line each. */
  finish(): Promise<string[]>;
  /** Gives up; resolves when nothing is written any more. */
  abort(): Promise<void>;
}
