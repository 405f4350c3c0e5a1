/** A push parser for tar archives: takes chunks of any size, hands out entries and views of their content. */

import { FetchError } from '../errors.js';
import { checkedTypeFlag, decodeHeader, type Extensions, headerSize } from './decode.js';
import { BLOCK_BYTES, paddedBytes, type TarEntry } from './entry.js';
import { parsePax } from './pax.js';
import {
  checkCount,
  checkHoles,
  continuedTable,
  createDataMapReader,
  createSparseReader,
  type SparseFacts,
  type SparsePiece,
  sparseFacts,
} from './sparse.js';

export interface TarHandler {
  /** A new entry; its content follows through `data`. */
  entry(entry: TarEntry): void;
  /** The next bytes of the entry's content: a view that is only good during the call. */
  data(chunk: Buffer): void;
  /** The next bytes of the content are that many zeros: a hole of a sparse file, which may be of any size. */
  hole(sizeBytes: number): void;
  /** The content is complete; called for every entry. */
  entryEnd(): void;
}

export interface TarParser {
  /** @throws FetchError ERR_TAR_INVALID, ERR_LIMIT, and whatever the handler throws */
  push(chunk: Buffer): void;
  /** Bytes of the archive before what comes next; in `entry`, where its content starts. */
  position(): number;
  /**
   * Ends the content of the entry at hand without its bytes; returns how many, padding included, the caller then
   * leaves out. 0 where there are none, or where they are not the content as it stands (sparse files).
   */
  skipContent(): number;
  /** The archive is over. @throws FetchError ERR_TAR_INVALID when it ends inside an entry */
  end(): void;
}

/** Bound on PAX headers and long names; real ones are a few KiB (file capabilities, ACLs, long paths). */
const MAX_EXTENSION_BYTES = 1024 * 1024;

/** `gnuMap` and `dataMap`: blocks that tell where the pieces of a sparse file lie. */
type State = 'header' | 'gnuMap' | 'dataMap' | 'content' | 'padding' | 'extension' | 'done';

/** A sparse file whose map is being read. */
interface SparseEntry {
  readonly entry: TarEntry;
  readonly realBytes: number;
  pieces: SparsePiece[];
}

