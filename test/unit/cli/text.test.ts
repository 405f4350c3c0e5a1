/** Text on its way to a terminal: one line, no secrets, no control characters. */

import { expect, test } from 'vitest';
import { printable, redact } from '../../../src/cli/text.js';

test.each([
  ['https://user:pw@host/a.aci', 'https://REDACTED@host/a.aci'],
  ['https://user:p@w@host/a', 'https://REDACTED@host/a'],
  ['GET https://h/a?X-Sig=1&b=2: 403', 'GET https://h/a 403'],
  ['docker://u:p@host/repo', 'docker://REDACTED@host/repo'],
  ['docker://busybox@sha256:aa', 'docker://busybox@sha256:aa'],
  ['docker://h:5000/r:1@sha256:aa', 'docker://h:5000/r:1@sha256:aa'],
  ['authorization: Bearer abcdefghijk.lm', 'authorization: Bearer REDACTED'],
  ['Basic dXNlcjpwdw== was sent', 'Basic REDACTED was sent'],
  ['nothing to hide?', 'nothing to hide?'],
])('redact(%j) is %j', (text, expected) => {
  expect(redact(text)).toBe(expected);
});

test.each(['a.', 'http://', 'a://b@sha1:', 'Bearer '])('redacts a long run of %j in linear time', (piece) => {
  const startMs = performance.now();
  redact(piece.repeat(100_000));
  expect(performance.now() - startMs).toBeLessThan(2000);
});

test('printable text has no line breaks and no escapes', () => {
  expect(printable(' a\u0000\u009bb\u2028c\t')).toBe('a b c');
});
