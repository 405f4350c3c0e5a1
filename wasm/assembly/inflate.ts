/** Inflates raw deflate data (RFC 1951), in AssemblyScript; wasm/README.md has the measurements behind it. */

import { bitsAt, INPUT_BYTES, inputStart, NEEDS_INPUT, readCodes, useFixedCodes } from './inflate-codes';
import { copyMatch } from './inflate-match';
import {
  distanceEntry,
  distanceTable,
  KIND_LITERAL,
  KIND_OTHER,
  literalEntry,
  literalTable,
  OTHER_INVALID,
  OTHER_TABLE,
  subtableEntry,
  valueIn,
} from './inflate-tables';

/** What `inflate` returns; from `BAD_BLOCK_TYPE` on, what is wrong with the data. 5 to 10 are those of `readCodes`. */
const OUTPUT_FULL: i32 = 1;
const DONE: i32 = 2;
const BAD_BLOCK_TYPE: i32 = 3;
const BAD_STORED_LENGTH: i32 = 4;
const BAD_LITERAL_CODE: i32 = 11;
const BAD_DISTANCE_CODE: i32 = 12;
const DISTANCE_TOO_FAR: i32 = 13;

/** The fast loop goes on while so much is left: the 10 bytes that a round may take, and more. */
const ROUND_BYTES: usize = 16;
const HISTORY_BYTES: usize = 32768;

export const inputBytes: i32 = INPUT_BYTES;
export const input: usize = inputStart;
export const outputBytes: i32 = 262144;
/** The history, the output, and behind it what one round may make: three literals, a match, a whole vector. */
export const history: usize = memory.data(295296, 16);
const output: usize = history + HISTORY_BYTES;
const outputEnd: usize = output + <usize>outputBytes;

/** Where the input is, in bits, and where it ends, in bytes. */
export let inputAt: i32 = 0;
// biome-ignore lint/style/useConst: the caller sets it.
export let inputEnd: i32 = 0;
/** Where the next byte of output goes, from the beginning of the history. */
export let outputAt: i32 = 0;

/** The first byte that a distance may lead to. */
let oldest: usize = 0;
let isLastBlock: bool = false;
let block: i32 = 0;
const BETWEEN_BLOCKS: i32 = 0;
const IN_STORED: i32 = 1;
const IN_CODES: i32 = 2;
let storedLeft: i32 = 0;

/** Begins new data at the present place of the input and of the output. Nothing of older data can come out again. */
export function start(): void {
  oldest = history + outputAt;
  isLastBlock = false;
  block = BETWEEN_BLOCKS;
}

/** Makes the output empty again, and what was last in it the history. */
export function slide(): void {
  const moved = <usize>outputAt - HISTORY_BYTES;
  memory.copy(history, history + moved, HISTORY_BYTES);
  oldest = max<usize>(oldest, history + moved) - moved;
  outputAt = <i32>HISTORY_BYTES;
}

export function inflate(): i32 {
  let status = GO_ON;
  while (status === GO_ON) {
    if (block === BETWEEN_BLOCKS) status = isLastBlock ? DONE : beginBlock();
    else if (history + outputAt >= outputEnd) status = OUTPUT_FULL;
    else if (block === IN_STORED) status = copyStored();
    else status = decode();
  }
  return status;
}

/** What all parts of the loop above return when it is to go on. */
const GO_ON: i32 = -1;

function beginBlock(): i32 {
  let at = inputAt;
  const head = <i32>bitsAt(at);
  const type = (head >> 1) & 3;
  at += 3;
  if (at > inputEnd << 3) return NEEDS_INPUT;
  let next = IN_CODES;
  if (type === 0) {
    at = (at + 7) & ~7;
    const lengths = <u32>bitsAt(at);
    at += 32;
    if (at > inputEnd << 3) return NEEDS_INPUT;
    storedLeft = <i32>(lengths & 0xffff);
    if (<u32>storedLeft !== ((lengths >> 16) ^ 0xffff)) return BAD_STORED_LENGTH;
    next = IN_STORED;
  } else if (type === 1) {
    useFixedCodes();
  } else if (type === 2) {
    at = readCodes(at, inputEnd << 3);
    if (at <= 0) return -at;
  } else return BAD_BLOCK_TYPE;
  inputAt = at;
  isLastBlock = (head & 1) !== 0;
  block = next;
  return GO_ON;
}

function copyStored(): i32 {
  const from = inputAt >> 3;
  const to = history + outputAt;
  const length = min(min(storedLeft, inputEnd - from), <i32>(outputEnd - to));
  memory.copy(to, input + from, length);
  inputAt += length << 3;
  outputAt += length;
  storedLeft -= length;
  if (storedLeft === 0) block = BETWEEN_BLOCKS;
  else if (inputAt >> 3 === inputEnd) return NEEDS_INPUT;
  return GO_ON;
}

function decode(): i32 {
  const status = decodeFast();
  return status === GO_ON && block === IN_CODES ? decodeSlowly() : status;
}

