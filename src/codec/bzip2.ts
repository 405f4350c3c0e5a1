/** bzip2, block by block: the memory of one block, a turn for others every few milliseconds. */

import {
  alignToByte,
  type BitReader,
  checkEnd,
  createBitReader,
  need,
  peekBits,
  takeBits,
} from './bzip2-bits.js';
import {
  type Block,
  createBlock,
  expand,
  LEVEL_BYTES,
  linkBytes,
  MAX_GROUP_BYTES,
  readGroup,
  resetBlock,
  sortBytes,
  startWalk,
} from './bzip2-block.js';
import { type Codes, createCodes, MAX_CODES_BYTES, readCodes } from './bzip2-codes.js';
import { updateCrc } from './crc32-bzip2.js';
import type { Output, Stage } from './stage.js';
import { type Steps, steppedStage } from './stepped-stage.js';

/** `BZh`, before a digit. */
const STREAM_MAGIC = 0x425a68;
/** The digits of pi and of its square root, each in two halves. */
const BLOCK_MAGIC = [0x314159, 0x265359] as const;
const END_MAGIC = [0x177245, 0x385090] as const;
const OUTPUT_BYTES = 256 * 1024;

/** Some milliseconds of each. */
const GROUPS_A_TURN = 2000;
const LINKS_A_TURN = 200_000;

/** Magic, checksum, the flag for randomised blocks, the origin, and which bytes there are. */
const MAX_BLOCK_HEADER_BYTES = 6 + 4 + 4 + 34;

interface Decoder {
  readonly bits: BitReader;
  readonly codes: Codes;
  readonly output: Buffer;
  readonly onOutput: Output;
  readonly block: Block;
}

/** Streams one after another are one (as pbzip2 writes them); zeros after the last are ignored. */
export function bzip2Stage(onOutput: Output): Stage {
  return steppedStage('bzip2', function* (source) {
    const decoder: Decoder = {
      bits: createBitReader(source),
      codes: createCodes(),
      output: Buffer.allocUnsafeSlow(OUTPUT_BYTES),
      onOutput,
      block: createBlock(),
    };
    do yield* inflateStream(decoder);
    while (yield* hasAnotherStream(decoder.bits));
    yield* skipZeros(decoder.bits);
  });
}

function* inflateStream(decoder: Decoder): Steps {
  const { bits } = decoder;
  yield* need(bits, 4);
  if (takeBits(bits, 24) !== STREAM_MAGIC) throw new Error('no stream where one should begin');
  const level = takeBits(bits, 8) - '0'.charCodeAt(0);
  if (level < 1 || level > 9) throw new Error('a stream of no size of blocks');
  checkEnd(bits);
  decoder.block.maxBytes = level * LEVEL_BYTES;
  let streamCrc = 0;
  for (;;) {
    yield* need(bits, MAX_BLOCK_HEADER_BYTES + MAX_CODES_BYTES);
    const magic = [takeBits(bits, 24), takeBits(bits, 24)] as const;
    const crc = takeCrc(bits);
    checkEnd(bits);
    if (magic[0] === END_MAGIC[0] && magic[1] === END_MAGIC[1]) {
      if (crc !== streamCrc) throw new Error('the checksum of the stream is wrong');
      alignToByte(bits);
      return;
    }
    if (magic[0] !== BLOCK_MAGIC[0] || magic[1] !== BLOCK_MAGIC[1])
      throw new Error('no block where one should begin');
    if ((yield* inflateBlock(decoder)) !== crc) throw new Error('the checksum of a block is wrong');
    streamCrc = ((streamCrc << 1) | (streamCrc >>> 31)) ^ crc;
  }
}

function takeCrc(bits: BitReader): number {
  const high = takeBits(bits, 16);
  return (high << 16) | takeBits(bits, 16);
}

/** Returns the checksum of what came out. */
function* inflateBlock({
  bits,
  codes,
  block,
  output,
  onOutput,
}: Decoder): Generator<'input' | 'turn', number> {
  // Written by versions before 0.9.5 of the year 1999; nothing else ever made them.
  if (takeBits(bits, 1) === 1) throw new Error('a randomised block');
  const origin = takeBits(bits, 24);
  const alphabet = readAlphabet(bits);
  readCodes(bits, codes, alphabet.length + 2);
  resetBlock(block, alphabet);
  while (!block.isComplete) {
    if (block.groups % GROUPS_A_TURN === GROUPS_A_TURN - 1) yield 'turn';
    yield* need(bits, MAX_GROUP_BYTES);
    readGroup(bits, codes, block);
  }
  if (origin >= block.length) throw new Error('a block that begins beyond its end');
  sortBytes(block);
  for (let at = 0; at < block.length; at += LINKS_A_TURN) {
    yield 'turn';
    linkBytes(block, at, Math.min(block.length, at + LINKS_A_TURN));
  }
  const walk = startWalk(block, origin);
  let crc = -1;
  for (;;) {
    const length = expand(block, walk, output);
    if (length === 0) return ~crc;
    crc = updateCrc(crc, output, length);
    onOutput(output.subarray(0, length));
    yield 'turn';
  }
}

/** Sixteen bits say which sixteenths have bytes, sixteen more for each of these say which. */
function readAlphabet(bits: BitReader): number[] {
  const alphabet: number[] = [];
  const sixteenths = takeBits(bits, 16);
  for (let high = 0; high < 16; high++) {
    if ((sixteenths & (0x8000 >>> high)) === 0) continue;
    const members = takeBits(bits, 16);
    for (let low = 0; low < 16; low++) {
      if ((members & (0x8000 >>> low)) !== 0) alphabet.push(high * 16 + low);
    }
  }
  checkEnd(bits);
  if (alphabet.length === 0) throw new Error('a block without bytes');
  return alphabet;
}

function* hasAnotherStream(bits: BitReader): Generator<'input' | 'turn', boolean> {
  yield* need(bits, 1);
  return bits.at < bits.endAt && peekBits(bits, 8) !== 0;
}

function* skipZeros(bits: BitReader): Steps {
  for (yield* need(bits, 1); bits.at < bits.endAt; yield* need(bits, 1)) {
    if (takeBits(bits, 8) !== 0) throw new Error('other bytes after the last stream');
  }
}
