/** A bound on the whole time of a small request, however steadily it is answered. */

import { FetchError, type Stage } from '../errors.js';

export interface Deadline {
  readonly timeoutMs: number;
  /** For the message: `the discovery page …` */
  readonly what: string;
  readonly stage: Stage;
  readonly signal: AbortSignal;
}

/** Runs with a signal that is also aborted when the time is over: that is ERR_NETWORK. */
export async function withDeadline<T>(
  { timeoutMs, what, stage, signal }: Deadline,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = AbortSignal.timeout(timeoutMs);
  try {
    return await run(AbortSignal.any([signal, deadline]));
  } catch (cause) {
    if (signal.aborted || !deadline.aborted) throw cause;
    throw new FetchError('ERR_NETWORK', `${what} did not come within ${timeoutMs / 1000} s`, {
      stage,
      cause,
    });
  }
}
