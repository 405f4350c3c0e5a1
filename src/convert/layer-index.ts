/** The index of a converted layer: one line for each entry and whiteout, in the order of the layer. */

import { FetchError } from '../errors.js';
import { type ByteString, paddedBytes } from '../tar/entry.js';

/**
 * f file · h hard link · l symbolic link · c, b devices · d directory · p fifo ·
 * w whiteout of the path · o opaque directory
 */
export type IndexType = 'f' | 'h' | 'l' | 'c' | 'b' | 'd' | 'p' | 'w' | 'o';

const TYPES = new Set<string>(['f', 'h', 'l', 'c', 'b', 'd', 'p', 'w', 'o'] satisfies IndexType[]);

export interface IndexEntry {
  readonly type: IndexType;
  /** Below the root of the image, normalized; the root itself is `''`. */
  readonly path: ByteString;
  /** Where the headers start in the converted layer. */
  readonly offset: number;
  readonly headerBytes: number;
  /** Content, without padding. */
  readonly sizeBytes: number;
  /** Target: of a hard link normalized like a path, of a symbolic link as it stands. */
  readonly link?: ByteString | undefined;
}

/** Where the entry ends in the converted layer, padding included. */
export function endOffset(entry: IndexEntry): number {
  return entry.offset + entry.headerBytes + paddedBytes(entry.sizeBytes);
}

export function isWhiteout(entry: IndexEntry): boolean {
  return entry.type === 'w' || entry.type === 'o';
}

/** One line with its line feed; JSON keeps bytes above 127 as the characters of the same number. */
export function formatIndexLine(entry: IndexEntry): string {
  const fields: (string | number)[] = [
    entry.type,
    entry.path,
    entry.offset,
    entry.headerBytes,
    entry.sizeBytes,
  ];
  if (entry.link !== undefined) fields.push(entry.link);
  return `${JSON.stringify(fields)}\n`;
}

/** @throws FetchError ERR_STORE_DAMAGED */
export function parseIndexLine(line: string): IndexEntry {
  try {
    const [type, path, offset, headerBytes, sizeBytes, link] = JSON.parse(line) as [
      IndexType,
      string,
      number,
      number,
      number,
      string | undefined,
    ];
    if (TYPES.has(type) && typeof path === 'string' && offset >= 0 && headerBytes >= 0 && sizeBytes >= 0) {
      return { type, path, offset, headerBytes, sizeBytes, link };
    }
  } catch (cause) {
    throw damaged(cause);
  }
  throw damaged();
}

function damaged(cause?: unknown): FetchError {
  return new FetchError('ERR_STORE_DAMAGED', 'the index of a layer is damaged', { stage: 'store', cause });
}
