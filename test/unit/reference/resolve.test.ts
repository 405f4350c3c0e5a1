/** The argument of `--resolve`. */

import { expect, it } from 'vitest';
import { parseResolve } from '../../../src/reference/resolve.js';

it.each([
  ['example.com:443:127.0.0.1', { host: 'example.com', port: 443, address: '127.0.0.1', addressPort: 443 }],
  [
    'Example.com:443:127.0.0.1:8443',
    { host: 'example.com', port: 443, address: '127.0.0.1', addressPort: 8443 },
  ],
  ['a:80:[::1]', { host: 'a', port: 80, address: '::1', addressPort: 80 }],
  ['[fe80::1]:80:[::1]:81', { host: 'fe80::1', port: 80, address: '::1', addressPort: 81 }],
  ['10.0.0.1:80:127.0.0.1:81', { host: '10.0.0.1', port: 80, address: '127.0.0.1', addressPort: 81 }],
])('reads %s', (text, expected) => {
  expect(parseResolve(text)).toEqual(expected);
});

it.each([
  '',
  'example.com',
  'example.com:443',
  'example.com:443:',
  ':443:127.0.0.1',
  'example.com:0:127.0.0.1',
  'example.com:65536:127.0.0.1',
  'example.com:443:127.0.0.1:0',
  'example.com:443:127.0.0',
  'example.com:443:other.example',
  'example.com:443:::1',
  'example.com:443:[127.0.0.1]',
  'example.com:443:127.0.0.1:1:2',
  'exa mple.com:443:127.0.0.1',
  '[example.com]:443:127.0.0.1',
])('refuses %j', (text) => {
  expect(() => parseResolve(text)).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
});
