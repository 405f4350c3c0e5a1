/** Compressed data that is damaged at random, and what may come of it. */

import { createDecompressor, sniffCodec } from '../../src/codec/decompress.js';
import { isFetchError } from '../../src/errors.js';
import type { CodecCase } from './codecs.js';
import { cut, inflate } from './codecs.js';
import type { Random } from './images/random.js';

/** What went wrong, one line each: anything but the right bytes or an error of exit code 7. */
export async function damageAtRandom(codec: CodecCase, random: Random, rounds: number): Promise<string[]> {
  const whole = Buffer.concat([random.text(random.int(0, 30_000)), random.bytes(3000), Buffer.alloc(20_000)]);
  const compressed = await codec.compress(whole);
  const twice = Buffer.concat([compressed, compressed]);
  const problems: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const damaged = damage(random.pick([compressed, twice]), random);
    const pieces = random.chance() ? [damaged] : cut(damaged, random.int(1, 5000));
    const problem = await problemOf(pieces, damaged, whole);
    if (problem !== undefined) problems.push(`${codec.name}, round ${round}: ${problem}`);
  }
  return problems;
}

async function problemOf(pieces: Buffer[], damaged: Buffer, whole: Buffer): Promise<string | undefined> {
  // What no longer looks compressed passes through.
  if (sniffCodec(damaged) === 'none') return undefined;
  try {
    const output = await inflate(pieces, createDecompressor);
    const isRight =
      output.length === 0 || [whole, Buffer.concat([whole, whole])].some((one) => one.equals(output));
    return isRight ? undefined : `${output.length} other bytes came out`;
  } catch (error) {
    if (isFetchError(error) && error.exitCode === 7) return undefined;
    return `it threw ${String(error)}`;
  }
}

/** Cut off, bits turned over, bytes overwritten, taken out or put in. */
function damage(bytes: Buffer, random: Random): Buffer {
  const at = random.int(0, bytes.length - 1);
  const length = random.int(1, 40);
  const changed = Buffer.from(bytes);
  switch (random.int(0, 4)) {
    case 0:
      return changed.subarray(0, at);
    case 1:
      for (let flips = random.int(1, 3); flips > 0; flips--) {
        const place = random.int(0, changed.length - 1);
        changed[place] = (changed[place] as number) ^ (1 << random.int(0, 7));
      }
      return changed;
    case 2:
      return changed.fill(random.bytes(length), at, Math.min(changed.length, at + length));
    case 3:
      return Buffer.concat([changed.subarray(0, at), changed.subarray(at + length)]);
    default:
      return Buffer.concat([changed.subarray(0, at), random.bytes(length), changed.subarray(at)]);
  }
}
