/** The outer form of zstd data (RFC 8878, 3.1): where frames begin and end, and what they ask for. */

import { FetchError } from '../errors.js';

const FRAME_MAGIC = 0xfd2fb528;
/** The last digit is free. */
const SKIPPABLE_MAGIC = 0x184d2a50;

/** What libzstd takes unless it is told otherwise, and the largest that `zstd` makes without `--long`. */
const MAX_WINDOW_BYTES = 128 * 1024 * 1024;
export const MAX_BLOCK_BYTES = 128 * 1024;
/** Its two headers. */
const MIN_COMPRESSED_BYTES = 2;
const BLOCK_TYPE = { rle: 1, compressed: 2, reserved: 3 } as const;
/** A megabyte of output at most. */
const BLOCKS_A_PIECE = 8;

/** What an engine reads next, all of it in one frame. */
export interface ZstdPiece {
  readonly bytes: Buffer;
  /** Set when the frame ends with these bytes. */
  readonly end: { readonly checksum: number | undefined } | undefined;
  /** Of how many blocks the frame is, when it is all in these bytes. */
  readonly frameBlocks: number | undefined;
}

export interface ZstdFrames {
  /** What of the chunk is for an engine. @throws for what is malformed, needs a dictionary or a larger window */
  read(chunk: Buffer): Generator<ZstdPiece, void, void>;
  /** @throws when something is missing */
  end(): void;
}

type Part = 'head' | 'block' | 'content' | 'checksum' | 'skippable' | 'padding';

/**
 * Skippable frames (zstd:chunked keeps its table of contents in them) are for no engine, and neither are zeros after
 * the last frame. Node 22.15 loses a frame that is in one write with the end of another, and sees no early end.
 */
export function createZstdFrames(): ZstdFrames {
  let part: Part = 'head';
  /** Bytes of the part that are still to come; what came of a small part is in `field`. */
  let left = 4;
  const field = Buffer.alloc(18);
  let fieldLength = 0;
  let frames = 0;
  let blocks = 0;
  let maxBlockBytes = 0;
  let hasChecksum = false;
  let isLastBlock = false;
  /** No piece of this frame was read yet. */
  let isUncut = false;

  const isFrame = (): boolean => field.readUInt32LE(0) === FRAME_MAGIC;

  function begin(next: Part, length: number): void {
    part = next;
    left = length;
    fieldLength = 0;
  }

  /** Reads as much of the head as is there; more of it may have to come. */
  function readHead(): void {
    const magic = field.readUInt32LE(0);
    if (isFrame()) {
      if (fieldLength < 5) left = 1;
      else if (fieldLength < headLength(field)) left = headLength(field) - fieldLength;
      else {
        const head = parseHead(field);
        maxBlockBytes = Math.min(MAX_BLOCK_BYTES, head.windowBytes);
        hasChecksum = head.hasChecksum;
        begin('block', 3);
      }
    } else if ((magic & ~15) >>> 0 === SKIPPABLE_MAGIC) {
      if (fieldLength < 8) left = 4;
      else begin('skippable', field.readUInt32LE(4));
    } else if (magic === 0 && frames > 0) begin('padding', Number.POSITIVE_INFINITY);
    else throw new Error('no frame where one should begin');
  }

  function readBlock(): void {
    const header = field.readUIntLE(0, 3);
    const type = (header >>> 1) & 3;
    const size = header >>> 3;
    if (type === BLOCK_TYPE.reserved) throw new Error('a block of an unknown kind');
    if (size > maxBlockBytes) throw new Error('a block that is too large');
    if (type === BLOCK_TYPE.compressed && size < MIN_COMPRESSED_BYTES) throw new Error('a block of nothing');
    isLastBlock = (header & 1) === 1;
    blocks += 1;
    begin('content', type === BLOCK_TYPE.rle ? 1 : size);
  }

  /** Goes from a part that is complete to the next one; true where a frame for the engine ends. */
  function advance(): boolean {
    switch (part) {
      case 'head':
        readHead();
        return false;
      case 'block':
        readBlock();
        return false;
      case 'content':
        if (!isLastBlock) begin('block', 3);
        else if (hasChecksum) begin('checksum', 4);
        else return endFrame();
        return false;
      case 'checksum':
        return endFrame();
      default:
        frames += 1;
        begin('head', 4);
        return false;
    }
  }

  function endFrame(): boolean {
    frames += 1;
    begin('head', 4);
    return true;
  }

  function* read(chunk: Buffer): Generator<ZstdPiece, void, void> {
    let at = 0;
    /** Where what was not handed on begins; undefined in what is for no engine, and while a head is not read. */
    let from = part === 'block' || part === 'content' || part === 'checksum' ? 0 : undefined;
    const piece = (end: ZstdPiece['end'] = undefined): ZstdPiece => {
      const bytes = chunk.subarray(from, at);
      const frameBlocks = end !== undefined && isUncut ? blocks : undefined;
      from = at;
      isUncut = false;
      return { bytes, end, frameBlocks };
    };
    while (at < chunk.length) {
      const taken = Math.min(left, chunk.length - at);
      if (part === 'padding') {
        if (chunk.subarray(at).some((byte) => byte !== 0))
          throw new Error('other bytes after the last frame');
      } else if (part !== 'content' && part !== 'skippable') {
        chunk.copy(field, fieldLength, at, at + taken);
        fieldLength += taken;
      }
      at += taken;
      left -= taken;
      while (left === 0) {
        const length = fieldLength;
        const wasHead = part === 'head';
        const checksum = part === 'checksum' ? field.readUInt32LE(0) : undefined;
        if (advance()) {
          yield piece({ checksum });
          from = undefined;
        } else if (wasHead && isPart('block')) {
          blocks = 0;
          from = at - length;
          isUncut = from >= 0;
          if (!isUncut) {
            yield { bytes: Buffer.from(field.subarray(0, length)), end: undefined, frameBlocks: undefined };
            from = at;
          }
        } else if (blocks >= BLOCKS_A_PIECE && isPart('block')) {
          blocks = 0;
          yield piece();
        }
      }
    }
    if (from !== undefined && from < at) yield piece();
  }

  // The compiler does not see that `advance` sets it.
  const isPart = (name: Part): boolean => part === name;

  return {
    read,
    end() {
      const isWhole =
        part === 'head' && frames > 0 && field.subarray(0, fieldLength).every((byte) => byte === 0);
      if (!isWhole && part !== 'padding') throw new Error('it ends early');
    },
  };
}

