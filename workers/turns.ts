/** Turns at the CPU among the tasks of one thread: the layer that is needed first goes first. */

export interface Turns {
  /** Runs `work` when no other is running and none with a smaller `priority` waits. */
  take<T>(priority: number, work: () => Promise<T>): Promise<T>;
}

interface Waiting {
  readonly priority: number;
  begin(): void;
}

/** A turn should be some milliseconds; what has nothing to do must not take one. */
export function createTurns(): Turns {
  const waiting: Waiting[] = [];
  let isTaken = false;

  async function take<T>(priority: number, work: () => Promise<T>): Promise<T> {
    if (isTaken) await new Promise<void>((begin) => waiting.push({ priority, begin }));
    isTaken = true;
    try {
      return await work();
    } finally {
      next();
    }
  }

  function next(): void {
    const first = waiting.reduce<Waiting | undefined>(
      (best, candidate) => (best === undefined || candidate.priority < best.priority ? candidate : best),
      undefined,
    );
    if (first === undefined) {
      isTaken = false;
      return;
    }
    // The turn passes on without being free in between.
    waiting.splice(waiting.indexOf(first), 1);
    first.begin();
  }

  return { take };
}
