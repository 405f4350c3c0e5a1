/** Random numbers, bytes and files that a seed repeats. */

import { createCipheriv, createHash, randomInt } from 'node:crypto';
import type { NamedEntry } from './tar.js';

export interface Random {
  readonly seed: number;
  /** From 0 up to, not including, 1. */
  next(): number;
  /** From `min` to `max`, both included. */
  int(min: number, max: number): number;
  /** True with this probability. Default 0.5. */
  chance(probability?: number): boolean;
  pick<T>(values: readonly T[]): T;
  /** Bytes that no compressor makes smaller. */
  bytes(sizeBytes: number): Buffer;
  /** Bytes that gzip makes about four times smaller. */
  text(sizeBytes: number): Buffer;
  /** A name of `a` to `z` and digits. */
  name(length?: number): string;
}

/**
 * The seed of this run: `ACI_TEST_SEED`, or one that is drawn where that is `random`. Default 1, so that a change is
 * judged by what it changes.
 */
export function runSeed(): number {
  const given = process.env['ACI_TEST_SEED'] ?? '1';
  return given === 'random' ? randomInt(2 ** 31) : Number(given);
}

/** A generator (mulberry32 for numbers, AES in counter mode for bytes) from a seed of 32 bits. */
export function createRandom(seed: number = runSeed()): Random {
  let state = seed >>> 0;
  let streams = 0;

  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  function int(min: number, max: number): number {
    return min + Math.floor(next() * (max - min + 1));
  }
  function pick<T>(values: readonly T[]): T {
    if (values.length === 0) throw new RangeError('nothing to pick from');
    return values[int(0, values.length - 1)] as T;
  }
  function bytes(sizeBytes: number): Buffer {
    streams += 1;
    const key = createHash('md5').update(`${seed} ${streams}`).digest();
    return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes));
  }
  return {
    seed,
    next,
    int,
    pick,
    bytes,
    chance: (probability = 0.5) => next() < probability,
    text: (sizeBytes) =>
      Buffer.from(
        bytes(Math.ceil(sizeBytes / 2))
          .toString('hex')
          .replaceAll(/[0-7]/g, 'the '),
      ).subarray(0, sizeBytes),
    name(length = int(3, 12)) {
      return Array.from({ length }, () => pick([...'abcdefghijklmnopqrstuvwxyz0123456789'])).join('');
    },
  };
}

export interface RandomFilesOptions {
  readonly count: number;
  /** Default 64 KiB. */
  readonly maxSizeBytes?: number | undefined;
  /** Default `data`. */
  readonly directory?: string | undefined;
}

/** A directory with files of random names, sizes, modes and owners; half of them compress well. */
export function randomFiles(random: Random, options: RandomFilesOptions): NamedEntry[] {
  const directory = options.directory ?? 'data';
  const files = Array.from({ length: options.count }, (_, index): NamedEntry => {
    const sizeBytes = random.int(0, options.maxSizeBytes ?? 64 * 1024);
    return {
      path: `${directory}/${index}-${random.name()}`,
      mode: random.pick([0o644, 0o600, 0o755, 0o444]),
      uid: random.pick([0, 1000, 65534]),
      gid: random.pick([0, 1000, 65534]),
      mtime: random.int(0, 2 ** 31),
      data: random.chance() ? random.bytes(sizeBytes) : random.text(sizeBytes),
    };
  });
  return [{ path: directory, type: 'directory' }, ...files];
}

/** Runs `body` with a generator; an error names the seed that repeats it. */
export async function withRandom(
  body: (random: Random) => void | Promise<void>,
  seed = runSeed(),
): Promise<void> {
  try {
    await body(createRandom(seed));
  } catch (error) {
    if (error instanceof Error) error.message += `\n(repeat with ACI_TEST_SEED=${seed})`;
    throw error;
  }
}
