/** What the next bits of deflate data mean (RFC 1951, 3.2.2): the tables of a block's codes. */

const MAX_CODE_BITS: i32 = 15;

/*
 * An entry, from its low bits: how many bits it takes off the input, extra bits included (6); the length of the code,
 * which is where the extra bits begin, or how many bits index a further table (6, from bit 8); what it is (from bit 14);
 * a literal, the least length or distance, or where the further table begins (16, from bit 16). What is in the bits
 * above the lowest 6 does no harm where an entry serves as a count of bits, for shifts take those only.
 */
export const KIND_LITERAL: u64 = 1 << 15;
/** None of literal, length and distance: what it is instead is told by the next two. */
export const KIND_OTHER: u64 = 1 << 14;
export const OTHER_INVALID: u64 = 1 << 7;
export const OTHER_TABLE: u64 = 1 << 6;
/** Added once for each bit of a code. */
const ONE_CODE_BIT: u32 = 0x101;

export const LITERAL_BITS: i32 = 11;
export const DISTANCE_BITS: i32 = 9;
export const LENGTHS_BITS: i32 = 7;

/** As many entries as zlib's `enough` finds for the largest sets of codes: 2342, 594 and 128. */
export const literalTable: usize = memory.data(9368, 16);
export const distanceTable: usize = memory.data(2376, 16);
export const lengthsTable: usize = memory.data(512, 16);

/** The entries of all symbols, without the bits of their codes. */
export const literalSymbols: usize = memory.data(1152, 16);
export const distanceSymbols: usize = memory.data(128, 16);
export const lengthsSymbols: usize = memory.data(76, 16);

/** Of the code of each symbol, in bits; 0 where it has none. */
export const codeLengths: usize = memory.data(320, 16);

const counts: usize = memory.data(64, 16);
/** Where the symbols of each length begin in `sorted`. */
const starts: usize = memory.data(64, 16);
const sorted: usize = memory.data(576, 16);

initSymbols();

function initSymbols(): void {
  for (let symbol = 0; symbol < 256; symbol++)
    setEntry(literalSymbols, symbol, <u32>KIND_LITERAL | (symbol << 16));
  setEntry(literalSymbols, 256, <u32>KIND_OTHER);
  let base = 3;
  for (let symbol = 257; symbol < 285; symbol++) {
    const extra = symbol < 265 ? 0 : (symbol - 261) >> 2;
    setEntry(literalSymbols, symbol, (base << 16) | extra);
    base += 1 << extra;
  }
  setEntry(literalSymbols, 285, 258 << 16);
  for (let symbol = 286; symbol < 288; symbol++)
    setEntry(literalSymbols, symbol, <u32>(KIND_OTHER | OTHER_INVALID));
  base = 1;
  for (let symbol = 0; symbol < 30; symbol++) {
    const extra = symbol < 4 ? 0 : (symbol - 2) >> 1;
    setEntry(distanceSymbols, symbol, (base << 16) | extra);
    base += 1 << extra;
  }
  for (let symbol = 30; symbol < 32; symbol++)
    setEntry(distanceSymbols, symbol, <u32>(KIND_OTHER | OTHER_INVALID));
  for (let symbol = 0; symbol < 19; symbol++) {
    const extra = symbol < 16 ? 0 : symbol === 16 ? 2 : symbol === 17 ? 3 : 7;
    setEntry(lengthsSymbols, symbol, (symbol << 16) | extra);
  }
}

function setEntry(table: usize, at: i32, entry: u32): void {
  store<u32>(table + ((<usize>at) << 2), entry);
}

/**
 * Fills `table`, whose first 2^`tableBits` entries are indexed by the next bits, with the codes that the `symbolCount`
 * lengths at `lengths` are of. False for a set that is refused: incomplete ones are not with at most one code, of one
 * bit, if `mayBeIncomplete`.
 */
export function buildTable(
  table: usize,
  tableBits: i32,
  symbols: usize,
  lengths: usize,
  symbolCount: i32,
  mayBeIncomplete: bool,
): bool {
  memory.fill(counts, 0, 64);
  for (let symbol = 0; symbol < symbolCount; symbol++) {
    const count = counts + ((<usize>load<u8>(lengths + symbol)) << 2);
    store<u32>(count, load<u32>(count) + 1);
  }
  let codeSpace: i32 = 1;
  let start: i32 = 0;
  let maxBits: i32 = 0;
  for (let bits = 1; bits <= MAX_CODE_BITS; bits++) {
    const count = load<i32>(counts + (bits << 2));
    codeSpace = (codeSpace << 1) - count;
    if (codeSpace < 0) return false;
    store<i32>(starts + (bits << 2), start);
    start += count;
    if (count > 0) maxBits = bits;
  }
  if (codeSpace > 0 && (maxBits > 1 || !mayBeIncomplete)) return false;
  for (let symbol = 0; symbol < symbolCount; symbol++) {
    const bits = (<usize>load<u8>(lengths + symbol)) << 2;
    if (bits === 0) continue;
    const place = load<i32>(starts + bits);
    store<u16>(sorted + (place << 1), <u16>symbol);
    store<i32>(starts + bits, place + 1);
  }
  if (codeSpace > 0) fillIncomplete(table, tableBits, symbols, maxBits);
  else fillComplete(table, tableBits, symbols, maxBits);
  return true;
}

