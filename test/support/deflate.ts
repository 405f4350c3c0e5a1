/** Deflate data (RFC 1951) written by hand, well formed and not, and what the kernel and zlib make of them. */

import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { takeInflater } from '../../wasm/inflate-kernel.js';
import { cut } from './codecs.js';
import type { Random } from './images/random.js';

export interface BitWriter {
  /** The lowest bit first. */
  bits(value: number, count: number): BitWriter;
  /** A Huffman code: the highest bit first. */
  code(value: number, count: number): BitWriter;
  bytes(): Buffer;
}

export function createBitWriter(): BitWriter {
  const all: number[] = [];
  const writer: BitWriter = {
    bits(value, count) {
      for (let at = 0; at < count; at++) all.push(Math.floor(value / 2 ** at) % 2);
      return writer;
    },
    code(value, count) {
      for (let at = count - 1; at >= 0; at--) all.push(Math.floor(value / 2 ** at) % 2);
      return writer;
    },
    bytes() {
      const bytes = Buffer.alloc(Math.ceil(all.length / 8));
      for (const [at, bit] of all.entries()) bytes[at >> 3] = (bytes[at >> 3] as number) | (bit << (at & 7));
      return bytes;
    },
  };
  return writer;
}

/** The codes of these lengths (RFC 1951, 3.2.2); of lengths that do not fit together, some. */
export function codesOf(lengths: readonly number[]): number[] {
  const codes: number[] = Array.from(lengths, () => 0);
  let code = 0;
  for (let bits = 1; bits <= 15; bits++) {
    code *= 2;
    for (const [symbol, length] of lengths.entries()) if (length === bits) codes[symbol] = code++;
  }
  return codes;
}

const FIXED_LENGTHS = Array.from({ length: 288 }, (_, symbol) =>
  symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8,
);
const FIXED_CODES = codesOf(FIXED_LENGTHS);

export function writeFixedHead(writer: BitWriter, isLast = true): BitWriter {
  return writer.bits(isLast ? 1 : 0, 1).bits(1, 2);
}

/** A literal, a length without its extra bits, or the end (256), in a block of fixed codes. */
export function writeFixed(writer: BitWriter, symbol: number): BitWriter {
  return writer.code(FIXED_CODES[symbol] as number, FIXED_LENGTHS[symbol] as number);
}

const LENGTHS_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

export interface DynamicBlock {
  readonly literalLengths: readonly number[];
  readonly distanceLengths: readonly number[];
  readonly isLast?: boolean;
}

/** The head of a block with codes of its own, whose lengths are written in four bits each. */
export function writeDynamicHead(writer: BitWriter, block: DynamicBlock): BitWriter {
  const { literalLengths, distanceLengths, isLast = true } = block;
  writer.bits(isLast ? 1 : 0, 1).bits(2, 2);
  writer
    .bits(literalLengths.length - 257, 5)
    .bits(distanceLengths.length - 1, 5)
    .bits(19 - 4, 4);
  for (const symbol of LENGTHS_ORDER) writer.bits(symbol < 16 ? 4 : 0, 3);
  for (const length of [...literalLengths, ...distanceLengths]) writer.code(length, 4);
  return writer;
}

/** Lengths of codes for `count` symbols that leave nothing over, none above `maxBits`. */
function randomLengths(random: Random, count: number, maxBits: number): number[] {
  const leaves = [1, 1];
  while (leaves.length < count) {
    // Often the deepest, so that some codes are long.
    const open = leaves.flatMap((bits, at) => (bits < maxBits ? [at] : []));
    const at = random.chance(0.3) ? (open.at(-1) as number) : random.pick(open);
    const bits = (leaves[at] as number) + 1;
    leaves.splice(at, 1, bits, bits);
  }
  return leaves;
}

