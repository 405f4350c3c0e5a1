/** Which thread a task goes to: the one that has the least to do, counted in bytes. */

export interface Placement {
  /** The thread that has least, of which the first; it has the task from now on. Undefined where there is none. */
  place<Thread extends { readonly id: number }>(
    threads: readonly Thread[],
    workBytes: number,
  ): Thread | undefined;
  /** A task that was placed there has ended. */
  ended(threadId: number, workBytes: number): void;
}

export function createPlacement(): Placement {
  const workBytesOf = new Map<number, number>();
  const loadOf = (threadId: number): number => workBytesOf.get(threadId) ?? 0;
  return {
    place(threads, workBytes) {
      const [first, ...others] = threads;
      if (first === undefined) return undefined;
      const chosen = others.reduce((best, one) => (loadOf(one.id) < loadOf(best.id) ? one : best), first);
      workBytesOf.set(chosen.id, loadOf(chosen.id) + workBytes);
      return chosen;
    },
    ended(threadId, workBytes) {
      workBytesOf.set(threadId, loadOf(threadId) - workBytes);
    },
  };
}
