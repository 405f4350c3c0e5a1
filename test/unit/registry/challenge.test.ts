/** The `WWW-Authenticate` header. */

import { expect, it } from 'vitest';
import { parseChallenge } from '../../../src/registry/challenge.js';

it.each([
  [
    'Bearer realm="https://auth.test/token",service="reg.test",scope="repository:a/b:pull"',
    { scheme: 'bearer', realm: 'https://auth.test/token', service: 'reg.test', scope: 'repository:a/b:pull' },
  ],
  [
    'bearer  Realm = "https://auth.test/t" , SERVICE=reg.test',
    { scheme: 'bearer', realm: 'https://auth.test/t', service: 'reg.test' },
  ],
  [
    'Bearer realm="https://a.test/",scope="repository:a:pull,push"',
    { scheme: 'bearer', realm: 'https://a.test/', scope: 'repository:a:pull,push' },
  ],
  ['Bearer realm="a \\"b\\" \\\\c"', { scheme: 'bearer', realm: 'a "b" \\c' }],
  ['Basic realm="Registry, private"', { scheme: 'basic', realm: 'Registry, private' }],
  ['Basic', { scheme: 'basic' }],
  ['Basic realm="x", Bearer realm="https://a.test/"', { scheme: 'bearer', realm: 'https://a.test/' }],
  ['Negotiate, Basic realm="x"', { scheme: 'basic', realm: 'x' }],
  ['Negotiate YWJj==, Bearer realm="https://a.test/"', { scheme: 'bearer', realm: 'https://a.test/' }],
  ['Bearer error="invalid_token", Basic realm="x"', { scheme: 'basic', realm: 'x' }],
  ['Bearer realm=""', undefined],
  ['Bearer', undefined],
  ['Digest realm="x"', undefined],
  ['realm="https://a.test/"', undefined],
  ['Bearer realm="https://a.test/', undefined],
  ['="', undefined],
  ['', undefined],
  [undefined, undefined],
])('reads %j', (header, expected) => {
  expect(parseChallenge(header)).toEqual(expected);
});

it('reads a hostile header in bounded time', () => {
  const startMs = performance.now();
  for (const unit of ['a="', 'a ', ',', '"\\', 'Bearer realm="x', ' ']) {
    parseChallenge(`Bearer ${unit.repeat(16_384 / unit.length)}`);
  }
  expect(performance.now() - startMs).toBeLessThan(3000);
});
