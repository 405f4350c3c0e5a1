/** When a failed request is made again, and the loop that does it. */

import { setTimeout as sleep } from 'node:timers/promises';
import { abortedError, type FetchError, isFetchError, throwIfAborted } from '../errors.js';
import type { AroundWait } from './clock.js';
import { parseHttpDate } from './date.js';

/** Requests made again after a failure, so at most four in all: as many as a passing fault needs. */
export const DEFAULT_RETRIES = 3;

const FIRST_DELAY_MS = 500;
const JITTER = 0.25;
/** A server that asks for more, such as one whose quota is used up, is not waited for. */
const MAX_RETRY_AFTER_MS = 60_000;
/** Nor is one that asks for a little again and again, for longer than this. */
const PATIENCE_MS = 300_000;
/** What each of its answers counts at least. */
const MIN_PATIENCE_MS = 1000;
const MAX_DELAY_MS = 8000;

export interface FailedAttempt {
  /** How many attempts have failed, 1 or more. */
  readonly attempt: number;
  readonly error: FetchError;
  /** 0 up to 1, exclusive. */
  readonly random: number;
  /** Default 3. */
  readonly retries?: number | undefined;
  /** How long the server has had itself waited for so far. Default 0. */
  readonly patientMs?: number | undefined;
}

/**
 * How long to wait before the next attempt; undefined when there should be none.
 *
 * | the failure | wait | ends |
 * |---|---|---|
 * | is not retryable, or `retries` is 0 | | at once |
 * | without `Retry-After`, or with one of 0, which is kept | 500 ms, doubled each time up to 8 s, a quarter more or less at random | after `retries` |
 * | with `Retry-After` up to a minute | that, and up to a quarter more | after five minutes of them |
 * | with a longer `Retry-After` | | at once |
 *
 * The quarter is for clients which were turned away together not to return together.
 */
export function retryDelayMs(failed: FailedAttempt): number | undefined {
  const { attempt, error, random, retries = DEFAULT_RETRIES, patientMs = 0 } = failed;
  if (!error.retryable || retries === 0) return undefined;
  const backoffMs = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1));
  const askedMs = askedMsOf(error);
  if (askedMs === undefined) {
    if (attempt > retries) return undefined;
    return error.retryAfterMs ?? Math.round(backoffMs * (1 - JITTER + 2 * JITTER * random));
  }
  if (askedMs > MAX_RETRY_AFTER_MS || patientMs + patienceFor(askedMs) > PATIENCE_MS) return undefined;
  return Math.round(askedMs * (1 + JITTER * random));
}

/** A server that asks for no time at all may do so for ever. */
function askedMsOf({ retryAfterMs }: FetchError): number | undefined {
  return retryAfterMs === 0 ? undefined : retryAfterMs;
}

function patienceFor(delayMs: number): number {
  return Math.max(MIN_PATIENCE_MS, delayMs);
}

/** `Retry-After` in milliseconds from `nowMs`: seconds or an HTTP date (RFC 9110, 10.2.3); else undefined. */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim() ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const atMs = parseHttpDate(text);
  return atMs === undefined ? undefined : Math.max(0, atMs - nowMs);
}

export interface Retry {
  /** How many attempts have failed. */
  readonly attempt: number;
  readonly delayMs: number;
  readonly error: FetchError;
}

export interface RetryOptions {
  readonly signal: AbortSignal;
  /** Default 3. */
  readonly retries?: number | undefined;
  /** Told before each wait. */
  readonly onRetry?: ((retry: Retry) => void) | undefined;
  /** Called with each wait, to do it in its stead. Default: does it. */
  readonly whileWaiting?: AroundWait | undefined;
}

/**
 * Calls `run` until it resolves, or rejects with what {@link retryDelayMs} gives up on. `run` gets the number of
 * the attempt, from 1. An abort ends the wait at once, with ERR_ABORTED.
 */
export async function withRetry<T>(run: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { signal, retries, onRetry, whileWaiting = (wait) => wait() } = options;
  /** Of either kind: those that the server asked for are not counted with the others. */
  const failures = { own: 0, asked: 0 };
  let patientMs = 0;
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(signal);
    try {
      return await run(attempt);
    } catch (error) {
      if (!isFetchError(error)) throw error;
      const kind = askedMsOf(error) === undefined ? 'own' : 'asked';
      failures[kind] += 1;
      const random = Math.random();
      const delayMs = retryDelayMs({ attempt: failures[kind], error, random, retries, patientMs });
      if (delayMs === undefined) throw error;
      if (kind === 'asked') patientMs += patienceFor(delayMs);
      onRetry?.({ attempt, delayMs, error });
      await whileWaiting(() => waitFor(delayMs, signal));
    }
  }
}

async function waitFor(delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(delayMs, undefined, { signal });
  } catch {
    throw abortedError(signal.reason);
  }
}
