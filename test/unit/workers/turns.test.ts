/** Turns among the tasks of one thread. */

import { describe, expect, it } from 'vitest';
import { createTurns } from '../../../workers/turns.js';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('turns', () => {
  it('are one at a time, the smaller number first, and equal ones in order', async () => {
    const turns = createTurns();
    const log: string[] = [];
    let running = 0;
    const work = (name: string) => async (): Promise<void> => {
      running += 1;
      expect(running).toBe(1);
      await settled();
      log.push(name);
      running -= 1;
    };
    const order = [
      [5, 'first'],
      [9, 'late'],
      [1, 'soon'],
      [3, 'a'],
      [3, 'b'],
      [0, 'next'],
    ] as const;
    await Promise.all(order.map(([priority, name]) => turns.take(priority, work(name))));
    expect(log).toEqual(['first', 'next', 'soon', 'a', 'b', 'late']);
  });

  it('give the result, and go on after a failure', async () => {
    const turns = createTurns();
    const failing = turns.take(0, async () => {
      throw new Error('no');
    });
    const next = turns.take(0, async () => 7);
    await expect(failing).rejects.toThrow('no');
    expect(await next).toBe(7);
    expect(await turns.take(0, async () => 8)).toBe(8);
  });

  it('go on when work throws before it waits', async () => {
    const turns = createTurns();
    const failing = turns.take(0, () => {
      throw new Error('at once');
    });
    await expect(failing).rejects.toThrow('at once');
    expect(await turns.take(0, async () => 8)).toBe(8);
  });
});
