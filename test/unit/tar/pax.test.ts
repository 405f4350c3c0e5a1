/** PAX records: what is one, what its numbers mean, and what is damage. */

import { describe, expect, it } from 'vitest';
import { parsePax, paxInteger, paxTime } from '../../../src/tar/pax.js';

const parse = (text: string): [string, string][] => [...parsePax(Buffer.from(text, 'latin1'))];
const invalid = expect.objectContaining({ code: 'ERR_TAR_INVALID' });

describe('PAX records', () => {
  it.each([
    ['an empty body', '', []],
    ['one record', '8 a=xyz\n', [['a', 'xyz']]],
    ['an empty value', '5 a=\n', [['a', '']]],
    [
      'two records',
      '6 a=1\n6 b=2\n',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    ['the last of two with one key', '6 a=1\n6 a=2\n', [['a', '2']]],
    [
      'a value with =, line feeds and what looks like a record',
      '16 a==\n6 b=2\n\n=\n',
      [['a', '=\n6 b=2\n\n=']],
    ],
    ['a comment', '13 comment=x\n', [['comment', 'x']]],
    ['a length with zeros before it', '008 a=b\n', [['a', 'b']]],
    ['NULs after the last record', '6 a=1\n\0\0\0', [['a', '1']]],
    ['a body of NULs', '\0\0', []],
    ['NULs in an attribute', '20 SCHILY.xattr.a=\0\n', [['SCHILY.xattr.a', '\0']]],
    ['NULs in what is no name', '13 comment=\0\n', [['comment', '\0']]],
    ['bytes that are not UTF-8', '9 path=\xff\n', [['path', '\xff']]],
  ] as const)('have %s', (_, text, expected) => {
    expect(parse(text)).toEqual(expected);
  });

  it.each([
    ['text without a length', 'path=a\n'],
    ['a length without a space', '8'],
    ['a negative length', '-8 a=b\n'],
    ['a length of ten digits', '0000000006 a=1\n'],
    ['a length in another base', '0x6 a=1\n'],
    ['no length', ' a=1\n'],
    ['a length of 0', '0 a=1\n'],
    ['a length that ends inside itself', '2 a=1\n'],
    ['a length that ends before the =', '4 a=1\n'],
    ['a length past the end', '7 a=1\n'],
    ['a length one too short', '5 a=1\n'],
    ['no line feed', '6 a=1x'],
    ['no =', '4 a\n'],
    ['an = in the next record only', '5 ab\n6 c=1\n'],
    ['no key', '5 =1\n'],
    ['a NUL in a path', '11 path=a\0\n'],
    ['a NUL in a link', '14 linkpath=\0\n'],
    ['a NUL in a key', '7 a\0=1\n'],
    ['other bytes after the last record', '6 a=1\n\0x'],
    ['a space alone', ' '],
  ])('refuse %s', (_, text) => {
    expect(() => parse(text)).toThrow(invalid);
  });

  it('that are the map of a sparse file are read in no time, however many they are', () => {
    const pair = '23 GNU.sparse.offset=1\n25 GNU.sparse.numbytes=1\n';
    const startedAt = performance.now();
    const records = parsePax(Buffer.from(pair.repeat(100_000)));
    expect(performance.now() - startedAt).toBeLessThan(2500);
    expect(records.get('GNU.sparse.map')).toHaveLength(399_999);
  });
});

describe('a PAX number', () => {
  it.each([
    ['0', 0],
    ['8589934592', 8_589_934_592],
    ['007', 7],
    ['9007199254740991', 9_007_199_254_740_991],
    ['', undefined],
  ])('%j is %s', (text, value) => {
    expect(paxInteger(new Map([['uid', text]]), 'uid')).toBe(value);
  });

  it('is undefined where there is no record', () => {
    expect(paxInteger(new Map(), 'uid')).toBeUndefined();
  });

  it.each([
    '-1',
    '1.0',
    ' 1',
    '1 ',
    '0x1',
    '1e3',
    'one',
    '9007199254740992',
    '99999999999999999999',
    'Infinity',
  ])('is not %j', (text) => {
    expect(() => paxInteger(new Map([['uid', text]]), 'uid')).toThrow(invalid);
  });
});

describe('a PAX time', () => {
  it.each([
    ['0', 0, 0],
    ['1', 1, 0],
    ['1.', 1, 0],
    ['1.5', 1, 500_000_000],
    ['1.000000001', 1, 1],
    ['1.0000000019', 1, 1],
    ['1600000000.123456789', 1_600_000_000, 123_456_789],
    ['-1', -1, 0],
    ['-1.5', -2, 500_000_000],
    ['-0.25', -1, 750_000_000],
    ['-0', 0, 0],
    ['-0.0000000001', 0, 0],
    ['999999999999999', 999_999_999_999_999, 0],
  ])('%s is %i s and %i ns', (text, seconds, nanoseconds) => {
    expect(paxTime(new Map([['mtime', text]]))).toEqual({ seconds, nanoseconds });
  });

  it.each([new Map(), new Map([['mtime', '']])])('is undefined where there is none', (records) => {
    expect(paxTime(records)).toBeUndefined();
  });

  it.each(['.5', '1,5', '+1', '1.5.5', '1e9', ' 1', '--1', 'now', '1.-5', '1.5x'])('is not %j', (text) => {
    expect(() => paxTime(new Map([['mtime', text]]))).toThrow(invalid);
  });
});
