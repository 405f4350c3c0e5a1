/** What the coordinator sees of the workers, and the implementation that has none. */

import { toFetchError } from '../errors.js';
import type { TaskHandlers, TaskName, TaskNote, Tasks } from './contract.js';

export interface TaskRunner {
  /** Rejects with a FetchError; with ERR_ABORTED soon after `signal` is aborted. */
  run<K extends TaskName>(
    name: K,
    input: Tasks[K]['input'],
    options: RunOptions,
  ): Promise<Tasks[K]['output']>;
  close(): Promise<void>;
}

export interface RunOptions {
  readonly signal: AbortSignal;
  readonly onNote?: ((note: TaskNote) => void) | undefined;
}

/** Runs every task on the calling thread. */
export function createInlineRunner(handlers: TaskHandlers): TaskRunner {
  return {
    async run(name, input, { signal, onNote }) {
      try {
        return await handlers[name](input, { signal, note: (note) => onNote?.(note) });
      } catch (error) {
        throw toFetchError(error);
      }
    },
    async close() {},
  };
}
