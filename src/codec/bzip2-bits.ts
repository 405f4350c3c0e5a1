/** The input of bzip2: a stream of bits, most significant first, of which the next few KiB are always at hand. */

import type { Source, Steps } from './stepped-stage.js';

const CAPACITY_BYTES = 64 * 1024;
/** What may be looked at beyond the end. */
const SLACK_BYTES = 8;

export interface BitReader {
  /** Only the bits from `at` up to `endAt` count. */
  readonly bytes: Uint8Array;
  /** In bits. */
  at: number;
  endAt: number;
  readonly source: Source;
}

export function createBitReader(source: Source): BitReader {
  return { bytes: new Uint8Array(CAPACITY_BYTES + SLACK_BYTES), at: 0, endAt: 0, source };
}

/** Afterwards there are so many bytes more, or all that the input still has. Not for more than the capacity. */
export function* need(bits: BitReader, byteCount: number): Steps {
  const { source, bytes } = bits;
  while (bits.endAt - bits.at < byteCount * 8) {
    if (source.bytes.length === 0) {
      if (source.isEnded) return;
      yield 'input';
      continue;
    }
    const usedBytes = bits.at >>> 3;
    bytes.copyWithin(0, usedBytes, bits.endAt >>> 3);
    bits.at -= usedBytes * 8;
    bits.endAt -= usedBytes * 8;
    const taken = source.bytes.subarray(0, CAPACITY_BYTES - (bits.endAt >>> 3));
    bytes.set(taken, bits.endAt >>> 3);
    bits.endAt += taken.length * 8;
    source.bytes = source.bytes.subarray(taken.length);
  }
}

/** The next `count` bits, 25 at most; what is beyond the end is noticed by {@link checkEnd}. */
export function peekBits({ bytes, at }: BitReader, count: number): number {
  const byte = at >>> 3;
  const word =
    ((bytes[byte] as number) << 24) |
    ((bytes[byte + 1] as number) << 16) |
    ((bytes[byte + 2] as number) << 8) |
    (bytes[byte + 3] as number);
  return (word << (at & 7)) >>> (32 - count);
}

export function takeBits(bits: BitReader, count: number): number {
  const value = peekBits(bits, count);
  bits.at += count;
  return value;
}

export function checkEnd(bits: BitReader): void {
  if (bits.at > bits.endAt) throw new Error('it ends early');
}

/** From the next whole byte on. */
export function alignToByte(bits: BitReader): void {
  bits.at = (bits.at + 7) & ~7;
}
