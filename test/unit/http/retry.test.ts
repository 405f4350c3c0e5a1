/** When requests are made again. */

import { describe, expect, it } from 'vitest';
import { type ErrorCode, FetchError } from '../../../src/errors.js';
import { parseRetryAfter, type Retry, retryDelayMs, withRetry } from '../../../src/http/retry.js';
import { QUIET } from './server.js';

const failure = (code: ErrorCode, retryAfterMs?: number) =>
  new FetchError(code, 'failed', { stage: 'download', retryAfterMs });

// attempt, code, Retry-After, random, delay
it.each([
  [1, 'ERR_NETWORK', undefined, 0.5, 500],
  [2, 'ERR_NETWORK', undefined, 0.5, 1000],
  [3, 'ERR_SERVER', undefined, 0.5, 2000],
  [1, 'ERR_NETWORK', undefined, 0, 375],
  [1, 'ERR_NETWORK', undefined, 1, 625],
  [4, 'ERR_NETWORK', undefined, 0.5, undefined],
  [1, 'ERR_RATE_LIMITED', 0, 0.5, 0],
  [1, 'ERR_RATE_LIMITED', 8000, 0, 8000],
  [3, 'ERR_SERVER', 60_000, 0, 60_000],
  [1, 'ERR_RATE_LIMITED', 60_001, 0, undefined],
  [9, 'ERR_RATE_LIMITED', 1000, 0, 1000],
  [3, 'ERR_RATE_LIMITED', 0, 0, 0],
  [4, 'ERR_RATE_LIMITED', 0, 0, undefined],
  [1, 'ERR_NOT_FOUND', undefined, 0.5, undefined],
  [1, 'ERR_AUTH', undefined, 0.5, undefined],
  [1, 'ERR_DIGEST_MISMATCH', undefined, 0.5, undefined],
  [1, 'ERR_ABORTED', undefined, 0.5, undefined],
] as const)('attempt %i that fails with %s (Retry-After %s, random %d) waits %s', (...row) => {
  const [attempt, code, retryAfterMs, random, expected] = row;
  expect(retryDelayMs({ attempt, error: failure(code, retryAfterMs), random })).toBe(expected);
});

it('never comes back earlier than the server asked', () => {
  const error = failure('ERR_RATE_LIMITED', 1000);
  for (const random of [0, 0.3, 0.999]) {
    expect(retryDelayMs({ attempt: 1, error, random })).toBeGreaterThanOrEqual(1000);
  }
});

it('can be told how often', () => {
  const error = failure('ERR_NETWORK');
  expect(retryDelayMs({ attempt: 1, error, random: 0, retries: 0 })).toBeUndefined();
  expect(retryDelayMs({ attempt: 5, error, random: 0.5, retries: 5 })).toBe(8000);
});

it('is patient with a server that asks for time, for five minutes in all', () => {
  const error = failure('ERR_RATE_LIMITED', 30_000);
  expect(retryDelayMs({ attempt: 10, error, random: 0, patientMs: 270_000 })).toBe(30_000);
  expect(retryDelayMs({ attempt: 10, error, random: 0, patientMs: 270_001 })).toBeUndefined();
  expect(retryDelayMs({ attempt: 1, error, random: 0, retries: 0 })).toBeUndefined();
  const little = failure('ERR_RATE_LIMITED', 1);
  expect(retryDelayMs({ attempt: 2, error: little, random: 0, patientMs: 299_500 })).toBeUndefined();
});

const NOW = Date.parse('2026-01-01T00:00:00Z');

it.each([
  ['0', 0],
  ['120', 120_000],
  [' 7 ', 7000],
  ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
  ['Thu, 01 Jan 2015 00:00:30 GMT', 0],
  [undefined, undefined],
  ['', undefined],
  ['-1', undefined],
  ['1.5', undefined],
  ['soon', undefined],
  ['2030', 2_030_000],
  ['99999999999', undefined],
  ['Thu, nonsense', undefined],
])('reads Retry-After %j as %s', (value, expected) => {
  expect(parseRetryAfter(value, NOW)).toBe(expected);
});

describe('withRetry', () => {
  it('runs again until it succeeds, and tells of it', async () => {
    const told: Retry[] = [];
    const attempts: number[] = [];
    const run = async (attempt: number) => {
      attempts.push(attempt);
      if (attempt < 3) throw failure('ERR_RATE_LIMITED', 0);
      return 'done';
    };
    expect(await withRetry(run, { signal: QUIET, onRetry: (retry) => told.push(retry) })).toBe('done');
    expect(attempts).toEqual([1, 2, 3]);
    expect(told.map(({ attempt, delayMs, error }) => [attempt, delayMs, error.code])).toEqual([
      [1, 0, 'ERR_RATE_LIMITED'],
      [2, 0, 'ERR_RATE_LIMITED'],
    ]);
  });

  it('rejects with the last error when the retries are used up', async () => {
    let attempts = 0;
    const run = async () => {
      attempts++;
      throw failure('ERR_RATE_LIMITED', 0);
    };
    await expect(withRetry(run, { signal: QUIET, retries: 2 })).rejects.toMatchObject({
      code: 'ERR_RATE_LIMITED',
    });
    expect(attempts).toBe(3);
  });

  it('does not touch errors of other kinds', async () => {
    const defect = new TypeError('defect');
    const run = () => Promise.reject(defect);
    await expect(withRetry(run, { signal: QUIET })).rejects.toBe(defect);
  });

  it('settles at once when aborted while it waits', async () => {
    const aborter = new AbortController();
    const startMs = performance.now();
    const run = () => Promise.reject(failure('ERR_RATE_LIMITED', 30_000));
    const onRetry = () => setImmediate(() => aborter.abort('stop'));
    await expect(withRetry(run, { signal: aborter.signal, onRetry })).rejects.toMatchObject({
      code: 'ERR_ABORTED',
      cause: 'stop',
    });
    expect(performance.now() - startMs).toBeLessThan(5000);
  });

  it('does not begin when aborted already', async () => {
    let attempts = 0;
    const run = async () => attempts++;
    await expect(withRetry(run, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    });
    expect(attempts).toBe(0);
  });
});
