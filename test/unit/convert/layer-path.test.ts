/** Whiteouts among the names of a layer. */

import { describe, expect, it } from 'vitest';
import { parseWhiteout } from '../../../src/convert/layer-path.js';

describe('parseWhiteout', () => {
  it.each(['a', 'a/b', '', 'wh.a', '.wh', '.whx', 'a.wh.b', 'a/b.wh.c', '.wh.a/b', 'a/.wh.b/c', '.WH.a'])(
    'takes %j for an ordinary entry',
    (path) => {
      expect(parseWhiteout(path)).toBeUndefined();
    },
  );

  it.each([
    ['.wh.a', 'a'],
    ['d/.wh.a', 'd/a'],
    ['d/e/.wh.a', 'd/e/a'],
    ['.wh.a b', 'a b'],
    ['.wh....', '...'],
    ['.wh..hidden', '.hidden'],
    ['.wh..wh', '.wh'],
    ['.wh.\xff\n', '\xff\n'],
    ['.wh.d/.wh.a', '.wh.d/a'],
    ['d/.wh.a.wh.b', 'd/a.wh.b'],
  ])('takes %j for the whiteout of %j', (path, hidden) => {
    expect(parseWhiteout(path)).toEqual({ kind: 'whiteout', path: hidden });
  });

  it.each([
    ['.wh..wh..opq', ''],
    ['d/.wh..wh..opq', 'd'],
    ['d/e/.wh..wh..opq', 'd/e'],
  ])('takes %j for the opacity of %j', (path, directory) => {
    expect(parseWhiteout(path)).toEqual({ kind: 'opaque', path: directory });
  });

  it.each([
    '.wh..wh.plnk',
    '.wh..wh.aufs',
    '.wh..wh.orph/a',
    'd/.wh..wh.plnk/1.2',
    '.wh..wh.',
    '.wh..wh..opqx',
  ])('ignores %j, a name that aufs keeps for itself', (path) => {
    expect(parseWhiteout(path)).toEqual({ kind: 'ignored' });
  });

  it.each([
    ['.wh.', 'ERR_TAR_INVALID'],
    ['d/.wh.', 'ERR_TAR_INVALID'],
    ['.wh..', 'ERR_UNSAFE_PATH'],
    ['.wh...', 'ERR_UNSAFE_PATH'],
    ['d/.wh..', 'ERR_UNSAFE_PATH'],
    ['d/.wh...', 'ERR_UNSAFE_PATH'],
  ])('refuses %j with %s', (path, code) => {
    expect(() => parseWhiteout(path)).toThrow(expect.objectContaining({ code }));
  });
});
