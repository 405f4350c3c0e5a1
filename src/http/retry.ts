/** When a failed request is made again, and the loop that does it. */

import { setTimeout as sleep } from 'node:timers/promises';
import { abortedError, type FetchError, isFetchError, throwIfAborted } from '../errors.js';
import { parseHttpDate } from './date.js';

/** Requests made again after a failure, so at most four in all: as many as a passing fault needs. */
export const DEFAULT_RETRIES = 3;

const FIRST_DELAY_MS = 500;
const JITTER = 0.25;
/** A server that asks for more, such as one whose quota is used up, is not waited for. */
const MAX_RETRY_AFTER_MS = 60_000;

export interface FailedAttempt {
  /** How many attempts have failed, 1 or more. */
  readonly attempt: number;
  readonly error: FetchError;
  /** 0 up to 1, exclusive. */
  readonly random: number;
  /** Default 3. */
  readonly retries?: number | undefined;
}

/**
 * How long to wait before the next attempt; undefined when there should be none. 500 ms, doubled each time, a
 * quarter more or less at random; or what the server asked for, and up to a quarter more, so that clients which
 * were turned away together do not return together.
 */
export function retryDelayMs(failed: FailedAttempt): number | undefined {
  const { attempt, error, random, retries = DEFAULT_RETRIES } = failed;
  if (!error.retryable || attempt > retries) return undefined;
  if (error.retryAfterMs === undefined) {
    return Math.round(FIRST_DELAY_MS * 2 ** (attempt - 1) * (1 - JITTER + 2 * JITTER * random));
  }
  if (error.retryAfterMs > MAX_RETRY_AFTER_MS) return undefined;
  return Math.round(error.retryAfterMs * (1 + JITTER * random));
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
}

/**
 * Calls `run` until it resolves, or rejects with what {@link retryDelayMs} gives up on. `run` gets the number of
 * the attempt, from 1. An abort ends the wait at once, with ERR_ABORTED.
 */
export async function withRetry<T>(run: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { signal, retries, onRetry } = options;
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(signal);
    try {
      return await run(attempt);
    } catch (error) {
      if (!isFetchError(error)) throw error;
      const delayMs = retryDelayMs({ attempt, error, random: Math.random(), retries });
      if (delayMs === undefined) throw error;
      onRetry?.({ attempt, delayMs, error });
      await waitFor(delayMs, signal);
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