const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;

/** The length of a frame header (RFC 8878, 3.1.1.1), by its descriptor, with the magic number. */
function headLength(head: Buffer): number {
  const { windowBytes, dictionaryBytes, contentSizeBytes } = lengthsOf(head[4] as number);
  return 5 + windowBytes + dictionaryBytes + contentSizeBytes;
}

function lengthsOf(descriptor: number) {
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = (descriptor >>> 6) as 0 | 1 | 2 | 3;
  return {
    windowBytes: isSingleSegment ? 0 : 1,
    dictionaryBytes: DICTIONARY_ID_BYTES[(descriptor & 3) as 0 | 1 | 2 | 3],
    contentSizeBytes: sizeFlag === 0 && isSingleSegment ? 1 : CONTENT_SIZE_BYTES[sizeFlag],
  };
}

function parseHead(head: Buffer): { windowBytes: number; hasChecksum: boolean } {
  const descriptor = head[4] as number;
  if ((descriptor & 8) !== 0) throw new Error('a frame of an unknown kind');
  const lengths = lengthsOf(descriptor);
  const dictionaryAt = 5 + lengths.windowBytes;
  const contentSizeAt = dictionaryAt + lengths.dictionaryBytes;
  if (head.subarray(dictionaryAt, contentSizeAt).some((byte) => byte !== 0))
    throw new Error('a frame that needs a dictionary');
  const windowBytes =
    lengths.windowBytes === 1
      ? windowOf(head[5] as number)
      : contentSizeOf(head, contentSizeAt, lengths.contentSizeBytes);
  if (windowBytes > MAX_WINDOW_BYTES) {
    const message = `zstd data that needs a window of more than ${MAX_WINDOW_BYTES / 1024 / 1024} MiB`;
    throw new FetchError('ERR_LIMIT', message, { stage: 'convert' });
  }
  return { windowBytes, hasChecksum: (descriptor & 4) !== 0 };
}

function windowOf(byte: number): number {
  const base = 2 ** (10 + (byte >>> 3));
  return base + (base / 8) * (byte & 7);
}

function contentSizeOf(head: Buffer, at: number, length: number): number {
  if (length === 8) return Number(head.readBigUInt64LE(at));
  return head.readUIntLE(at, length) + (length === 2 ? 256 : 0);
}
