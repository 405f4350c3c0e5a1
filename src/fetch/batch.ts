/** Many images in one call: some at a time, each with an outcome of its own. */

import { FetchError, throwIfAborted } from '../errors.js';
import type { FetchRequest } from '../types.js';

interface Outcome {
  readonly status: string;
}

export interface Batch<T extends Outcome> {
  /** Images at a time. */
  readonly jobs: number;
  /** Does not reject. */
  run(request: FetchRequest, signal: AbortSignal): Promise<T>;
  readonly signal?: AbortSignal | undefined;
  /** The first failure ends all the others. Default false. */
  readonly failFast?: boolean | undefined;
  /** Called when an image is done, with its place in the list. */
  readonly onOutcome?: ((outcome: T, index: number) => void) | undefined;
}

/** One outcome for each request, in their order. @throws FetchError ERR_ABORTED when `signal` is aborted */
export async function runBatch<T extends Outcome>(
  requests: readonly FetchRequest[],
  { jobs, run, signal, failFast = false, onOutcome }: Batch<T>,
): Promise<T[]> {
  const outcomes: T[] = [];
  const queue = [...requests.entries()];
  const givingUp = new AbortController();
  const either = AbortSignal.any([givingUp.signal, ...(signal === undefined ? [] : [signal])]);

  async function inTurn(): Promise<void> {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [index, request] = next;
      const outcome = await run(request, either);
      outcomes[index] = outcome;
      if (signal?.aborted !== true) onOutcome?.(outcome, index);
      if (failFast && outcome.status === 'failed') givingUp.abort(givenUp());
    }
  }

  await Promise.all(Array.from({ length: Math.min(jobs, requests.length) }, inTurn));
  if (signal !== undefined) throwIfAborted(signal);
  return outcomes;
}

function givenUp(): FetchError {
  return new FetchError('ERR_ABORTED', 'given up, because another image failed', { stage: 'internal' });
}
