/** Keeps apart what relies on the blobs of the store and what removes them, within one engine. */

export interface Uses {
  /** Runs `work` while no blob is removed. */
  during<T>(work: () => Promise<T>): Promise<T>;
  /** Runs `sweep` unless something relies on the blobs; what comes meanwhile waits. */
  sweepIfIdle(sweep: () => Promise<void>): Promise<void>;
}

export function createUses(): Uses {
  let users = 0;
  let sweeping: Promise<unknown> | undefined;
  return {
    async during(work) {
      while (sweeping !== undefined) await sweeping;
      users += 1;
      try {
        return await work();
      } finally {
        users -= 1;
      }
    },
    async sweepIfIdle(sweep) {
      while (sweeping !== undefined) await sweeping;
      if (users > 0) return;
      const running = sweep();
      sweeping = running.catch(() => undefined);
      try {
        await running;
      } finally {
        sweeping = undefined;
      }
    },
  };
}