/** The only code, if there is one, is that of the bit 0. */
function fillIncomplete(table: usize, tableBits: i32, symbols: usize, codeCount: i32): void {
  const invalid = <u32>(KIND_OTHER | OTHER_INVALID) + ONE_CODE_BIT;
  const entry =
    codeCount === 0 ? invalid : load<u32>(symbols + ((<usize>load<u16>(sorted)) << 2)) + ONE_CODE_BIT;
  for (let at = 0; at < 1 << tableBits; at += 2) {
    setEntry(table, at, entry);
    setEntry(table, at + 1, invalid);
  }
}

/** Codes come with their first bit lowest, so the next one carries towards the low bits. */
function fillComplete(table: usize, tableBits: i32, symbols: usize, maxBits: i32): void {
  let next = sorted;
  let code: i32 = 0;
  // Entries of the table so far, which holds all codes up to the present length and is doubled for the next.
  let filled: i32 = 1;
  for (let bits = 1; bits <= tableBits; bits++) {
    memory.copy(table + (filled << 2), table, filled << 2);
    filled <<= 1;
    for (let left = load<i32>(counts + (bits << 2)); left > 0; left--) {
      setEntry(table, code, load<u32>(symbols + ((<usize>load<u16>(next)) << 2)) + ONE_CODE_BIT * bits);
      next += 2;
      code = nextCode(code, bits);
    }
  }
  let prefix: i32 = -1;
  let subtable: usize = table;
  let subtableBits: i32 = 0;
  let end: i32 = 1 << tableBits;
  for (let bits = tableBits + 1; bits <= maxBits; bits++) {
    const ownBits = bits - tableBits;
    for (let left = load<i32>(counts + (bits << 2)); left > 0; left--) {
      if ((code & ((1 << tableBits) - 1)) !== prefix) {
        prefix = code & ((1 << tableBits) - 1);
        subtableBits = ownBits;
        // What the codes from this one on leave of the space tells how far they go down.
        let space = (1 << subtableBits) - left;
        while (space > 0) {
          subtableBits += 1;
          space = (space << 1) - load<i32>(counts + ((tableBits + subtableBits) << 2));
        }
        subtable = table + ((<usize>end) << 2);
        setEntry(
          table,
          prefix,
          <u32>(KIND_OTHER | OTHER_TABLE) | (end << 16) | (subtableBits << 8) | tableBits,
        );
        end += 1 << subtableBits;
      }
      const entry = load<u32>(symbols + ((<usize>load<u16>(next)) << 2)) + ONE_CODE_BIT * ownBits;
      next += 2;
      for (let at = code >> tableBits; at < 1 << subtableBits; at += 1 << ownBits)
        setEntry(subtable, at, entry);
      code = nextCode(code, bits);
    }
  }
}

function nextCode(code: i32, bits: i32): i32 {
  const zeros = ~code & ((1 << bits) - 1);
  if (zeros === 0) return 0;
  const carry = 0x80000000 >>> clz(zeros);
  return (code & (carry - 1)) | carry;
}

export function literalEntry(bits: u64): u64 {
  return load<u32>(literalTable + ((<usize>bits & ((1 << LITERAL_BITS) - 1)) << 2));
}

export function distanceEntry(bits: u64): u64 {
  return load<u32>(distanceTable + ((<usize>bits & ((1 << DISTANCE_BITS) - 1)) << 2));
}

/** Where an entry leads to another table: that one's for the next bits. */
export function subtableEntry(table: usize, entry: u64, bits: u64): u64 {
  const index = (entry >> 16) + (bits & (((<u64>1) << (entry >> 8)) - 1));
  return load<u32>(table + ((<usize>index) << 2));
}

/** The length or distance of an entry, with its extra bits. `bits`: from the code on. */
export function valueIn(entry: u64, bits: u64): usize {
  return <usize>((entry >> 16) + ((bits & (((<u64>1) << entry) - 1)) >> (entry >> 8)));
}
