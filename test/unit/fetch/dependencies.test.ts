/** Cycles among images. */

import { expect, it } from 'vitest';
import { findCycle } from '../../../src/fetch/dependencies.js';

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
