/** What inflating costs: bombs, the size of what comes out at once, and turns of the event loop. */

import { setImmediate } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createDecompressor } from '../../../src/codec/decompress.js';
import { damageAtRandom } from '../../support/codec-fuzz.js';
import { CODECS, compressWith, compressZeros } from '../../support/codecs.js';
import { createRandom, runSeed } from '../../support/images/random.js';
import { requireTools } from '../../support/tools.js';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

interface Cost {
  outputBytes: number;
  largestChunk: number;
  /** The most that came out while nothing else on this thread could run. */
  largestTurn: number;
  turns: number;
  /** Turns before anything came out. */
  silentTurns: number;
  error: unknown;
}

/** Inflates in as few calls as there are pieces, beside something else that always wants to run. */
async function costOf(pieces: readonly Buffer[]): Promise<Cost> {
  const cost = {
    outputBytes: 0,
    largestChunk: 0,
    largestTurn: 0,
    turns: 0,
    silentTurns: 0,
    error: undefined,
  } as Cost;
  let thisTurn = 0;
  let isDone = false;
  const decompressor = createDecompressor((chunk) => {
    thisTurn += chunk.length;
    cost.outputBytes += chunk.length;
    cost.largestChunk = Math.max(cost.largestChunk, chunk.length);
    cost.largestTurn = Math.max(cost.largestTurn, thisTurn);
  });
  async function beat(): Promise<void> {
    while (!isDone) {
      await setImmediate();
      thisTurn = 0;
      cost.turns += 1;
      if (cost.outputBytes === 0) cost.silentTurns += 1;
    }
  }
  const beating = beat();
  try {
    for (const piece of pieces) await decompressor.write(piece);
    await decompressor.end();
  } catch (error) {
    cost.error = error;
  }
  isDone = true;
  await beating;
  decompressor.destroy();
  return cost;
}

const times = (count: number, bytes: Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, () => bytes));

const PART = 32 * MIB;
/** That many zeros, of which as many as one likes may follow each other. */
const ZEROS_BY: readonly [string, () => Promise<Buffer>][] = [
  ['gzip', async () => gzipSync(Buffer.alloc(PART))],
  ...(requireTools(['zstd']) ? [['zstd', () => compressZeros('zstd', PART)] as const] : []),
  ...(requireTools(['bzip2']) ? [['bzip2', () => compressZeros('bzip2', PART)] as const] : []),
  ...(requireTools(['xz']) ? [['xz', () => compressWith('xz', ['-0'], Buffer.alloc(PART))] as const] : []),
].map(([name, make]) => [name, make] as [string, () => Promise<Buffer>]);

describe.each(ZEROS_BY)('a few bytes of %s', (_, make) => {
  it('give others a turn every few megabytes, and all of a large file of zeros', async () => {
    const cost = await costOf([times(2, await make())]);
    expect(cost).toMatchObject({ outputBytes: 2 * PART, error: undefined });
    expect(cost.largestChunk).toBeLessThanOrEqual(MIB);
    expect(cost.largestTurn).toBeLessThanOrEqual(4 * MIB);
    expect(cost.turns).toBeGreaterThanOrEqual(16);
  });
});

describe.each(ZEROS_BY.filter(([name]) => name === 'zstd' || name === 'bzip2'))('%s', (_, make) => {
  it('makes a file of a GiB of zeros, and no bomb', async () => {
    const zeros = await make();
    const bomb = times(36, zeros);
    const { outputBytes, error, largestTurn } = await costOf([bomb]);
    expect(error).toMatchObject({ code: 'ERR_LIMIT', stage: 'convert' });
    expect(outputBytes).toBeGreaterThanOrEqual(GIB);
    expect(outputBytes).toBeLessThan(GIB + 1100 * bomb.length);
    expect(largestTurn).toBeLessThanOrEqual(4 * MIB);
  });
});

it.runIf(requireTools(['bzip2']))(
  'a block of bzip2 takes several turns before anything comes out',
  async () => {
    const cost = await costOf([await compressWith('bzip2', ['-9'], createRandom(5).bytes(800_000))]);
    expect(cost.outputBytes).toBe(800_000);
    expect(cost.largestChunk).toBeLessThanOrEqual(256 * 1024);
    expect(cost.silentTurns).toBeGreaterThanOrEqual(6);
  },
);

it('a codec that is given up in the middle of its work does no more of it', async () => {
  for (const [name, make] of ZEROS_BY) {
    let outputBytes = 0;
    const decompressor = createDecompressor((chunk) => {
      outputBytes += chunk.length;
    });
    const part = await make();
    // bzip2 waits for the most that a block's head may be.
    const bytes = times(Math.ceil(100_000 / part.length) + 1, part);
    const writing = decompressor.write(bytes);
    while (outputBytes === 0) await setImmediate();
    decompressor.destroy();
    await writing;
    const before = outputBytes;
    await setImmediate();
    expect(outputBytes, name).toBe(before);
    expect(before, name).toBeLessThan(PART);
  }
});

// Without a check, what is damaged cannot be told from what is right.
describe.each(CODECS.filter(({ name }) => name !== 'nothing' && !name.includes('no-check')))(
  'damaged $name',
  (codec) => {
    it('is the right bytes or an error of exit code 7', async () => {
      const random = createRandom(runSeed());
      expect(await damageAtRandom(codec, random, 60), `ACI_TEST_SEED=${random.seed}`).toEqual([]);
    });
  },
);
