import { expect, it } from 'vitest';
import { parseHttpDate } from '../../../src/http/date.js';

const NOV_6 = Date.UTC(1994, 10, 6, 8, 49, 37);

// The three forms are the examples of RFC 9110.
it.each([
  ['Sun, 06 Nov 1994 08:49:37 GMT', NOV_6],
  ['Sunday, 06-Nov-94 08:49:37 GMT', NOV_6],
  ['Sun Nov  6 08:49:37 1994', NOV_6],
  [' Sun, 06 Nov 1994 08:49:37 GMT ', NOV_6],
  [undefined, undefined],
  ['', undefined],
  ['0', undefined],
  ['1994-11-06T08:49:37Z', undefined],
  ['Sun, 06 Nov 1994 08:49:37 +0200', undefined],
  ['Sun, 06 Nov 1994 GMT', undefined],
  ['Sun, 99 Foo 1994 08:49:37 GMT', undefined],
])('the date %j is %s', (value, expected) => {
  expect(parseHttpDate(value)).toBe(expected);
});
