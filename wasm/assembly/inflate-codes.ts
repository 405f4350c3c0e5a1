/** Reads which codes a block of deflate data uses (RFC 1951, 3.2.6 and 3.2.7), and makes the tables of them. */

import {
  buildTable,
  codeLengths,
  DISTANCE_BITS,
  distanceSymbols,
  distanceTable,
  LENGTHS_BITS,
  LITERAL_BITS,
  lengthsSymbols,
  lengthsTable,
  literalSymbols,
  literalTable,
} from './inflate-tables';

export const NEEDS_INPUT: i32 = 0;
const TOO_MANY_SYMBOLS: i32 = 5;
const BAD_LENGTHS_CODES: i32 = 6;
const BAD_REPEAT: i32 = 7;
const NO_END_OF_BLOCK: i32 = 8;
const BAD_LITERAL_CODES: i32 = 9;
const BAD_DISTANCE_CODES: i32 = 10;

export const INPUT_BYTES: i32 = 65536;
/** Behind it, what is read beyond the end and does not count: 563 bytes for the codes of a block, and 8 at a time. */
export const inputStart: usize = memory.data(66176, 16);

/** Which codes the tables are of. */
let areFixedCodes: bool = false;

/** At least 57 bits from a place on, in bits. */
export function bitsAt(at: i32): u64 {
  return load<u64>(inputStart + (<usize>at >> 3)) >> (at & 7);
}

export function useFixedCodes(): void {
  if (areFixedCodes) return;
  memory.fill(codeLengths, 8, 144);
  memory.fill(codeLengths + 144, 9, 112);
  memory.fill(codeLengths + 256, 7, 24);
  memory.fill(codeLengths + 280, 8, 8);
  buildTable(literalTable, LITERAL_BITS, literalSymbols, codeLengths, 288, false);
  memory.fill(codeLengths, 5, 32);
  buildTable(distanceTable, DISTANCE_BITS, distanceSymbols, codeLengths, 32, false);
  areFixedCodes = true;
}

/** The order in which a block has the lengths of the codes for lengths, in five bits each. */
const lengthsOrder: usize = memory.data<u8>([
  16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
]);

/** Reads the codes of a block. Returns the place behind them, or less than that of `from`: the negated status. */
export function readCodes(from: i32, end: i32): i32 {
  let at = from;
  const head = <i32>bitsAt(at);
  const literalCount = (head & 31) + 257;
  const distanceCount = ((head >> 5) & 31) + 1;
  const lengthsCount = ((head >> 10) & 15) + 4;
  at += 14;
  if (literalCount > 286 || distanceCount > 30) return at > end ? NEEDS_INPUT : -TOO_MANY_SYMBOLS;
  memory.fill(codeLengths, 0, 19);
  for (let place = 0; place < lengthsCount; place++) {
    store<u8>(codeLengths + load<u8>(lengthsOrder + place), <u8>(bitsAt(at) & 7));
    at += 3;
  }
  if (!buildTable(lengthsTable, LENGTHS_BITS, lengthsSymbols, codeLengths, 19, false)) {
    return at > end ? NEEDS_INPUT : -BAD_LENGTHS_CODES;
  }
  const total = literalCount + distanceCount;
  let count = 0;
  while (count < total) {
    const bits = bitsAt(at);
    const entry = load<u32>(lengthsTable + ((<usize>bits & 127) << 2));
    const symbol = entry >> 16;
    at += entry & 63;
    if (symbol < 16) {
      store<u8>(codeLengths + count, <u8>symbol);
      count += 1;
      continue;
    }
    const extra = <i32>((bits >> (entry >> 8)) & ((1 << ((entry & 63) - ((entry >> 8) & 63))) - 1));
    let repeated: u8 = 0;
    let repeats = extra + 3;
    if (symbol === 16) {
      if (count === 0) return at > end ? NEEDS_INPUT : -BAD_REPEAT;
      repeated = load<u8>(codeLengths + count - 1);
    } else if (symbol === 18) repeats += 8;
    if (count + repeats > total) return at > end ? NEEDS_INPUT : -BAD_REPEAT;
    memory.fill(codeLengths + count, repeated, repeats);
    count += repeats;
  }
  if (at > end) return NEEDS_INPUT;
  if (load<u8>(codeLengths + 256) === 0) return -NO_END_OF_BLOCK;
  areFixedCodes = false;
  if (!buildTable(literalTable, LITERAL_BITS, literalSymbols, codeLengths, literalCount, true)) {
    return -BAD_LITERAL_CODES;
  }
  const distanceLengths = codeLengths + literalCount;
  if (!buildTable(distanceTable, DISTANCE_BITS, distanceSymbols, distanceLengths, distanceCount, true)) {
    return -BAD_DISTANCE_CODES;
  }
  return at;
}
