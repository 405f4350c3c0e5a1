/** Text on its way to a terminal: one line, no secrets, no control characters. */

import { expect, test } from 'vitest';
import { escapedJson, jsonText, printable, redact } from '../../../src/cli/text.js';

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

test('JSON has its control characters escaped, and is the same value', () => {
  const value = { 'a\u007f': ['\u0000\u009b2J\u2028\u2029', 'é \u00a0 \u{1f600}'] };
  const text = '{"a\\u007f":["\\u0000\\u009b2J\\u2028\\u2029","é \u00a0 \u{1f600}"]}';
  expect(jsonText(value)).toBe(text);
  expect(escapedJson(JSON.stringify(value))).toBe(text);
  expect(JSON.parse(jsonText(value))).toEqual(value);
  expect(jsonText({ a: '\u0085' }, '\t')).toBe('{\n\t"a": "\\u0085"\n}');
});

test('printable text has no line breaks and no escapes', () => {
  expect(printable(' a\u0000\u009bb\u2028c\t')).toBe('a b c');
});