/** What stands after the end-of-archive block is ignored, as every tar program does. */
export function createTarParser(handler: TarHandler): TarParser {
  const header = Buffer.alloc(BLOCK_BYTES);
  let filled = 0;
  let position = 0;
  let state: State = 'header';
  let remaining = 0;
  let padding = 0;
  let extension = Buffer.alloc(0);
  let extensionFlag = '';
  let extensions: Extensions = { pax: new Map() };
  let sparse: SparseEntry | undefined;
  let mapReader = createDataMapReader();
  let pieceReader: ReturnType<typeof createSparseReader> | undefined;
  /** Of all sparse files so far. */
  let holeBytes = 0;

  function beginExtension(typeFlag: string, sizeBytes: number): void {
    if (sizeBytes > MAX_EXTENSION_BYTES) {
      throw new FetchError('ERR_LIMIT', `a tar extension header of ${sizeBytes} bytes`, { stage: 'convert' });
    }
    extension = Buffer.alloc(sizeBytes);
    extensionFlag = typeFlag;
    filled = 0;
    padding = paddedBytes(sizeBytes) - sizeBytes;
    state = 'extension';
    if (sizeBytes === 0) endExtension();
  }

  function endExtension(): void {
    const text = () => extension.toString('latin1').replace(/\0.*$/s, '');
    if (extensionFlag === 'x') extensions = { ...extensions, pax: parsePax(extension) };
    else if (extensionFlag === 'L') extensions = { ...extensions, longPath: text() };
    else if (extensionFlag === 'K') extensions = { ...extensions, longLink: text() };
    else parsePax(extension); // 'g': must be well formed; as in Go's archive/tar it does not change later entries
    filled = 0;
    remaining = padding;
    state = padding > 0 ? 'padding' : 'header';
  }

  function beginEntry(block: Buffer): void {
    if (isZero(block)) {
      state = 'done';
      return;
    }
    const typeFlag = checkedTypeFlag(block);
    if (typeFlag === 'x' || typeFlag === 'g' || typeFlag === 'L' || typeFlag === 'K') {
      beginExtension(typeFlag, headerSize(block));
      return;
    }
    const entry = decodeHeader(block, typeFlag, extensions);
    const facts = entry.type === 'file' ? sparseFacts(block, typeFlag, extensions.pax) : undefined;
    extensions = { pax: new Map() };
    if (facts === undefined) beginContent(entry, entry.sizeBytes);
    else beginSparse(entry, facts);
  }

  function beginSparse(entry: TarEntry, { map, realBytes }: SparseFacts): void {
    sparse = { entry, realBytes, pieces: map.in === 'data' ? [] : [...map.pieces] };
    if (map.in === 'gnu' && map.isContinued) state = 'gnuMap';
    else if (map.in === 'data') {
      mapReader = createDataMapReader();
      state = 'dataMap';
    } else beginPieces(sparse, entry.sizeBytes);
  }

  function takeGnuMap(block: Buffer, current: SparseEntry): void {
    const { pieces, isContinued } = continuedTable(block);
    current.pieces.push(...pieces);
    checkCount(current.pieces.length);
    if (!isContinued) beginPieces(current, current.entry.sizeBytes);
  }

  function takeDataMap(block: Buffer, current: SparseEntry): void {
    const pieces = mapReader.push(block);
    const storedBytes = current.entry.sizeBytes - mapReader.sizeBytes();
    if (storedBytes < 0) throw invalid('a sparse file without its map');
    if (pieces !== undefined) beginPieces({ ...current, pieces: [...pieces] }, storedBytes);
  }

  function beginPieces({ entry, realBytes, pieces }: SparseEntry, storedBytes: number): void {
    pieceReader = createSparseReader(pieces, storedBytes, realBytes, handler);
    holeBytes += realBytes - storedBytes;
    checkHoles(holeBytes, position + storedBytes);
    sparse = undefined;
    beginContent({ ...entry, sizeBytes: realBytes }, storedBytes);
  }

  function beginContent(entry: TarEntry, storedBytes: number): void {
    handler.entry(entry);
    remaining = storedBytes;
    padding = paddedBytes(remaining) - remaining;
    state = 'content';
    if (remaining === 0) endContent();
  }

  function endContent(): void {
    pieceReader?.end();
    pieceReader = undefined;
    handler.entryEnd();
    remaining = padding;
    state = padding > 0 ? 'padding' : 'header';
  }

  function push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && state !== 'done'; ) {
      const from = at;
      at = Math.min(chunk.length, at + missing());
      position += at - from;
      if (isBlockState(state)) {
        takeBlock(chunk, from, at);
      } else if (state === 'content') {
        remaining -= at - from;
        if (pieceReader === undefined) handler.data(chunk.subarray(from, at));
        else pieceReader.push(chunk.subarray(from, at));
        if (remaining === 0) endContent();
      } else if (state === 'padding') {
        remaining -= at - from;
        if (remaining === 0) state = 'header';
      } else {
        filled += chunk.copy(extension, filled, from, at);
        if (filled === extension.length) endExtension();
      }
    }
  }

  function skipContent(): number {
    if (state !== 'content' || pieceReader !== undefined) return 0;
    const skipped = remaining + padding;
    position += skipped;
    padding = 0;
    endContent();
    return skipped;
  }

  /** Bytes until the state changes. */
  function missing(): number {
    if (isBlockState(state)) return BLOCK_BYTES - filled;
    return state === 'extension' ? extension.length - filled : remaining;
  }

  function takeBlock(chunk: Buffer, from: number, to: number): void {
    if (to - from === BLOCK_BYTES) {
      endBlock(chunk.subarray(from, to));
      return;
    }
    filled += chunk.copy(header, filled, from, to);
    if (filled < BLOCK_BYTES) return;
    filled = 0;
    endBlock(header);
  }

  function endBlock(block: Buffer): void {
    if (sparse === undefined) beginEntry(block);
    else if (state === 'gnuMap') takeGnuMap(block, sparse);
    else takeDataMap(block, sparse);
  }

  function end(): void {
    const pending =
      extensions.pax.size > 0 || extensions.longPath !== undefined || extensions.longLink !== undefined;
    const clean = state === 'done' || (state === 'header' && filled === 0 && !pending);
    // A last entry without its padding is complete all the same.
    if (!clean && !(state === 'padding' && !pending)) {
      throw invalid('it ends in the middle of an entry');
    }
  }

  return { push, position: () => position, skipContent, end };
}

function isBlockState(state: State): boolean {
  return state === 'header' || state === 'gnuMap' || state === 'dataMap';
}

function invalid(what: string): FetchError {
  return new FetchError('ERR_TAR_INVALID', `malformed tar: ${what}`, { stage: 'convert' });
}

function isZero(block: Buffer): boolean {
  if (block[0] !== 0 || block[156] !== 0) return false;
  for (const byte of block) if (byte !== 0) return false;
  return true;
}
