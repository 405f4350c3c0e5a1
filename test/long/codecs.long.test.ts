/** Thousands of damaged inputs for each codec, and the memory of inflating gigabytes. */

import { describe, expect, it } from 'vitest';
import { createDecompressor } from '../../src/codec/decompress.js';
import { damageAtRandom } from '../support/codec-fuzz.js';
import { CODECS, compressWith, inflate } from '../support/codecs.js';
import { createRandom, runSeed } from '../support/images/random.js';

const ROUNDS = 200;
const SEEDS = 15;
const MIB = 1024 * 1024;

describe.each(CODECS.filter(({ name }) => name !== 'nothing'))('$name', (codec) => {
  it.skipIf(codec.name.includes('no-check'))(
    'is the right bytes or an error of exit code 7 when damaged',
    async () => {
      const first = runSeed();
      for (let seed = first; seed < first + SEEDS; seed += 1)
        expect(await damageAtRandom(codec, createRandom(seed), ROUNDS), `ACI_TEST_SEED=${seed}`).toEqual([]);
    },
  );

  it('takes no more memory for more data', async () => {
    const part = await codec.compress(Buffer.concat([createRandom(9).text(24 * MIB), Buffer.alloc(8 * MIB)]));
    const decompressor = createDecompressor(() => {});
    const rss: number[] = [];
    for (let round = 0; round < 16; round++) {
      for (let at = 0; at < part.length; at += MIB) await decompressor.write(part.subarray(at, at + MIB));
      rss.push(process.memoryUsage.rss());
    }
    await decompressor.end();
    decompressor.destroy();
    // The collector works in leaps.
    expect((rss.at(-1) as number) - (rss[3] as number)).toBeLessThan(100 * MIB);
  });
});

it('bzip2 gives the bytes of large files of many kinds', async () => {
  const random = createRandom(runSeed());
  for (let round = 0; round < 30; round++) {
    const kinds = [random.text, random.bytes, (size: number) => Buffer.alloc(size, random.int(0, 255))];
    const parts = Array.from({ length: random.int(1, 20) }, () => random.pick(kinds)(random.int(0, 400_000)));
    const whole = Buffer.concat(parts);
    const compressed = await compressWith('bzip2', [`-${random.int(1, 9)}`], whole);
    expect((await inflate([compressed])).equals(whole), `ACI_TEST_SEED=${random.seed}`).toBe(true);
  }
});
