/** An option that belongs to the argument before it. */

import { describe, expect, it } from 'vitest';
import { bindOption } from '../../../src/cli/argv.js';
import { FETCH } from '../../../src/cli/fetch-specs.js';

const bind = (line: string) => bindOption('--signature', line.split(' '), 1, FETCH.options);

describe('--signature', () => {
  it.each<[line: string, words: string, values: [number, string][]]>([
    ['fetch a b', 'fetch a b', []],
    ['fetch a --signature x b', 'fetch a b', [[0, 'x']]],
    ['fetch a b --signature=x', 'fetch a b', [[1, 'x']]],
    ['fetch --platform linux/arm64 a --signature x', 'fetch --platform linux/arm64 a', [[0, 'x']]],
    [
      'fetch a --full --signature x b --signature y',
      'fetch a --full b',
      [
        [0, 'x'],
        [1, 'y'],
      ],
    ],
    ['fetch a --signature a=b', 'fetch a', [[0, 'a=b']]],
    ['fetch a --signature x -- --signature', 'fetch a -- --signature', [[0, 'x']]],
  ])('in "%s" belongs to the image before it', (line, words, values) => {
    const bound = bind(line);
    expect(bound.words.join(' ')).toBe(words);
    expect([...bound.values]).toEqual(values);
  });

  it.each([
    'fetch --signature x a',
    'fetch --platform linux/arm64 --signature x a',
    'fetch a --signature',
    'fetch a --signature=',
    'fetch a --signature -- x',
    'fetch a --signature x --signature y',
  ])('in "%s" is wrong', (line) => {
    expect(() => bind(line)).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
  });
});
