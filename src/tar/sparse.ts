/** Sparse files: reads where their stored pieces lie, and tells them apart from the holes between them. */

import { FetchError } from '../errors.js';
import { number } from './decode.js';
import type { PaxRecords } from './pax.js';

/** A piece of the content that is stored; everything between pieces is zeros. */
export interface SparsePiece {
  readonly offset: number;
  readonly sizeBytes: number;
}

/**
 * gnu: the header's own table, continued in blocks of its own. pax: a record (GNU formats 0.0 and 0.1).
 * data: in front of the content (GNU format 1.0). GNU tar manual, "Storing Sparse Files".
 */
export type SparseMap =
  | { readonly in: 'gnu'; readonly pieces: readonly SparsePiece[]; readonly isContinued: boolean }
  | { readonly in: 'pax'; readonly pieces: readonly SparsePiece[] }
  | { readonly in: 'data' };

export interface SparseFacts {
  readonly map: SparseMap;
  /** Size with the holes. */
  readonly realBytes: number;
}

const GNU_TABLE = { offset: 386, entries: 4, isContinuedAt: 482, realSizeAt: 483 } as const;
const GNU_BLOCK = { offset: 0, entries: 21, isContinuedAt: 504 } as const;

/** Undefined for a file without holes. @throws FetchError ERR_TAR_INVALID */
export function sparseFacts(block: Buffer, typeFlag: string, pax: PaxRecords): SparseFacts | undefined {
  if (typeFlag === 'S') {
    const realBytes = number(block, GNU_TABLE.realSizeAt, 12, 'real size');
    return { map: { in: 'gnu', ...gnuTable(block, GNU_TABLE) }, realBytes };
  }
  const size = pax.get('GNU.sparse.realsize') ?? pax.get('GNU.sparse.size');
  if (size === undefined) return undefined;
  const realBytes = decimal(size);
  if (pax.get('GNU.sparse.major') === '1') return { map: { in: 'data' }, realBytes };
  const map = pax.get('GNU.sparse.map') ?? '';
  const numbers = map === '' ? [] : map.split(',').map(decimal);
  return { map: { in: 'pax', pieces: pairs(numbers) }, realBytes };
}

/** A block that continues the table of a GNU header. @throws FetchError ERR_TAR_INVALID */
export function continuedTable(block: Buffer): { pieces: SparsePiece[]; isContinued: boolean } {
  return gnuTable(block, GNU_BLOCK);
}

function gnuTable(
  block: Buffer,
  table: { readonly offset: number; readonly entries: number; readonly isContinuedAt: number },
): { pieces: SparsePiece[]; isContinued: boolean } {
  const pieces: SparsePiece[] = [];
  for (let entry = 0; entry < table.entries; entry++) {
    const at = table.offset + entry * 24;
    if (block[at] === 0) break;
    const offset = number(block, at, 12, 'sparse offset');
    pieces.push({ offset, sizeBytes: number(block, at + 12, 12, 'sparse size') });
  }
  return { pieces, isContinued: block[table.isContinuedAt] !== 0 };
}

/** More would be an attack: each piece is at least a block of a real file system. */
const MAX_PIECES = 1_000_000;
const MAX_DIGITS = 16;

/** @throws FetchError ERR_TAR_INVALID */
export function checkCount(pieces: number): void {
  if (pieces > MAX_PIECES) throw invalid('too many pieces');
}

/** Reads the map in front of the content: decimal numbers, a line each, padded to a whole block. */
export function createDataMapReader() {
  const numbers: number[] = [];
  let digits = '';
  let blocks = 0;

  /** True when the last number is there; what pads the block is left out. */
  function take(character: string): boolean {
    if (character !== '\n') {
      digits += character;
      if (digits.length > MAX_DIGITS) throw invalid('a number that is none');
      return false;
    }
    numbers.push(decimal(digits));
    digits = '';
    const count = numbers[0] as number;
    checkCount(count);
    return numbers.length === 1 + 2 * count;
  }

  return {
    /** Takes a block of 512 bytes; the pieces once the last of them is complete. */
    push(block: Buffer): readonly SparsePiece[] | undefined {
      blocks += 1;
      for (const character of block.toString('latin1')) if (take(character)) return pairs(numbers.slice(1));
      return undefined;
    },
    sizeBytes: () => blocks * 512,
  };
}

/** Holes beyond this and {@link MAX_RATIO} times the stored bytes are a bomb; the same rule as for compression. */
const ALWAYS_ALLOWED_BYTES = 1024 * 1024 * 1024;
const MAX_RATIO = 1100;

/**
 * The same for all sparse files of an archive together, of which a header alone could else be a GiB each.
 * @throws FetchError ERR_LIMIT
 */
export function checkHoles(holeBytes: number, archiveBytes: number): void {
  if (holeBytes <= ALWAYS_ALLOWED_BYTES + MAX_RATIO * archiveBytes) return;
  const message = `sparse files with holes of ${holeBytes} bytes in ${archiveBytes} bytes of archive`;
  throw new FetchError('ERR_LIMIT', message, { stage: 'convert' });
}

/** @throws FetchError ERR_TAR_INVALID for pieces that overlap or do not fit, ERR_LIMIT for a bomb */
export function createSparseReader(
  pieces: readonly SparsePiece[],
  storedBytes: number,
  realBytes: number,
  handler: { data(chunk: Buffer): void; hole(sizeBytes: number): void },
) {
  let end = 0;
  let total = 0;
  for (const { offset, sizeBytes } of pieces) {
    if (offset < end) throw invalid('pieces that overlap');
    end = offset + sizeBytes;
    total += sizeBytes;
  }
  if (end > realBytes || total !== storedBytes) throw invalid('pieces that do not fit the file');
  if (realBytes > ALWAYS_ALLOWED_BYTES + MAX_RATIO * storedBytes) {
    const message = `a sparse file of ${realBytes} bytes that stores ${storedBytes}`;
    throw new FetchError('ERR_LIMIT', message, { stage: 'convert' });
  }
  let next = 0;
  let position = 0;

  function holeTo(offset: number): void {
    if (offset > position) handler.hole(offset - position);
    position = Math.max(position, offset);
  }

  return {
    push(chunk: Buffer): void {
      for (let at = 0; at < chunk.length; ) {
        const piece = pieces[next] as SparsePiece;
        holeTo(piece.offset);
        const take = Math.min(chunk.length - at, piece.offset + piece.sizeBytes - position);
        if (take > 0) handler.data(chunk.subarray(at, at + take));
        at += take;
        position += take;
        if (position === piece.offset + piece.sizeBytes) next += 1;
      }
    },
    end: () => holeTo(realBytes),
  };
}

function pairs(numbers: readonly number[]): SparsePiece[] {
  if (numbers.length % 2 !== 0) throw invalid('half a piece');
  const pieces: SparsePiece[] = [];
  for (let i = 0; i < numbers.length; i += 2) {
    pieces.push({ offset: numbers[i] as number, sizeBytes: numbers[i + 1] as number });
  }
  return pieces;
}

function decimal(text: string): number {
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || text.length > MAX_DIGITS || !Number.isSafeInteger(value))
    throw invalid('a number that is none');
  return value;
}

function invalid(what: string): FetchError {
  return new FetchError('ERR_TAR_INVALID', `malformed tar: a sparse file with ${what}`, { stage: 'convert' });
}
