/** Names of an archive as paths below its root. */

import { describe, expect, it } from 'vitest';
import { normalizePath, parentPath } from '../../../src/tar/path.js';

describe('normalizePath', () => {
  it.each([
    ['a', 'a'],
    ['a/b/c', 'a/b/c'],
    ['./a', 'a'],
    ['././a', 'a'],
    ['/a', 'a'],
    ['///a//b', 'a/b'],
    ['a/', 'a'],
    ['a//', 'a'],
    ['a/.', 'a'],
    ['a/./b', 'a/b'],
    ['a/b/../c', 'a/c'],
    ['./a//b/../c', 'a/c'],
    ['a/..', ''],
    ['a/../b/../', ''],
    ['', ''],
    ['.', ''],
    ['./', ''],
    ['/', ''],
    ['/.', ''],
    // Dots that are part of a name.
    ['...', '...'],
    ['..a', '..a'],
    ['a..', 'a..'],
    ['.a/..b/c..', '.a/..b/c..'],
    ['a/.../b', 'a/.../b'],
    // Bytes of any kind, a line feed before the end among them.
    ['a\n', 'a\n'],
    ['..\n/a', '..\n/a'],
    ['\xff/\\../a', '\xff/\\../a'],
    [' / ', ' / '],
  ])('takes %j as %j', (name, path) => {
    expect(normalizePath(name)).toBe(path);
  });

  it.each([
    '..',
    '../a',
    '/..',
    './..',
    'a/../..',
    'a/../../b',
    'a/b/../../../c/d',
    '//../',
    '../../etc/passwd',
  ])('refuses %j, which leaves the root', (name) => {
    expect(() => normalizePath(name)).toThrow(expect.objectContaining({ code: 'ERR_UNSAFE_PATH' }));
  });

  it('is done after one time', () => {
    for (const name of ['./a//b/../c', 'a/', '/x/y/']) {
      const path = normalizePath(name);
      expect(normalizePath(path)).toBe(path);
    }
  });
});

it.each([
  ['a/b/c', 'a/b'],
  ['a/b', 'a'],
  ['a', ''],
  ['', ''],
])('the parent of %j is %j', (path, parent) => {
  expect(parentPath(path)).toBe(parent);
});
