/** A bzip2 block from its symbols to its bytes: move-to-front, the inverse transform, and runs. */

import { type BitReader, checkEnd } from './bzip2-bits.js';
import { type Codes, GROUP_SYMBOLS, LOOKUP_BITS, longCode } from './bzip2-codes.js';

export interface Block {
  /** One byte each in the low bits; links above them later. */
  readonly table: Uint32Array;
  /** The most that blocks of this stream hold. */
  maxBytes: number;
  /** The bytes of the block: those so far, then all. */
  length: number;
  /** How often each byte is in it, then where the byte's part of the sorted block begins. */
  readonly counts: Uint32Array;
  /** The bytes of the alphabet, the last used one first. */
  readonly recent: Uint8Array;
  endSymbol: number;
  /** Of the run that the last symbols have begun to count. */
  runLength: number;
  runDigit: number;
  /** Groups of symbols that were read. */
  groups: number;
  isComplete: boolean;
}

export const LEVEL_BYTES = 100_000;

/** For streams of every level: one for each could be 3.6 MB for each 14 bytes of input. */
export function createBlock(): Block {
  return {
    table: new Uint32Array(9 * LEVEL_BYTES),
    maxBytes: 0,
    length: 0,
    counts: new Uint32Array(256),
    recent: new Uint8Array(256),
    endSymbol: 0,
    runLength: 0,
    runDigit: 1,
    groups: 0,
    isComplete: false,
  };
}

export function resetBlock(block: Block, alphabet: readonly number[]): void {
  block.length = 0;
  block.counts.fill(0);
  block.recent.set(alphabet);
  block.endSymbol = alphabet.length + 1;
  block.runLength = 0;
  block.runDigit = 1;
  block.groups = 0;
  block.isComplete = false;
}

/** What a group takes at most, and somewhat more. */
export const MAX_GROUP_BYTES = 128;

/** Reads one group of symbols, of which all bits are at hand. */
export function readGroup(bits: BitReader, codes: Codes, block: Block): void {
  if (block.groups === codes.selectorCount) throw new Error('a block without an end');
  const codeTable = codes.selectors[block.groups] as number;
  const firstLookup = codeTable << LOOKUP_BITS;
  const { lookup } = codes;
  const { bytes } = bits;
  const { table, maxBytes, counts, recent, endSymbol } = block;
  let { length, runLength, runDigit } = block;
  let { at } = bits;
  block.groups += 1;
  for (let left = GROUP_SYMBOLS; left > 0; left--) {
    const byte = at >>> 3;
    const word =
      ((bytes[byte] as number) << 24) |
      ((bytes[byte + 1] as number) << 16) |
      ((bytes[byte + 2] as number) << 8) |
      (bytes[byte + 3] as number);
    let code = lookup[firstLookup + ((word << (at & 7)) >>> (32 - LOOKUP_BITS))] as number;
    if (code === 0) {
      bits.at = at;
      code = longCode(bits, codes, codeTable);
    }
    at += code & 31;
    const symbol = code >>> 5;
    if (symbol <= 1) {
      // A digit, 1 or 2, of a number whose lowest digit is first.
      runLength += runDigit << symbol;
      runDigit <<= 1;
      if (runLength > maxBytes - length) throw new Error('more in a block than fits');
      continue;
    }
    if (runLength > 0) {
      const value = recent[0] as number;
      table.fill(value, length, length + runLength);
      counts[value] = (counts[value] as number) + runLength;
      length += runLength;
      runLength = 0;
      runDigit = 1;
    }
    if (symbol === endSymbol) {
      block.isComplete = true;
      break;
    }
    if (length === maxBytes) throw new Error('more in a block than fits');
    let place = symbol - 1;
    const value = recent[place] as number;
    if (place > 32) recent.copyWithin(1, 0, place);
    else for (; place > 0; place--) recent[place] = recent[place - 1] as number;
    recent[0] = value;
    table[length] = value;
    length += 1;
    counts[value] = (counts[value] as number) + 1;
  }
  bits.at = at;
  block.length = length;
  block.runLength = runLength;
  block.runDigit = runDigit;
  checkEnd(bits);
}

/** Makes the starts of the counts. */
export function sortBytes({ counts }: Block): void {
  let start = 0;
  for (let value = 0; value < 256; value++) {
    const count = counts[value] as number;
    counts[value] = start;
    start += count;
  }
}

/** Writes, above each byte of the sorted block, where the next one is; for the bytes of a part of the block. */
export function linkBytes({ table, counts }: Block, from: number, to: number): void {
  for (let at = from; at < to; at++) {
    const value = (table[at] as number) & 255;
    const place = counts[value] as number;
    counts[value] = place + 1;
    table[place] = (table[place] as number) | (at << 8);
  }
}

/** Where in a linked block the output is. */
export interface Walk {
  /** The link that leads to the next byte. */
  next: number;
  /** Bytes of the block that were not visited. */
  left: number;
  previous: number;
  /** How often the previous byte was there without others between, up to four. */
  run: number;
  /** How often it is still to be repeated. */
  repeats: number;
}

export function startWalk(block: Block, origin: number): Walk {
  return {
    next: (block.table[origin] as number) >>> 8,
    left: block.length,
    previous: -1,
    run: 0,
    repeats: 0,
  };
}

/** Writes the next bytes into `output` and returns how many; fewer than fit only at the end. */
export function expand({ table }: Block, walk: Walk, output: Uint8Array): number {
  let { next, left, previous, run, repeats } = walk;
  let written = 0;
  while (written < output.length) {
    if (repeats > 0) {
      const end = Math.min(output.length, written + repeats);
      repeats -= end - written;
      output.fill(previous, written, end);
      written = end;
      continue;
    }
    if (left === 0) break;
    const entry = table[next] as number;
    next = entry >>> 8;
    left -= 1;
    const value = entry & 255;
    if (run === 4) {
      // After four equal bytes comes the number of further ones.
      repeats = value;
      run = 0;
      continue;
    }
    if (value === previous) run += 1;
    else {
      previous = value;
      run = 1;
    }
    output[written] = value;
    written += 1;
  }
  walk.next = next;
  walk.left = left;
  walk.previous = previous;
  walk.run = run;
  walk.repeats = repeats;
  return written;
}