/**
 * Until a round may lack input or room. Each round has up to two literals, and a third or a match: at most
 * 2 * 11 + 15 + 5 bits, and 15 + 13 for the distance.
 */
function decodeFast(): i32 {
  let next = input + (<usize>inputAt >> 3);
  const lastNext = input + inputEnd - ROUND_BYTES;
  if (next > lastNext) return GO_ON;
  let out = history + outputAt;
  let status = GO_ON;
  const first = oldest;
  // Of `count` only the lowest 6 bits count, and of `bits` so many.
  let bits = load<u64>(next) >> (inputAt & 7);
  let count: u64 = 56 - (<u64>inputAt & 7);
  next += 7;
  let entry = literalEntry(bits);
  for (;;) {
    let before = bits;
    bits >>= entry;
    count -= entry;
    if (entry & KIND_LITERAL) {
      store<u8>(out, <u8>(entry >> 16));
      out += 1;
      entry = literalEntry(bits);
      before = bits;
      bits >>= entry;
      count -= entry;
      if (entry & KIND_LITERAL) {
        store<u8>(out, <u8>(entry >> 16));
        out += 1;
        entry = literalEntry(bits);
        before = bits;
        bits >>= entry;
        count -= entry;
      }
    }
    if (entry & KIND_OTHER) {
      if (entry & OTHER_TABLE) {
        entry = subtableEntry(literalTable, entry, bits);
        before = bits;
        bits >>= entry;
        count -= entry;
      }
      if (entry & KIND_OTHER) {
        if (entry & OTHER_INVALID) status = BAD_LITERAL_CODE;
        else block = BETWEEN_BLOCKS;
        break;
      }
    }
    if (entry & KIND_LITERAL) {
      store<u8>(out, <u8>(entry >> 16));
      out += 1;
      bits |= load<u64>(next) << count;
      next += 7;
      next -= (<usize>count >> 3) & 7;
      count |= 56;
      entry = literalEntry(bits);
    } else {
      const length = valueIn(entry, before);
      bits |= load<u64>(next) << count;
      next += 7;
      next -= (<usize>count >> 3) & 7;
      count |= 56;
      entry = distanceEntry(bits);
      if (entry & KIND_OTHER) {
        if (entry & OTHER_INVALID) {
          status = BAD_DISTANCE_CODE;
          break;
        }
        bits >>= entry;
        count -= entry;
        entry = subtableEntry(distanceTable, entry, bits);
        if (entry & OTHER_INVALID) {
          status = BAD_DISTANCE_CODE;
          break;
        }
      }
      const distance = valueIn(entry, bits);
      bits >>= entry;
      count -= entry;
      if (out - first < distance) {
        status = DISTANCE_TOO_FAR;
        break;
      }
      bits |= load<u64>(next) << count;
      next += 7;
      next -= (<usize>count >> 3) & 7;
      count |= 56;
      entry = literalEntry(bits);
      copyMatch(out, distance, length);
      out += length;
    }
    if (next > lastNext || out >= outputEnd) break;
  }
  inputAt = <i32>((next - input) << 3) - <i32>(count & 63);
  outputAt = <i32>(out - history);
  return status;
}

/** Symbol by symbol, each of which counts only when it is whole. */
function decodeSlowly(): i32 {
  let at = inputAt;
  let out = history + outputAt;
  let status = GO_ON;
  const end = inputEnd << 3;
  while (out < outputEnd) {
    let bits = bitsAt(at);
    let next = at;
    let entry = literalEntry(bits);
    if (entry & OTHER_TABLE) {
      bits >>= entry;
      next += <i32>entry & 63;
      entry = subtableEntry(literalTable, entry, bits);
    }
    next += <i32>entry & 63;
    if (next > end) {
      status = NEEDS_INPUT;
      break;
    }
    if (entry & KIND_LITERAL) {
      store<u8>(out, <u8>(entry >> 16));
      out += 1;
      at = next;
      continue;
    }
    if (entry & KIND_OTHER) {
      if (entry & OTHER_INVALID) status = BAD_LITERAL_CODE;
      else block = BETWEEN_BLOCKS;
      at = next;
      break;
    }
    const length = valueIn(entry, bits);
    bits = bitsAt(next);
    entry = distanceEntry(bits);
    if (entry & OTHER_TABLE) {
      bits >>= entry;
      next += <i32>entry & 63;
      entry = subtableEntry(distanceTable, entry, bits);
    }
    next += <i32>entry & 63;
    if (next > end) {
      status = NEEDS_INPUT;
      break;
    }
    if (entry & OTHER_INVALID) {
      status = BAD_DISTANCE_CODE;
      break;
    }
    const distance = valueIn(entry, bits);
    if (out - oldest < distance) {
      status = DISTANCE_TOO_FAR;
      break;
    }
    copyMatch(out, distance, length);
    out += length;
    at = next;
  }
  inputAt = at;
  outputAt = <i32>(out - history);
  return status;
}
