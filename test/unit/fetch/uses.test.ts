/** What relies on blobs and what removes them, within one engine. */

import { describe, expect, it } from 'vitest';
import { createUses } from '../../../src/fetch/uses.js';

/** Work that the test ends. */
function openWork(log: string[], name: string) {
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const work = async (): Promise<void> => {
    log.push(`${name} begins`);
    await ended;
    log.push(`${name} ends`);
  };
  return { work, end };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('uses of blobs', () => {
  it('go on side by side', async () => {
    const uses = createUses();
    const log: string[] = [];
    const [a, b] = [openWork(log, 'a'), openWork(log, 'b')];
    const running = [uses.during(a.work), uses.during(b.work)];
    await settled();
    expect(log).toEqual(['a begins', 'b begins']);
    a.end();
    b.end();
    await Promise.all(running);
  });

  it('keep a sweep from beginning', async () => {
    const uses = createUses();
    const log: string[] = [];
    const a = openWork(log, 'a');
    const running = uses.during(a.work);
    await uses.sweepIfIdle(async () => void log.push('sweep'));
    expect(log).toEqual(['a begins']);
    a.end();
    await running;
    await uses.sweepIfIdle(async () => void log.push('sweep'));
    expect(log).toEqual(['a begins', 'a ends', 'sweep']);
  });

  it('wait for a sweep that has begun, as another sweep does', async () => {
    const uses = createUses();
    const log: string[] = [];
    const sweep = openWork(log, 'sweep');
    const sweeping = uses.sweepIfIdle(sweep.work);
    const next = uses.sweepIfIdle(async () => void log.push('second sweep'));
    const using = uses.during(async () => void log.push('use'));
    await settled();
    expect(log).toEqual(['sweep begins']);
    sweep.end();
    await Promise.all([sweeping, next, using]);
    expect(log.slice(0, 2)).toEqual(['sweep begins', 'sweep ends']);
    expect(log).toContain('use');
  });

  it('go on after failures', async () => {
    const uses = createUses();
    const failing = async (): Promise<never> => {
      throw new Error('no');
    };
    await expect(uses.during(failing)).rejects.toThrow('no');
    await expect(uses.sweepIfIdle(failing)).rejects.toThrow('no');
    expect(await uses.during(async () => 7)).toBe(7);
    let swept = false;
    await uses.sweepIfIdle(async () => {
      swept = true;
    });
    expect(swept).toBe(true);
  });
});
