/** Time that something takes, without that of waits which are not its own, and perhaps an end to it. */

/** Does a wait, and perhaps something before and after it. */
export type AroundWait = (wait: () => Promise<void>) => Promise<void>;

export interface Clock {
  /** Runs `wait`, whose time does not count. */
  without<T>(wait: () => Promise<T>): Promise<T>;
  elapsedMs(): number;
  /** For good. */
  stop(): void;
}

export interface ClockEnd {
  readonly timeoutMs: number;
  onEnd(): void;
}

export function createClock(end?: ClockEnd): Clock {
  let countedMs = 0;
  let sinceMs = performance.now();
  let timer: NodeJS.Timeout | undefined;
  let waits = 0;
  let isStopped = false;

  const isRunning = (): boolean => waits === 0 && !isStopped;
  const elapsedMs = (): number => countedMs + (isRunning() ? performance.now() - sinceMs : 0);

  /** Around every change of `isRunning`. */
  function change(apply: () => void): void {
    countedMs = elapsedMs();
    apply();
    sinceMs = performance.now();
    clearTimeout(timer);
    if (end !== undefined && isRunning()) timer = setTimeout(end.onEnd, end.timeoutMs - countedMs);
  }

  function addWaits(sign: 1 | 0 | -1): void {
    change(() => {
      waits += sign;
    });
  }

  addWaits(0);
  return {
    async without(wait) {
      addWaits(1);
      return wait().finally(() => addWaits(-1));
    },
    elapsedMs,
    stop() {
      change(() => {
        isStopped = true;
      });
    },
  };
}
