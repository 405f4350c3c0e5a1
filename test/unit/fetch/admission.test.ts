/** What is said of an image that is another one than was asked for. */

import { expect, it } from 'vitest';
import { mismatchOf } from '../../../src/fetch/admission.js';

const expected = { name: 'example.com/app', labels: { version: '1' }, defaults: { os: 'linux' } };

it.each([
  [{ name: 'example.com/app', labels: { version: '1' } }, undefined],
  [{ name: 'example.com/app', labels: { version: '1', os: 'linux' } }, undefined],
  [
    { name: 'example.com/other', labels: {} },
    'error when reading the app name: "example.com/app" expected but "example.com/other" found',
  ],
  [{ name: 'example.com/app', labels: {} }, 'requested label "version" not provided by the image manifest'],
  [
    { name: 'example.com/app', labels: { version: '2' } },
    'requested value for label "version": "1" differs from fetched aci label value: "2"',
  ],
  [
    { name: 'example.com/app', labels: { version: '1', os: 'darwin' } },
    'requested value for label "os": "linux" differs from fetched aci label value: "darwin"',
  ],
])('compares what was asked for with %j', (found, problem) => {
  expect(mismatchOf(expected, found)).toBe(problem);
});

it.each([
  { name: `a/${'b.'.repeat(500)}c`, labels: {} },
  { name: 'example.com/app', labels: { version: '\u001b[2J\u009b'.repeat(100_000) } },
])('shows a bounded, printable part of a strange name or value (case %#)', (found) => {
  expect(mismatchOf(expected, found)).toMatch(/^[\x20-\x7e…]{1,800}$/);
});
