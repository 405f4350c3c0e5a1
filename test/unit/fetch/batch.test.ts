/** Many images in one call: which is looked into, which is fetched, and in which order. */

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { atOnce, inTurn, runBatch, type Turn } from '../../../src/fetch/batch.js';
import type { FetchRequest } from '../../../src/types.js';
import { createRandom, runSeed } from '../../support/images/random.js';

interface Listed {
  readonly image: string;
  readonly turn: Turn;
}

const MIB = 1024 * 1024;
const image = (name: string, host: string, sizeMib = 1): Listed => ({
  image: name,
  turn: { host, sizeBytes: sizeMib * MIB },
});
const requestsOf = (list: readonly Listed[]): FetchRequest[] =>
  list.map(({ image: name }) => ({ image: name }));

/** Lets everything happen that needs no more events. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A batch whose images are looked into and fetched when the test says so. */
function batchOf(list: readonly Listed[], jobs: number, held: ReadonlySet<string> = new Set()) {
  const looked = new Map<string, () => void>();
  const fetched = new Map<string, () => void>();
  const turnOf = new Map(list.map(({ image: name, turn }) => [name, turn]));
  const hostOf = ({ image: name }: FetchRequest): string => turnOf.get(name)?.host ?? '';
  const done = runBatch(requestsOf(list), {
    jobs,
    hostOf,
    holds: { holdOf: (host) => (held.has(host) ? { leftMs: 100, isUnreachable: false } : undefined) },
    async run({ image: name }, signal, takeTurn) {
      await new Promise<void>((resolve) => looked.set(name, resolve));
      await inTurn(takeTurn, turnOf.get(name) as Turn, signal, () => {
        return new Promise<void>((resolve) => fetched.set(name, resolve));
      });
      return { status: 'fetched', name };
    },
  });
  const end = async (which: Map<string, () => void>, name: string): Promise<void> => {
    which.get(name)?.();
    which.delete(name);
    await settled();
    await settled();
  };
  return {
    done,
    looking: () => [...looked.keys()],
    fetching: () => [...fetched.keys()],
    look: (name: string) => end(looked, name),
    fetch: (name: string) => end(fetched, name),
  };
}

