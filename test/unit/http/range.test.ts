/** Answers to ranged requests. */

import { expect, it } from 'vitest';
import { checkPartial, parseContentRange } from '../../../src/http/range.js';

it.each([
  ['bytes 0-99/100', { start: 0, end: 99, totalBytes: 100 }],
  ['bytes 10-19/*', { start: 10, end: 19, totalBytes: undefined }],
  [' Bytes 5-5/6 ', { start: 5, end: 5, totalBytes: 6 }],
  ['bytes */100', undefined],
  ['bytes 9-5/100', undefined],
  ['bytes 0-100/100', undefined],
  ['items 0-9/10', undefined],
  ['bytes 0-9', undefined],
  ['bytes 0-99999999999999999999/*', undefined],
  ['', undefined],
  [undefined, undefined],
])('reads Content-Range %j', (value, expected) => {
  expect(parseContentRange(value)).toEqual(expected);
});

// status, Content-Range, Content-Length, first byte asked for, size if known, outcome
it.each([
  [206, 'bytes 50-99/100', '50', 50, 100, 'append'],
  [206, 'bytes 50-99/100', undefined, 50, undefined, 'append'],
  [206, 'bytes 50-99/*', '50', 50, 100, 'append'],
  [206, 'bytes 0-99/100', '100', 0, 100, 'append'],
  [200, undefined, '100', 50, 100, 'restart'],
  [416, 'bytes */40', undefined, 50, 100, 'restart'],
  [206, 'bytes 50-65585/900000', '65536', 50, 900_000, 'append'],
] as const)('status %i, %s, length %s, from %i of %s: %s', (...row) => {
  const [status, range, length, requestedStart, expectedTotal, expected] = row;
  expect(checkPartial({ status, headers: headersOf(range, length), requestedStart, expectedTotal })).toBe(
    expected,
  );
});

it.each([
  [206, undefined, undefined, 'ERR_HTTP_STATUS'],
  [206, 'multipart nonsense', undefined, 'ERR_HTTP_STATUS'],
  [206, 'bytes 0-99/100', '100', 'ERR_HTTP_STATUS'],
  [206, 'bytes 51-99/100', '49', 'ERR_HTTP_STATUS'],
  [206, 'bytes 50-99/101', '50', 'ERR_HTTP_STATUS'],
  [206, 'bytes 50-99/100', '49', 'ERR_HTTP_STATUS'],
  [206, 'bytes 50-98/100', '49', 'ERR_HTTP_STATUS'],
  [206, 'bytes 50-50/*', '1', 'ERR_HTTP_STATUS'],
  [204, undefined, undefined, 'ERR_HTTP_STATUS'],
  [304, undefined, undefined, 'ERR_HTTP_STATUS'],
  [404, undefined, undefined, 'ERR_NOT_FOUND'],
  [401, undefined, undefined, 'ERR_AUTH'],
  [503, undefined, undefined, 'ERR_SERVER'],
] as const)('status %i, %s, length %s, from 50 of 100 is %s', (status, range, length, code) => {
  const answer = { status, headers: headersOf(range, length), requestedStart: 50, expectedTotal: 100 };
  expect(() => checkPartial(answer)).toThrow(expect.objectContaining({ code, stage: 'download' }));
});

it('of a content whose size is not known is all the rest, or of no use', () => {
  const headers = headersOf('bytes 50-900049/2000000', '900000');
  const answer = { status: 206, headers, requestedStart: 50 };
  expect(() => checkPartial(answer)).toThrow(expect.objectContaining({ code: 'ERR_HTTP_STATUS' }));
  expect(checkPartial({ ...answer, expectedTotal: 2_000_000 })).toBe('append');
});

function headersOf(range: string | undefined, length: string | undefined): Record<string, string> {
  return {
    ...(range !== undefined && { 'content-range': range }),
    ...(length !== undefined && { 'content-length': length }),
  };
}
