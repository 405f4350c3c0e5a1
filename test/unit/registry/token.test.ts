/** How long a token holds. */

import { expect, test } from 'vitest';
import { tokenLifetimeMs } from '../../../src/registry/token.js';

const NOW_MS = Date.parse('2030-01-01T00:10:00Z');
const DATE = 'Tue, 01 Jan 2030 00:00:30 GMT';

test.each([
  ['a minute without a word', {}, 60_000],
  ['what the service says', { expiresIn: 300 }, 300_000],
  ['a minute where that is no time', { expiresIn: '300' }, 60_000],
  ['a minute where that is nothing', { expiresIn: 0 }, 60_000],
  ['less when it was issued before', { expiresIn: 300, issuedAt: '2030-01-01T00:08:00Z' }, 180_000],
  ['the same when it is issued in the future', { expiresIn: 300, issuedAt: '2030-01-01T00:11:00Z' }, 300_000],
  [
    'less by the clock of the service, not by ours',
    { expiresIn: 300, issuedAt: '2030-01-01T00:00:00.5Z', date: DATE },
    270_500,
  ],
  ['the same when clocks are far apart', { expiresIn: 300, issuedAt: '2029-12-31T00:00:00Z' }, 300_000],
  ['the same when the time cannot be read', { expiresIn: 300, issuedAt: 'yesterday', date: '?' }, 300_000],
])('a token holds for %s', (_title, dates, lifetimeMs) => {
  const unknown = { expiresIn: undefined, issuedAt: undefined, date: undefined };
  expect(tokenLifetimeMs({ ...unknown, ...dates, nowMs: NOW_MS })).toBe(lifetimeMs);
});
