/** The argument of `--platform`. */

import { expect, it } from 'vitest';
import { formatPlatform, parsePlatform } from '../../../src/reference/platform.js';

it.each([
  ['linux/amd64', 'linux/amd64'],
  ['linux/x86_64', 'linux/amd64'],
  ['Linux/AArch64', 'linux/arm64'],
  ['linux/arm64/v8', 'linux/arm64/v8'],
  ['linux/arm', 'linux/arm'],
  ['linux/armhf', 'linux/arm/v7'],
  ['linux/armv7l/v6', 'linux/arm/v6'],
  ['linux/constructor', 'linux/constructor'],
])('reads %s as %s', (text, expected) => {
  expect(formatPlatform(parsePlatform(text))).toBe(expected);
});

it.each(['', 'linux', 'linux/', '/amd64', 'linux/amd64/', 'linux/arm/v7/x', 'linux amd64', 'linux/am,d64'])(
  'refuses %j',
  (text) => {
    expect(() => parsePlatform(text)).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
  },
);
