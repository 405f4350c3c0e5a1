/** Room on a disk: claims against what this one really has. */

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { freeBytes, withMinFree } from '../../../src/fetch/space.js';
import { tempDir } from '../../support/temp.js';

const dir = tempDir();
const { signal } = new AbortController();
const TERABYTE = 1e12;
const ALL = 900 * TERABYTE;

describe('room that is to be kept', () => {
  it.each<[title: string, minFreeBytes: number, claims: readonly number[], isRefused: boolean]>([
    ['nothing is kept', 0, [ALL], false],
    ['nothing is claimed', ALL, [], false],
    ['there is less already', ALL, [0], true],
    ['the claim fits', 1, [1], false],
    ['the claim does not fit', 1, [ALL], true],
    ['a later claim does not fit', 1, [0, ALL], true],
  ])('where %s', async (_, minFreeBytes, claims, isRefused) => {
    const run = withMinFree({ dir, minFreeBytes, signal }, async (roomy, claim) => {
      for (const sizeBytes of claims) await claim(sizeBytes);
      return roomy.aborted;
    });
    if (isRefused) await expect(run).rejects.toMatchObject({ code: 'ERR_NO_SPACE', exitCode: 8 });
    else expect(await run).toBe(false);
  });

  it('ends what is under way, which hears of it as of an interruption', async () => {
    let heard: unknown;
    const run = withMinFree({ dir, minFreeBytes: ALL, signal }, async (roomy, claim) => {
      const refused = claim(0).catch((error: unknown) => {
        heard = error;
      });
      await sleep(10_000, undefined, { signal: roomy }).finally(() => refused);
    });
    await expect(run).rejects.toMatchObject({ code: 'ERR_NO_SPACE' });
    expect(heard).toMatchObject({ code: 'ERR_ABORTED' });
  });

  it('is not what an interruption is blamed on', async () => {
    const interrupted = AbortSignal.abort();
    const run = withMinFree({ dir, minFreeBytes: ALL, signal: interrupted }, async (_, claim) => claim(0));
    await expect(run).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

it('what is free is a number of bytes', async () => {
  expect(await freeBytes(dir)).toBeGreaterThan(0);
  await expect(freeBytes('/dev/null/none')).rejects.toMatchObject({ exitCode: 8 });
});
