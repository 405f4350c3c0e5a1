/** Time that something takes, without waits that are not its own. */

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createClock } from '../../../src/http/clock.js';
import { withDeadline } from '../../../src/http/deadline.js';
import { QUIET } from './server.js';

it('does not count waits, also when there are several at once', async () => {
  const clock = createClock();
  await Promise.all([clock.without(() => sleep(300)), clock.without(() => sleep(400))]);
  expect(clock.elapsedMs()).toBeLessThan(200);
  await sleep(100);
  expect(clock.elapsedMs()).toBeGreaterThan(90);
  clock.stop();
  const stoppedMs = clock.elapsedMs();
  await sleep(50);
  expect(clock.elapsedMs()).toBe(stoppedMs);
});

it('ends what takes longer, waits aside', async () => {
  const deadline = { timeoutMs: 300, what: 'the image', stage: 'download', signal: QUIET } as const;
  await withDeadline(deadline, (_, withoutClock) => withoutClock(() => sleep(600)));
  const tooLong = withDeadline(deadline, async (signal, withoutClock) => {
    await withoutClock(() => sleep(100));
    await sleep(5000, undefined, { signal });
  });
  await expect(tooLong).rejects.toMatchObject({ code: 'ERR_NETWORK' });
});

it('leaves no timer when a wait outlasts it', async () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  let end = (): void => {};
  const deadline = { timeoutMs: 60_000, what: 'the image', stage: 'download', signal: QUIET } as const;
  let waiting: Promise<void> | undefined;
  const failing = withDeadline(deadline, async (_, withoutClock) => {
    waiting = withoutClock(() => new Promise<void>((resolve) => (end = resolve)));
    throw new Error('failed meanwhile');
  });
  await expect(failing).rejects.toThrow('failed meanwhile');
  end();
  await waiting;
  expect(timers()).toBe(before);
});
