/** The Huffman codes of a bzip2 block: up to six tables, and which of them each group of symbols uses. */

import { type BitReader, checkEnd, peekBits, takeBits } from './bzip2-bits.js';

export const MAX_TABLES = 6;
/** 256 values less one, two digits of run lengths, and the end of the block. */
export const MAX_SYMBOLS = 258;
export const MAX_CODE_BITS = 20;
/** Codes up to this length are looked up at once. */
export const LOOKUP_BITS = 10;
export const GROUP_SYMBOLS = 50;
/** As many groups as the largest block has; the format can count more, which bzip2 reads and does not use. */
const MAX_SELECTORS = 18_002;
const SELECTOR_COUNT_BITS = 15;

/** What `readCodes` may read at most: selectors of six bits, and tables whose lengths go up and down. */
export const MAX_CODES_BYTES = Math.ceil(
  (3 + SELECTOR_COUNT_BITS + 2 ** SELECTOR_COUNT_BITS * MAX_TABLES) / 8 +
    (MAX_TABLES * (5 + MAX_SYMBOLS * (2 * MAX_CODE_BITS + 1))) / 8,
);

/** Tables one after another in flat arrays. */
export interface Codes {
  /** By table and the next bits: the symbol above the five bits of its code's length; 0 where the code is longer. */
  readonly lookup: Uint16Array;
  /** By table and length: the first code of that length that is too large; and its symbol's place less the code. */
  readonly limit: Int32Array;
  readonly offset: Int32Array;
  /** By table: the symbols in the order of their codes. */
  readonly symbols: Uint16Array;
  readonly selectors: Uint8Array;
  selectorCount: number;
}

export function createCodes(): Codes {
  return {
    lookup: new Uint16Array(MAX_TABLES << LOOKUP_BITS),
    limit: new Int32Array(MAX_TABLES * (MAX_CODE_BITS + 1)),
    offset: new Int32Array(MAX_TABLES * (MAX_CODE_BITS + 1)),
    symbols: new Uint16Array(MAX_TABLES * MAX_SYMBOLS),
    selectors: new Uint8Array(MAX_SELECTORS),
    selectorCount: 0,
  };
}

/** Reads the codes for an alphabet of so many symbols. */
export function readCodes(bits: BitReader, codes: Codes, symbolCount: number): void {
  const tableCount = takeBits(bits, 3);
  if (tableCount < 2 || tableCount > MAX_TABLES) throw new Error(`a block with ${tableCount} code tables`);
  readSelectors(bits, codes, tableCount);
  const lengths = new Uint8Array(symbolCount);
  for (let table = 0; table < tableCount; table++) {
    readLengths(bits, lengths);
    buildTable(codes, table, lengths);
  }
  checkEnd(bits);
}

/** The number of a table as its place in a list whose last used number is in front. */
function readSelectors(bits: BitReader, codes: Codes, tableCount: number): void {
  const count = takeBits(bits, SELECTOR_COUNT_BITS);
  if (count === 0) throw new Error('a block without selectors');
  codes.selectorCount = Math.min(count, MAX_SELECTORS);
  const recent = [0, 1, 2, 3, 4, 5];
  for (let at = 0; at < count; at++) {
    let place = 0;
    while (takeBits(bits, 1) === 1) {
      place += 1;
      if (place === tableCount) throw new Error('a selector beyond the code tables');
    }
    const [table = 0] = recent.splice(place, 1);
    recent.unshift(table);
    if (at < MAX_SELECTORS) codes.selectors[at] = table;
  }
  checkEnd(bits);
}

/** Each length as the steps up and down from the one before. */
function readLengths(bits: BitReader, lengths: Uint8Array): void {
  let length = takeBits(bits, 5);
  for (let symbol = 0; symbol < lengths.length; symbol++) {
    // bzip2 takes no step back; the bound is what keeps this within the bytes at hand.
    for (let steps = 0; ; steps++) {
      if (length < 1 || length > MAX_CODE_BITS) throw new Error(`a code of ${length} bits`);
      if (takeBits(bits, 1) === 0) break;
      if (steps === MAX_CODE_BITS) throw new Error('a code length that goes up and down');
      length += takeBits(bits, 1) === 0 ? 1 : -1;
    }
    lengths[symbol] = length;
  }
}

function buildTable(codes: Codes, table: number, lengths: Uint8Array): void {
  const { lookup, limit, offset, symbols } = codes;
  const firstLookup = table << LOOKUP_BITS;
  lookup.fill(0, firstLookup, firstLookup + (1 << LOOKUP_BITS));
  let code = 0;
  let place = table * MAX_SYMBOLS;
  for (let length = 1; length <= MAX_CODE_BITS; length++) {
    code <<= 1;
    const firstPlace = place - code;
    for (let symbol = 0; symbol < lengths.length; symbol++) {
      if (lengths[symbol] !== length) continue;
      if (code >> length !== 0) throw new Error('more codes than bits can tell apart');
      if (length <= LOOKUP_BITS) {
        const spare = LOOKUP_BITS - length;
        const from = firstLookup + (code << spare);
        lookup.fill((symbol << 5) | length, from, from + (1 << spare));
      }
      symbols[place] = symbol;
      place += 1;
      code += 1;
    }
    const at = table * (MAX_CODE_BITS + 1) + length;
    limit[at] = code;
    offset[at] = firstPlace;
  }
}

/** The symbol of a code that is longer than the lookup, above the five bits of its length. */
export function longCode(bits: BitReader, codes: Codes, table: number): number {
  for (let length = LOOKUP_BITS + 1; length <= MAX_CODE_BITS; length++) {
    const code = peekBits(bits, length);
    const at = table * (MAX_CODE_BITS + 1) + length;
    if (code < (codes.limit[at] as number))
      return ((codes.symbols[(codes.offset[at] as number) + code] as number) << 5) | length;
  }
  throw new Error('a code that no symbol has');
}
