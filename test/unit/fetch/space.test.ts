/** Room on a disk: claims against what this one really has. */

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type ClaimRoom, createRoom, freeBytes } from '../../../src/fetch/space.js';
import { tempDir } from '../../support/temp.js';

const dir = tempDir();
const { signal } = new AbortController();
const TERABYTE = 1e12;
const ALL = 900 * TERABYTE;
const REFUSED = { code: 'ERR_NO_SPACE', exitCode: 8 };

const claimOf = (blob: string, sizeBytes: number) => new Map([[blob, () => sizeBytes]]);

describe('room that is to be kept', () => {
  it.each<[title: string, minFreeBytes: number, claims: readonly number[], isRefused: boolean]>([
    ['nothing is kept', 0, [ALL], false],
    ['nothing is claimed', ALL, [], false],
    ['there is less already', ALL, [0], true],
    ['the claim fits', 1, [1], false],
    ['the claim does not fit', 1, [ALL], true],
    ['a later claim does not fit', 1, [0, ALL], true],
  ])('where %s', async (_, minFreeBytes, claims, isRefused) => {
    const run = createRoom(dir, minFreeBytes).during(signal, async (roomy, claim) => {
      for (const sizeBytes of claims) await claim(claimOf('blob', sizeBytes));
      return roomy.aborted;
    });
    if (isRefused) await expect(run).rejects.toMatchObject(REFUSED);
    else expect(await run).toBe(false);
  });

  it('ends what is under way, which hears of it as of an interruption', async () => {
    let heard: unknown;
    const run = createRoom(dir, ALL).during(signal, async (roomy, claim) => {
      const refused = claim().catch((error: unknown) => {
        heard = error;
      });
      await sleep(10_000, undefined, { signal: roomy }).finally(() => refused);
    });
    await expect(run).rejects.toMatchObject({ code: 'ERR_NO_SPACE' });
    expect(heard).toMatchObject({ code: 'ERR_ABORTED' });
  });

  it('is not what an interruption is blamed on', async () => {
    const interrupted = AbortSignal.abort();
    const run = createRoom(dir, ALL).during(interrupted, async (_, claim) => claim());
    await expect(run).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

describe('several who claim room', () => {
  const most = async (): Promise<number> => 0.6 * (await freeBytes(dir));

  /** Whoever claims here stays until the end of the test. Resolves when the claim is granted. */
  function claimers() {
    const room = createRoom(dir, 1);
    const ending = new AbortController();
    onTestFinished(() => ending.abort());
    return (blobs: Parameters<ClaimRoom>[0]): Promise<void> =>
      new Promise((resolve, reject) => {
        const run = async (_: AbortSignal, claim: ClaimRoom): Promise<void> => {
          await claim(blobs);
          resolve();
          await once(ending.signal, 'abort');
        };
        room.during(signal, run).catch(reject);
      });
  }

  it('do not get together what each of them could have alone', async () => {
    const [claimFor, sizeBytes] = [claimers(), await most()];
    const both = ['one', 'other'].map((blob) => claimFor(claimOf(blob, sizeBytes)));
    const [one, other] = await Promise.allSettled(both);
    expect(one).toMatchObject({ status: 'fulfilled' });
    expect(other).toMatchObject({ reason: REFUSED });
    // Nothing is kept for the one that was refused, and a blob that two need is written once.
    await claimFor(claimOf('small', 1));
    await claimFor(claimOf('one', sizeBytes));
  });

  it('need no more room for what is written', async () => {
    const [claimFor, sizeBytes] = [claimers(), await most()];
    let missingBytes = sizeBytes;
    await claimFor(new Map([['one', () => missingBytes]]));
    await expect(claimFor(claimOf('other', sizeBytes))).rejects.toMatchObject(REFUSED);
    missingBytes = 0;
    await claimFor(claimOf('other', sizeBytes));
  });

  it('end one after the other, the newest first, while there is too little', async () => {
    let free = 100;
    const room = createRoom(dir, 50, async () => free);
    const ended: string[] = [];
    const run = (name: string, leavesBytes: number): Promise<void> =>
      room
        .during(signal, async (roomy, claim) => {
          await claim(claimOf(name, 10));
          await sleep(5000, undefined, { signal: roomy });
        })
        .catch((error: unknown) => {
          expect(error).toMatchObject(REFUSED);
          ended.push(name);
          free += leavesBytes;
        });
    const first = room.during(signal, async (_, claim) => claim(claimOf('short', 10)));
    const [old, , newest] = [run('old', 0), run('middle', 40), run('newest', 5)];
    // The look goes on when one has ended by itself.
    await first;
    free = 20;
    await newest;
    await expect.poll(() => ended).toEqual(['newest', 'middle']);
    await sleep(300);
    expect(ended).toEqual(['newest', 'middle']);
    free = 0;
    await old;
    expect(ended).toEqual(['newest', 'middle', 'old']);
  });

  it('leave theirs to the others when they end', async () => {
    const [room, sizeBytes] = [createRoom(dir, 1), await most()];
    for (const blob of ['one', 'other']) {
      await room.during(signal, (_, claim) => claim(claimOf(blob, sizeBytes)));
    }
  });
});

it('what is free is a number of bytes', async () => {
  expect(await freeBytes(dir)).toBeGreaterThan(0);
  await expect(freeBytes('/dev/null/none')).rejects.toMatchObject({ exitCode: 8 });
});
