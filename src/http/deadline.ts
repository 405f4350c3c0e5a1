/** A bound on the whole time of something, however steadily it is answered. */

import { FetchError, type Stage } from '../errors.js';
import { type Clock, createClock } from './clock.js';

export interface Deadline {
  /** Undefined: no bound. */
  readonly timeoutMs: number | undefined;
  /** For the message: `the discovery page …` */
  readonly what: string;
  readonly stage: Stage;
  readonly signal: AbortSignal;
}

/** Runs with a signal that is also aborted when the time is over: that is ERR_NETWORK. */
export async function withDeadline<T>(
  { timeoutMs, what, stage, signal }: Deadline,
  run: (signal: AbortSignal, withoutClock: Clock['without']) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const clock = createClock(timeoutMs === undefined ? undefined : { timeoutMs, onEnd: () => over.abort() });
  try {
    return await run(AbortSignal.any([signal, over.signal]), clock.without);
  } catch (cause) {
    if (timeoutMs === undefined || signal.aborted || !over.signal.aborted) throw cause;
    throw new FetchError('ERR_NETWORK', `${what} did not come within ${timeoutMs / 1000} s`, {
      stage,
      cause,
    });
  } finally {
    clock.stop();
  }
}