describe('a batch', () => {
  it('looks into some more than it fetches, and ends with an outcome for each in the order of the list', async () => {
    const list = Array.from({ length: 9 }, (_, at) => image(`${at}`, 'a'));
    const batch = batchOf(list, 3);
    expect(batch.looking()).toEqual(['0', '1', '2', '3', '4']);
    for (const name of ['4', '3', '2', '1', '0']) await batch.look(name);
    // Those that wait for their turn are not counted with those that are looked into.
    expect(batch.fetching()).toEqual(['4', '3', '2']);
    expect(batch.looking()).toEqual(['5', '6']);
    await batch.fetch('3');
    expect(batch.fetching()).toEqual(['4', '2', '1']);
    for (const name of ['5', '6', '7', '8']) await batch.look(name);
    for (const name of '42105678') await batch.fetch(name);
    expect((await batch.done).map(({ name }) => name)).toEqual(list.map((one) => one.image));
  });

  it('fetches what is big before what is small, of what it knows', async () => {
    const sizes = [1, 1, 80, 2, 300];
    const batch = batchOf(
      sizes.map((sizeMib, at) => image(`${at}`, 'a', sizeMib)),
      1,
    );
    for (const name of '01234') await batch.look(name);
    const order = [];
    for (let next = batch.fetching()[0]; next !== undefined; next = batch.fetching()[0]) {
      order.push(next);
      await batch.fetch(next);
    }
    expect(order).toEqual(['0', '4', '2', '1', '3']);
    await batch.done;
  });

  it('does not let images of one host wait for those of another one', async () => {
    const list = [
      ...Array.from({ length: 20 }, (_, at) => image(`slow ${at}`, 'slow')),
      ...Array.from({ length: 20 }, (_, at) => image(`fast ${at}`, 'fast')),
    ];
    const batch = batchOf(list, 4);
    const isFast = (name: string): boolean => name.startsWith('fast');
    let left = 20;
    // Nothing of the slow host ever comes so far.
    for (let turns = 0; turns < 200 && left > 0; turns += 1) {
      for (const name of batch.looking().filter(isFast)) await batch.look(name);
      for (const name of batch.fetching().filter(isFast)) {
        await batch.fetch(name);
        left -= 1;
      }
    }
    expect(left).toBe(0);
    for (let turns = 0; turns < 20; turns += 1) {
      for (const name of batch.looking()) await batch.look(name);
      for (const name of batch.fetching()) await batch.fetch(name);
    }
    expect(await batch.done).toHaveLength(40);
  });

  it('goes on with others while a host is held, however many of its images have begun', async () => {
    const held = new Set<string>();
    const list = [
      ...Array.from({ length: 30 }, (_, at) => image(`held ${at}`, 'held')),
      ...Array.from({ length: 5 }, (_, at) => image(`free ${at}`, 'free')),
    ];
    const batch = batchOf(list, 1, held);
    expect(batch.looking()).toEqual(['held 0', 'free 0', 'held 1']);
    held.add('held');
    for (let left = 5; left > 0; left -= 1) {
      const [next = ''] = batch.looking().filter((name) => name.startsWith('free'));
      await batch.look(next);
      await batch.fetch(next);
    }
    // Of the held host no more than if there were no other.
    expect(batch.looking().every((name) => name.startsWith('held'))).toBe(true);
    expect(batch.looking().length).toBeLessThanOrEqual(3);
    held.clear();
    for (let left = 30; left > 0; left -= 1) {
      const [next = ''] = batch.looking();
      await batch.look(next);
      await expect.poll(() => batch.fetching()).toContain(next);
      await batch.fetch(next);
    }
    await batch.done;
  });

  it('fetches others while what it fetches is of a host that is held', async () => {
    const held = new Set<string>();
    const list = [image('a', 'a'), image('b1', 'b'), image('b2', 'b')];
    const batch = batchOf(list, 1, held);
    for (const { image: name } of list) await batch.look(name);
    expect(batch.fetching()).toEqual(['a']);
    held.add('a');
    await expect.poll(batch.fetching, { timeout: 3000 }).toEqual(['a', 'b1']);
    held.clear();
    await batch.fetch('b1');
    // Both that are under way are more than one: the next one waits for the first, which goes on.
    expect(batch.fetching()).toEqual(['a']);
    await batch.fetch('a');
    expect(batch.fetching()).toEqual(['b2']);
    await batch.fetch('b2');
    expect(await batch.done).toHaveLength(3);
  });

  it('begins with others when a host is held whose images are all that has begun', async () => {
    const held = new Set(['free']);
    const list = [...'012345'].flatMap((at) => [image(`slow ${at}`, 'slow'), image(`free ${at}`, 'free')]);
    const batch = batchOf(list, 1, held);
    expect(batch.looking()).toEqual(['slow 0', 'slow 1', 'slow 2']);
    held.clear();
    held.add('slow');
    await expect.poll(batch.looking, { timeout: 3000 }).toContain('free 0');
    held.clear();
    for (let left = list.length; left > 0; left -= 1) {
      const [next = ''] = batch.looking();
      await batch.look(next);
      await expect.poll(batch.fetching, { timeout: 3000 }).toContain(next);
      await batch.fetch(next);
    }
    await batch.done;
  });

  it('fetches of the host that has least, also before what is bigger', async () => {
    const list = [image('a1', 'a', 500), image('a2', 'a', 500), image('b', 'b'), image('a3', 'a', 900)];
    const batch = batchOf(list, 2);
    for (const name of ['a1', 'a2', 'b', 'a3']) await batch.look(name);
    expect(batch.fetching()).toEqual(['a1', 'a2']);
    await batch.fetch('a1');
    expect(batch.fetching()).toEqual(['a2', 'b']);
    await batch.fetch('a2');
    expect(batch.fetching()).toEqual(['b', 'a3']);
    for (const name of ['b', 'a3']) await batch.fetch(name);
    await batch.done;
  });

  it('knows a limited number of images that wait', async () => {
    const batch = batchOf(
      Array.from({ length: 300 }, (_, at) => image(`${at}`, 'a')),
      1,
    );
    let known = 0;
    for (let next = batch.looking()[0]; next !== undefined; next = batch.looking()[0]) {
      await batch.look(next);
      known += 1;
    }
    expect(known).toBeGreaterThan(50);
    expect(known).toBeLessThan(80);
  });

  it('begins a limited number of images, also when each is of a host that is held as soon as it is asked', async () => {
    const held = new Set<string>();
    const ending = new AbortController();
    const list = Array.from({ length: 400 }, (_, at) => image(`${at}`, `${at}`));
    const done = runBatch(requestsOf(list), {
      jobs: 1,
      hostOf: ({ image: name }) => name,
      holds: { holdOf: (host) => (held.has(host) ? { leftMs: 60_000, isUnreachable: false } : undefined) },
      signal: ending.signal,
      async run({ image: name }, signal) {
        held.add(name);
        await sleep(60_000, undefined, { signal }).catch(() => undefined);
        return { status: 'failed' };
      },
    });
    await settled();
    expect(held.size).toBeGreaterThan(200);
    expect(held.size).toBeLessThan(300);
    ending.abort();
    await expect(done).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });

  it('ends all that wait when one fails and no other is wanted then', async () => {
    const outcomes = await runBatch(requestsOf(['1', '2', '3', '4'].map((name) => image(name, 'a'))), {
      jobs: 1,
      hostOf: () => 'a',
      failFast: true,
      async run({ image: name }, signal, takeTurn) {
        try {
          return await inTurn(takeTurn, { host: 'a' }, signal, async () => {
            await sleep(5, undefined, { signal });
            return { status: name === '2' ? 'failed' : 'fetched' };
          });
        } catch {
          return { status: 'given up' };
        }
      },
    });
    expect(outcomes.map(({ status }) => status)).toEqual(['fetched', 'failed', 'given up', 'given up']);
  });

  it('takes any order and any number of turns, and never has more than so many', async () => {
    const random = createRandom(runSeed());
    const jobs = random.int(1, 4);
    let [now, peak] = [0, 0];
    const fetch = async (): Promise<void> => {
      now += 1;
      peak = Math.max(peak, now);
      await sleep(random.int(0, 3));
      now -= 1;
    };
    const list = Array.from({ length: 100 }, (_, at) =>
      image(`${at}`, random.pick(['', 'a', 'b']), random.int(0, 200)),
    );
    const outcomes = await runBatch(requestsOf(list), {
      jobs,
      hostOf: () => random.pick(['a', 'b']),
      async run(_request, signal, takeTurn) {
        // One that the store has, one with dependencies, side by side, and what is between.
        for (let turns = random.int(0, 2); turns > 0; turns -= 1) {
          const { turn } = random.pick(list);
          await Promise.all(
            Array.from({ length: random.int(1, 3) }, () => inTurn(takeTurn, turn, signal, fetch)),
          );
        }
        return { status: 'fetched' };
      },
    });
    expect(outcomes).toHaveLength(100);
    expect(peak, `ACI_TEST_SEED=${random.seed}`).toBeLessThanOrEqual(jobs);
  });
});

it('an image alone is always next', async () => {
  const end = await atOnce({ host: 'a' }, new AbortController().signal);
  end();
});
