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

  it('that fails again and again is refused at once while it is left alone, and another one in its place is not', async () => {
    const memory = newPaceMemory();
    const pace = createPace({ memory });
    for (let count = 0; count < AWAY_FAILURES; count += 1) {
      new BigInt64Array(memory).fill(0n);
      pace.failed('a.test', await pace.untilOpen('a.test', QUIET));
    }
    pace.hold('a.test', 60_000);
    const refused = { code: 'ERR_HOST_AWAY', exitCode: 4, retryable: false };
    await expect(pace.untilOpen('a.test', QUIET)).rejects.toMatchObject(refused);
    await expect(createPace({ memory }).untilOpen('a.test', AbortSignal.timeout(1))).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    });
    pace.answered('a.test');
    await expect(pace.untilOpen('a.test', AbortSignal.timeout(1))).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    });
  });

  it('is held in other threads too', async () => {
    const memory = newPaceMemory();
    // The clock is that of the machine: what a thread writes means the same in every other.
    const worker = new Worker(
      "const { workerData } = require('node:worker_threads');" +
        'const times = new BigInt64Array(workerData);' +
        'times.fill(process.hrtime.bigint() / 1000n + 60_000_000n);',
      { eval: true, workerData: memory },
    );
    await new Promise((resolve) => worker.once('exit', resolve));
    const waiting = createPace({ memory }).untilOpen('any.test', AbortSignal.timeout(1));
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});
