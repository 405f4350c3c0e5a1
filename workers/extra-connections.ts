/** Asks the coordinator for connections beside the one that a task begins with. */

import type { TaskContext } from '../src/tasks/contract.js';
import { blobCounters } from '../src/tasks/counters.js';

export interface ExtraConnections {
  /** Resolves to true with a connection, which is to be given back, or to false when `isOver` before there was one. */
  take(isOver: () => boolean): Promise<boolean>;
  giveBack(): void;
}

/** What is still asked for, or not given back, when the task ends, the coordinator takes back itself. */
export function extraConnections(memory: SharedArrayBuffer, { note }: TaskContext): ExtraConnections {
  const counters = blobCounters(memory);
  // Of those that an attempt before this one was granted none is left.
  let taken = counters.granted();
  return {
    async take(isOver) {
      note({ note: 'connection', change: 1 });
      for (;;) {
        const version = counters.version();
        if (isOver()) return false;
        if (counters.granted() > taken) {
          taken += 1;
          return true;
        }
        await counters.changed(version);
      }
    },
    giveBack: () => note({ note: 'connection', change: -1 }),
  };
}
