/** Cycles among images, and the time of those that wait for one together. */

import { expect, it } from 'vitest';
import { createDependencyFetcher, findCycle } from '../../../src/fetch/dependencies.js';
import type { CompleteRequest, Found, Session } from '../../../src/fetch/session.js';

it.each<[edges: Record<string, string[]>, cycle: string | undefined]>([
  [{ a: [] }, undefined],
  [{ a: ['b', 'c'], b: ['d'], c: ['d'], d: [] }, undefined],
  [{ a: ['a'] }, 'a a'],
  [{ a: ['b'], b: ['a'] }, 'a b a'],
  [{ a: ['b', 'c'], b: ['c'], c: ['b'] }, 'b c b'],
  [{ a: ['b'], b: ['c'], c: ['d'], d: ['c'] }, 'c d c'],
  [{ a: ['b'], x: ['x'] }, undefined],
])('in %j there is the cycle %s', (edges, cycle) => {
  expect(findCycle('a', new Map(Object.entries(edges)))?.join(' ')).toBe(cycle);
});

it('a dependency waits for its turn without the time of any image that waits for it, whenever that came', async () => {
  const { signal } = new AbortController();
  const uncounted = new Set<string>();
  const requestOf = (image: string): CompleteRequest => {
    const without: CompleteRequest['uncounted'] = (wait) => {
      uncounted.add(image);
      return wait().finally(() => uncounted.delete(image));
    };
    const takeTurn: CompleteRequest['takeTurn'] = () => without(() => turn);
    return {
      image,
      uncounted: without,
      takeTurn,
      pullPolicy: 'new',
      noStore: false,
      requireSignature: false,
    };
  };
  let [isLooked, isNext] = [(): void => {}, (): void => {}];
  const looked = new Promise<void>((resolve) => {
    isLooked = resolve;
  });
  const turn = new Promise<() => void>((resolve) => {
    isNext = () => resolve(() => {});
  });
  const found = { id: 'sha512-0', downloadedBytes: 7 } as unknown as Found;
  const fetch = createDependencyFetcher(async (_session, _reference, request) => {
    await looked;
    await request.takeTurn({ host: 'a' }, signal);
    return found;
  });
  const ask = (image: string) => fetch({} as Session, { imageName: 'a.test/lib' }, requestOf(image), signal);
  const asked = [ask('first'), ask('before')];
  expect([...uncounted]).toEqual([]);
  isLooked();
  await expect.poll(() => [...uncounted].sort()).toEqual(['before', 'first']);
  asked.push(ask('meanwhile'));
  expect([...uncounted].sort()).toEqual(['before', 'first', 'meanwhile']);
  isNext();
  expect((await Promise.all(asked)).map(({ downloadedBytes }) => downloadedBytes)).toEqual([7, 0, 0]);
  expect([...uncounted]).toEqual([]);
});