/** Blocks with random codes and random symbols, some of which lead too far back. */
export function randomBlocks(random: Random): Buffer {
  const writer = createBitWriter();
  const blocks = random.int(1, 4);
  let made = 0;
  for (let block = 1; block <= blocks; block++) {
    const used = shuffled(random, 286).slice(0, random.int(2, 285));
    if (!used.includes(256)) used.push(256);
    const literalLengths = spread(used, randomLengths(random, used.length, random.int(9, 15)), 286);
    const farthest = random.int(2, 30);
    const distances = shuffled(random, farthest);
    const distanceLengths = spread(distances, randomLengths(random, farthest, random.int(5, 15)), farthest);
    writeDynamicHead(writer, { literalLengths, distanceLengths, isLast: block === blocks });
    const [literalCodes, distanceCodes] = [codesOf(literalLengths), codesOf(distanceLengths)];
    for (let left = random.int(0, 1500); left > 0; left--) {
      const symbol = random.pick(used);
      if (symbol === 256) continue;
      if (symbol > 256 && made === 0) continue;
      writer.code(literalCodes[symbol] as number, literalLengths[symbol] as number);
      if (symbol < 256) {
        made += 1;
        continue;
      }
      const extraBits = symbol < 265 || symbol === 285 ? 0 : (symbol - 261) >> 2;
      writer.bits(random.int(0, 2 ** extraBits - 1), extraBits);
      // Rarely one that may not be reached.
      const near = distances.filter((one) => leastDistance(one + 1) <= made || random.chance(0.0005));
      const distance = near.length === 0 ? random.pick(distances) : random.pick(near);
      writer.code(distanceCodes[distance] as number, distanceLengths[distance] as number);
      const distanceBits = distance < 4 ? 0 : (distance - 2) >> 1;
      writer.bits(random.int(0, 2 ** distanceBits - 1), distanceBits);
      made += 3;
    }
    writer.code(literalCodes[256] as number, literalLengths[256] as number);
  }
  return writer.bytes();
}

function leastDistance(symbol: number): number {
  return symbol < 4 ? symbol + 1 : 1 + (2 + (symbol & 1)) * 2 ** ((symbol - 2) >> 1);
}

function shuffled(random: Random, count: number): number[] {
  const keys = Array.from({ length: count }, (_, symbol) => [random.next(), symbol] as const);
  return keys.sort(([a], [b]) => a - b).map(([, symbol]) => symbol);
}

function spread(symbols: readonly number[], lengths: readonly number[], count: number): number[] {
  const all = Array.from({ length: count }, () => 0);
  for (const [at, symbol] of symbols.entries()) all[symbol] = lengths[at] as number;
  return all;
}

export type Verdict = { readonly bytes: Buffer } | { readonly error: string };

/** What zlib makes of raw deflate data, which may end early. Its words of what is wrong. */
export function zlibVerdict(data: Buffer): Verdict {
  try {
    return { bytes: inflateRawSync(data) };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

/** What the kernel makes of them, in pieces. */
export function kernelVerdict(pieces: readonly Buffer[]): Verdict {
  const inflater = takeInflater();
  if (inflater === undefined) throw new Error('no SIMD here');
  const output: Buffer[] = [];
  const left = [...pieces];
  let piece = left.shift() ?? Buffer.alloc(0);
  try {
    inflater.start();
    for (;;) {
      const state = inflater.inflate();
      output.push(Buffer.from(inflater.takeOutput()));
      if (state === 'end') return { bytes: Buffer.concat(output) };
      if (state === 'full') continue;
      while (piece.length === 0) {
        const next = left.shift();
        if (next === undefined) return { error: 'unexpected end of file' };
        piece = next;
      }
      piece = piece.subarray(inflater.feed(piece));
    }
  } catch (error) {
    return { error: (error as Error).message };
  } finally {
    inflater.release();
  }
}

/**
 * Damages deflated data, and lists where the kernel and zlib then differ: what comes out, or what is wrong. Without a
 * checksum much of it is still well formed.
 */
export function differentVerdicts(random: Random, rounds: number): string[] {
  const different: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const bytes = Buffer.concat([
      random.text(random.int(0, 3000)),
      random.bytes(random.int(0, 300)),
      Buffer.alloc(random.int(0, 600)),
    ]);
    const { Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY } = constants;
    const strategy = random.pick([Z_DEFAULT_STRATEGY, Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY]);
    const data = deflateRawSync(bytes, { strategy, level: random.int(0, 9), memLevel: random.int(1, 9) });
    // The codes of a block are at its beginning.
    const within = random.chance() ? Math.min(data.length, 100) : data.length;
    for (let flips = random.int(1, 3); flips > 0; flips--) {
      const place = random.int(0, within - 1);
      data[place] = (data[place] as number) ^ (1 << random.int(0, 7));
    }
    const expected = zlibVerdict(data);
    const found = kernelVerdict(random.chance() ? [data] : cut(data, random.int(1, 300)));
    if (!isSameVerdict(expected, found))
      different.push(`round ${round}: ${show(expected)}, found ${show(found)}`);
  }
  return different;
}

/** `one`: that of zlib. */
export function isSameVerdict(one: Verdict, other: Verdict): boolean {
  if ('bytes' in one) return 'bytes' in other && one.bytes.equals(other.bytes);
  if ('bytes' in other) return false;
  // A block without any code for lengths, which zlib reads as lengths of zero, and refuses for want of an end.
  return one.error === other.error || other.error === 'invalid code lengths set';
}

const show = (verdict: Verdict): string =>
  'bytes' in verdict ? `${verdict.bytes.length} bytes` : verdict.error;
