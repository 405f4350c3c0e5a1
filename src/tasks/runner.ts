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
  /**
   * About how much the task has to do, counted as the bytes of a compressed layer to fetch: tasks go to the thread
   * that has the least of it. Default 64 MiB.
   */
  readonly workBytes?: number | undefined;
}

/** A runner that is made when it is first needed. */
export interface LazyRunner extends TaskRunner {
  /** Makes it now, beside what the caller goes on with. */
  warmUp(): void;
}

/** An answer out of the store should not wait for threads that have nothing to do. */
export function createLazyRunner(create: () => Promise<TaskRunner>): LazyRunner {
  let made: Promise<TaskRunner> | undefined;
  const make = (): Promise<TaskRunner> => {
    made ??= create();
    return made;
  };
  return {
    async run(name, input, options) {
      return (await make()).run(name, input, options);
    },
    // Whoever runs a task meets the failure.
    warmUp: () => void make().catch(() => undefined),
    async close() {
      const runner = await made?.catch(() => undefined);
      await runner?.close();
    },
  };
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
