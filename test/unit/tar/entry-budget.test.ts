/** How many entries an image may have, by what is remembered of them. */

import { describe, expect, it } from 'vitest';
import { createEntryBudget } from '../../../src/tar/entry-budget.js';

/** How many of `count` entries are taken. */
function taken(count: number, pathOf: (index: number) => string, link?: string): number {
  const remember = createEntryBudget();
  for (let index = 0; index < count; index += 1) {
    try {
      remember(pathOf(index), link);
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_LIMIT', exitCode: 7 });
      return index;
    }
  }
  return count;
}

const MILLION = 1_000_000;

describe('an image', () => {
  it.each<[string, number, (index: number) => string]>([
    [
      'a million files, a hundred to a folder',
      MILLION,
      (at) => `usr/share/doc/package-${at % 100}/file-${at}`,
    ],
    ['a million files in one deep folder', MILLION, (at) => `${'folder/'.repeat(20)}file-${at}`],
    ['a million folders with a file in each', MILLION, (at) => `folder-${at}/file`],
  ])('may have %s', (_, count, pathOf) => {
    expect(taken(count, pathOf)).toBe(count);
  });

  it.each<[string, number, (index: number) => string, string?]>([
    ['more entries', 2.1 * MILLION, (at) => String(at)],
    ['as many with long names', MILLION, (at) => String(at).padEnd(1000, 'x')],
    ['as many with long links', MILLION, (at) => String(at), 'x'.repeat(1000)],
    ['a thousand paths of a thousand folders each', 1000, (at) => `${at}/${'a/'.repeat(1000)}b`],
  ])('may not have %s', (_, count, pathOf, link) => {
    expect(taken(count, pathOf, link)).toBeLessThan(count);
  });
});
