/** Limits that all threads of an engine keep together. */

import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { AWAY_FAILURES, createPace, newPaceMemory } from '../../../src/http/pace.js';
import { QUIET } from './server.js';

const KB = 1000;

async function tookMs(run: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await run();
  return performance.now() - startedAt;
}

describe('a limit on the bytes per second', () => {
  it('holds over several who share it', async () => {
    const options = { bytesPerSecond: 500 * KB, memory: newPaceMemory() };
    const spendAll = async (): Promise<void> => {
      const pace = createPace(options);
      for (let left = 10; left > 0; left -= 1) await pace.spend(10 * KB, QUIET);
    };
    // 300 KB, of which a tenth of a second's worth may come at once.
    expect(await tookMs(() => Promise.all([spendAll(), spendAll(), spendAll()]))).toBeGreaterThan(490);
  });

  it('is none where nobody set one', async () => {
    const pace = createPace({ memory: newPaceMemory() });
    expect(await tookMs(() => pace.spend(1e12, QUIET))).toBeLessThan(100);
  });

  it('ends its wait with the signal', async () => {
    const pace = createPace({ bytesPerSecond: 1, memory: newPaceMemory() });
    await expect(pace.spend(1000, AbortSignal.timeout(20))).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

describe('a host', () => {
  it('that is held is not asked until then, by any thread, and others are', async () => {
    const memory = newPaceMemory();
    const [one, other] = [createPace({ memory }), createPace({ memory })];
    one.hold('a.test', 300);
    one.hold('a.test', 10);
    expect(await tookMs(() => other.untilOpen('b.test', QUIET))).toBeLessThan(200);
    expect(await tookMs(() => other.untilOpen('a.test', QUIET))).toBeGreaterThanOrEqual(299 - 200);
    expect(await tookMs(() => other.untilOpen('a.test', QUIET))).toBeLessThan(100);
  });

  it('that fails a few times in a row is left alone, and one that answers between is not', async () => {
    const pace = createPace({ memory: newPaceMemory() });
    const isOpen = async (): Promise<boolean> =>
      pace.untilOpen('a.test', AbortSignal.timeout(50)).then(
        () => true,
        () => false,
      );
    const fail = async (): Promise<void> => pace.failed('a.test', await pace.untilOpen('a.test', QUIET));
    await fail();
    await fail();
    pace.answered('a.test');
    await fail();
    await fail();
    expect(await isOpen()).toBe(true);
    await fail();
    expect(await isOpen()).toBe(false);
  });

  it('that fails for many at one time is not left alone for longer than for one', async () => {
    const pace = createPace({ memory: newPaceMemory() });
    const askedAt = await Promise.all(Array.from({ length: 50 }, () => pace.untilOpen('a.test', QUIET)));
    for (const at of askedAt) pace.failed('a.test', at);
    expect(await tookMs(() => pace.untilOpen('a.test', QUIET))).toBeLessThan(2000);
  });

  it('that fails again and again is refused at once while it is left alone, by every thread', async () => {
    const memory = newPaceMemory();
    const [pace, other] = [createPace({ memory }), createPace({ memory })];
    // Later than every hold: each of the failures counts.
    const later = 2n ** 62n;
    for (let count = 0; count < AWAY_FAILURES; count += 1) pace.failed('a.test', later);
    const refused = { code: 'ERR_HOST_AWAY', exitCode: 4, retryable: false };
    for (const each of [pace, other]) {
      await expect(each.untilOpen('a.test', QUIET)).rejects.toMatchObject(refused);
      // Whoever asks for it need not wait to be refused.
      expect(each.holdOf('a.test')).toBeUndefined();
    }
    pace.answered('a.test');
    const held = { code: 'ERR_ABORTED' };
    await expect(other.untilOpen('a.test', AbortSignal.timeout(1))).rejects.toMatchObject(held);
  });

  it('is held by itself, however many there are', async () => {
    const memory = newPaceMemory();
    const [pace, other] = [createPace({ memory }), createPace({ memory })];
    const hosts = Array.from({ length: 1000 }, (_, at) => `registry-${at}.test:5000`);
    for (const host of hosts.filter((_, at) => at % 2 === 0)) pace.hold(host, 60_000);
    const held = hosts.filter((host) => other.holdOf(host) !== undefined);
    expect(held).toEqual(hosts.filter((_, at) => at % 2 === 0));
  });

  it('is held for what it asked for, or because it could not be reached', () => {
    const pace = createPace({ memory: newPaceMemory() });
    pace.hold('busy.test', 60_000);
    for (let count = 0; count < 3; count += 1) pace.failed('gone.test', 2n ** 62n);
    expect(pace.holdOf('busy.test')).toMatchObject({ isUnreachable: false });
    expect(pace.holdOf('gone.test')).toMatchObject({ isUnreachable: true });
    expect(pace.holdOf('other.test')).toBeUndefined();
  });

  it('that is held is waited for by those who are told, in their own way', async () => {
    const pace = createPace({ memory: newPaceMemory() });
    pace.hold('a.test', 100);
    const told: string[] = [];
    await pace.untilOpen('a.test', QUIET, async (wait) => {
      told.push('without');
      await wait();
      told.push('again');
    });
    expect(told).toEqual(['without', 'again']);
    await pace.untilOpen('a.test', QUIET, async () => void told.push('open'));
    expect(told).toHaveLength(2);
  });

  it('is held in other threads too', async () => {
    const memory = newPaceMemory();
    createPace({ memory }).hold('a.test', 60_000);
    // The clock is that of the machine: what a thread writes means the same in every other.
    const worker = new Worker(
      "const { workerData, parentPort } = require('node:worker_threads');" +
        'const until = new BigInt64Array(workerData).reduce((most, next) => (next < 2n ** 60n && next > most ? next : most), 0n);' +
        'parentPort.postMessage(Number(until - process.hrtime.bigint() / 1000n) / 1000);',
      { eval: true, workerData: memory },
    );
    const leftMs = await new Promise<number>((resolve) => worker.once('message', resolve));
    expect(leftMs).toBeGreaterThan(30_000);
    expect(leftMs).toBeLessThanOrEqual(75_000);
  });

  it('is not held for the same time by every machine', () => {
    const leftMs = Array.from({ length: 20 }, () => {
      const pace = createPace({ memory: newPaceMemory() });
      pace.hold('a.test', 60_000);
      return pace.holdOf('a.test')?.leftMs ?? 0;
    });
    expect(Math.min(...leftMs)).toBeGreaterThan(59_000);
    expect(Math.max(...leftMs)).toBeLessThanOrEqual(75_000);
    expect(Math.max(...leftMs) - Math.min(...leftMs)).toBeGreaterThan(1000);
  });
});
