/** Collects what the parser hands out, for tests that compare it as plain data. */

import type { TarEntry } from '../../../src/tar/entry.js';
import { createTarParser } from '../../../src/tar/parser.js';

export interface ReadEntry extends TarEntry {
  readonly content: Buffer;
  /** Where the content starts in the archive. */
  readonly contentOffset: number;
  /** False when the archive ended before the entry. */
  readonly isComplete: boolean;
}

export interface TarReading {
  /** What was handed out, also before an error. */
  readonly entries: ReadEntry[];
  /** What `push` or `end` threw. */
  readonly error: unknown;
}

/** Reads an archive in pieces of these sizes; the last size is used for the rest. */
export function tryReadTar(archive: Buffer, pieceBytes: readonly number[] = [archive.length]): TarReading {
  const entries: { entry: TarEntry; chunks: Buffer[]; offset: number; isComplete: boolean }[] = [];
  const parser = createTarParser({
    entry(entry) {
      entries.push({ entry, chunks: [], offset: parser.position(), isComplete: false });
    },
    data(chunk) {
      if (chunk.length === 0) throw new Error('an empty piece of content');
      entries.at(-1)?.chunks.push(Buffer.from(chunk));
    },
    hole(sizeBytes) {
      if (sizeBytes <= 0) throw new Error('an empty hole');
      entries.at(-1)?.chunks.push(Buffer.alloc(sizeBytes));
    },
    entryEnd() {
      const last = entries.at(-1);
      if (last === undefined || last.isComplete) throw new Error('an end without an entry');
      last.isComplete = true;
    },
  });
  let error: unknown;
  try {
    let piece = 0;
    for (let at = 0; at < archive.length; piece += 1) {
      const length = Math.max(1, pieceBytes[Math.min(piece, pieceBytes.length - 1)] ?? 1);
      // A copy that is overwritten afterwards: views must not be kept.
      const chunk = Buffer.from(archive.subarray(at, at + length));
      parser.push(chunk);
      chunk.fill(0xee);
      at += length;
    }
    parser.end();
  } catch (thrown) {
    error = thrown;
  }
  return {
    error,
    entries: entries.map(({ entry, chunks, offset, isComplete }) => ({
      ...entry,
      content: Buffer.concat(chunks),
      contentOffset: offset,
      isComplete,
    })),
  };
}

/** As `tryReadTar`, for archives that must be good. */
export function readTar(archive: Buffer, pieceBytes?: readonly number[]): ReadEntry[] {
  const { entries, error } = tryReadTar(archive, pieceBytes);
  if (error !== undefined) throw error;
  return entries;
}
