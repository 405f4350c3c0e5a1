/** Tasks on threads, by what they have to do. */

import { describe, expect, it } from 'vitest';
import { createPlacement } from '../../../src/tasks/placement.js';

const THREADS = [{ id: 7 }, { id: 3 }, { id: 5 }];

/** `place N` tells where, `end ID N` ends such a task. */
function placed(steps: readonly (['place', number] | ['end', number, number])[]): (number | undefined)[] {
  const placement = createPlacement();
  return steps.flatMap((step) => {
    if (step[0] === 'place') return [placement.place(THREADS, step[1])?.id];
    placement.ended(step[1], step[2]);
    return [];
  });
}

describe('a task', () => {
  it.each<[string, Parameters<typeof placed>[0], number[]]>([
    [
      'goes to each thread in turn',
      [
        ['place', 1],
        ['place', 1],
        ['place', 1],
        ['place', 1],
      ],
      [7, 3, 5, 7],
    ],
    [
      'goes beside small ones while a big one has its thread alone',
      [
        ['place', 100],
        ['place', 10],
        ['place', 30],
        ['place', 10],
        ['place', 10],
        ['place', 1],
      ],
      [7, 3, 5, 3, 3, 3],
    ],
    [
      'goes where one has ended',
      [
        ['place', 10],
        ['place', 10],
        ['place', 10],
        ['end', 3, 10],
        ['place', 5],
        ['end', 7, 10],
        ['place', 1],
        ['place', 1],
      ],
      [7, 3, 5, 3, 7, 7],
    ],
  ])('%s', (_, steps, threads) => {
    expect(placed(steps)).toEqual(threads);
  });

  it('has no place before there is a thread', () => {
    expect(createPlacement().place([], 1)).toBeUndefined();
  });
});
