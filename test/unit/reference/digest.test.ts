/** Digests and image IDs. */

import { expect, it } from 'vitest';
import { isDigest, isImageId, parseDigest, parseImageId } from '../../../src/reference/digest.js';

it.each([`sha256:${'0'.repeat(64)}`, `sha512:${'f'.repeat(128)}`])('accepts the digest %s', (text) => {
  expect(isDigest(text)).toBe(true);
  expect(parseDigest(text)).toBe(text);
});

it.each([
  '',
  'sha256:',
  `sha256:${'0'.repeat(63)}`,
  `sha256:${'0'.repeat(65)}`,
  `sha256:${'F'.repeat(64)}`,
  `sha512:${'0'.repeat(64)}`,
  `sha256-${'0'.repeat(64)}`,
  `sha256:${'0'.repeat(64)}\n`,
  `md5:${'0'.repeat(32)}`,
])('refuses the digest %j', (text) => {
  expect(isDigest(text)).toBe(false);
  expect(() => parseDigest(text)).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
});

it('accepts only whole image IDs', () => {
  const id = `sha512-${'a'.repeat(128)}`;
  expect(parseImageId(id)).toBe(id);
  for (const bad of [`sha512-${'a'.repeat(64)}`, `sha512-${'A'.repeat(128)}`, `sha512:${'a'.repeat(128)}`]) {
    expect(isImageId(bad)).toBe(false);
    expect(() => parseImageId(bad)).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
  }
});
