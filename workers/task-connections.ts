/** The connections of a task: the one that it began with, which it gives back while it waits, and further ones. */

import { throwIfAborted } from '../src/errors.js';
import type { TaskContext } from '../src/tasks/contract.js';
import { blobCounters, type Granted } from '../src/tasks/counters.js';

export interface TaskConnections {
  /** Which host is asked over the first one: where there is a wait before it or after it, that is what is waited for. */
  asking(host: string): void;
  /** Does `wait` without the first one, and resolves when it is there again. @throws what `wait` throws, ERR_ABORTED */
  withoutFirst(wait: () => Promise<void>): Promise<void>;
  /** Resolves to true with a further one, which is to be given back, or to false when `isOver` before there was one. */
  takeExtra(isOver: () => boolean): Promise<boolean>;
  giveBackExtra(): void;
}

/** What is still asked for, or not given back, when the task ends, the coordinator takes back itself. */
export function taskConnections(memory: SharedArrayBuffer, { note, signal }: TaskContext): TaskConnections {
  const counters = blobCounters(memory);
  // Of those that an attempt before this one was granted none is left.
  const taken = { first: counters.granted('first'), extra: counters.granted('extra') };

  let asked: string | undefined;

  async function granted(which: Granted, isOver: () => boolean): Promise<boolean> {
    for (;;) {
      const version = counters.version();
      if (isOver()) return false;
      if (counters.granted(which) > taken[which]) {
        taken[which] += 1;
        return true;
      }
      await counters.changed(version);
    }
  }

  return {
    asking(host) {
      asked = host;
    },
    async withoutFirst(wait) {
      note({ note: 'connection', change: -1, isFirst: true, host: asked });
      await wait();
      note({ note: 'connection', change: 1, isFirst: true });
      await granted('first', () => signal.aborted);
      throwIfAborted(signal);
    },
    takeExtra(isOver) {
      note({ note: 'connection', change: 1 });
      return granted('extra', isOver);
    },
    giveBackExtra: () => note({ note: 'connection', change: -1 }),
  };
}
