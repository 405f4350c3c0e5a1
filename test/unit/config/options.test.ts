/** Option tables: precedence, parsing and complaints. */

import { describe, expect, test } from 'vitest';
import { type OptionSpec, resolveOptions } from '../../../src/config/options.js';
import { FetchError } from '../../../src/errors.js';

const TABLE = [
  { key: 'name', name: '--name', env: 'ACI_NAME', kind: 'string', placeholder: 'N', description: 'd' },
  {
    key: 'count',
    name: '--count',
    env: 'ACI_COUNT',
    kind: 'number',
    placeholder: 'N',
    min: 1,
    max: 9,
    description: 'd',
  },
  {
    key: 'pick',
    name: '--pick',
    env: 'ACI_PICK',
    kind: 'choice',
    choices: ['a', 'b'],
    default: 'a',
    description: 'd',
  },
  {
    key: 'words',
    name: '--words',
    env: 'ACI_WORDS',
    kind: 'list',
    choices: ['x', 'y', 'z'],
    placeholder: 'L',
    description: 'd',
  },
  { key: 'loud', name: '--loud', env: 'ACI_LOUD', kind: 'flag', description: 'd' },
  { key: 'local', name: '--local', kind: 'flag', description: 'd' },
] as const satisfies readonly OptionSpec[];

const NOTHING = { name: undefined, count: undefined, pick: 'a', words: [], loud: false, local: false };

describe('resolveOptions', () => {
  test('gives defaults and their origin when nothing is given', () => {
    const { values, origins } = resolveOptions(TABLE, { flags: {}, variables: {} });
    expect(values).toEqual(NOTHING);
    expect(new Set(Object.values(origins))).toEqual(new Set(['default']));
  });

  test.each([
    ['a flag beats the environment', { count: '2' }, { ACI_COUNT: '3' }, 2, 'flag'],
    ['the environment beats the files', {}, { ACI_COUNT: '3' }, 3, 'environment'],
    ['an empty variable counts as absent', {}, { ACI_COUNT: '' }, 4, 'user'],
    ['the first file beats the second', {}, {}, 4, 'user'],
  ] as const)('%s', (_, flags, variables, count, origin) => {
    const files = [
      { origin: 'user', path: 'u.json', values: { count: '4' } },
      { origin: 'system', path: 's.json', values: { count: 5, loud: true } },
    ] as const;
    const { values, origins } = resolveOptions(TABLE, { flags, variables, files });
    expect(values.count).toBe(count);
    expect(origins.count).toBe(origin);
    expect(origins.loud).toBe('system');
  });

  test.each([
    [{ loud: true }, {}, { loud: true }],
    [{ loud: 'true' }, {}, { loud: true }],
    [{ loud: 'false' }, { ACI_LOUD: '1' }, { loud: false }],
    [{ loud: false }, { ACI_LOUD: '1' }, { loud: false }],
    [{}, { ACI_LOUD: 'Yes' }, { loud: true }],
    [{}, { ACI_LOCAL: '1' }, { local: false }],
    [{ words: ['x,y', 'z'] }, {}, { words: ['x', 'y', 'z'] }],
    [{ words: ['x'] }, { ACI_WORDS: 'y' }, { words: ['x'] }],
    [{}, { ACI_WORDS: ' x , y ,' }, { words: ['x', 'y'] }],
    [{ pick: 'b', name: ' n ' }, {}, { pick: 'b', name: ' n ' }],
    [{ count: '09' }, {}, { count: 9 }],
  ])('understands %j with %j', (flags, variables, expected) => {
    expect(resolveOptions(TABLE, { flags, variables }).values).toEqual({ ...NOTHING, ...expected });
  });

  test.each([
    [{ count: '0' }, {}, '--count'],
    [{ count: '10' }, {}, '--count'],
    [{ count: '1.5' }, {}, '--count'],
    [{ count: '-1' }, {}, '--count'],
    [{ count: '1e0' }, {}, '--count'],
    [{ count: '' }, {}, '--count'],
    [{}, { ACI_COUNT: 'many' }, 'ACI_COUNT'],
    [{ pick: 'c' }, {}, '--pick'],
    [{ pick: 'constructor' }, {}, '--pick'],
    [{ words: ['x', 'y,q'] }, {}, '--words'],
    [{ loud: 'maybe' }, {}, '--loud'],
    [{ name: '' }, {}, '--name'],
  ])('refuses %j with %j and names the option', (flags, variables, named) => {
    const resolve = () => resolveOptions(TABLE, { flags, variables });
    expect(resolve).toThrow(FetchError);
    expect(resolve).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
    expect(resolve).toThrow(named);
  });
});

describe('sizes and times', () => {
  const MEASURES = [
    { key: 'size', name: '--size', kind: 'size', placeholder: 'S', description: 'd' },
    { key: 'time', name: '--time', kind: 'duration', placeholder: 'T', description: 'd' },
    { key: 'files', name: '--files', kind: 'list', keepsCommas: true, placeholder: 'F', description: 'd' },
  ] as const satisfies readonly OptionSpec[];
  const values = (flags: Record<string, unknown>) =>
    resolveOptions(MEASURES, { flags, variables: {} }).values;

  test.each([
    ['1', 1],
    ['500k', 500_000],
    ['1.5KiB', 1536],
    ['20M', 20_000_000],
    ['2GB', 2_000_000_000],
    ['1 GiB'.replace(' ', ''), 2 ** 30],
    ['3t', 3e12],
    [' 7 ', 7],
  ])('reads the size %j', (text, bytes) => {
    expect(values({ size: text }).size).toBe(bytes);
  });

  test.each([
    ['30', 30_000],
    ['500ms', 500],
    ['1.5m', 90_000],
    ['2H', 7_200_000],
  ])('reads the time %j', (text, ms) => {
    expect(values({ time: text }).time).toBe(ms);
  });

  test.each([
    { size: '0' },
    { size: '-1' },
    { size: '1e9' },
    { size: '5 apples' },
    { size: '99999999999999T' },
    { size: 'constructor' },
    { time: '0.0001ms' },
    { time: '5M5' },
    { time: 'soon' },
  ])('complains about %j', (flags) => {
    expect(() => values(flags)).toThrow(FetchError);
  });

  test('keeps a comma in an item where the option says so', () => {
    expect(values({ files: ['a,b', 'c'] }).files).toEqual(['a,b', 'c']);
  });
});
