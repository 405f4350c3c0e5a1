/** The speed of a download, smoothed so that a bar can be read. */

/** Weight of the past halves in this time. */
const HALF_LIFE_MS = 1500;

export interface RateState {
  readonly bytes: number;
  readonly atMs: number;
  /** Undefined until there are two samples. */
  readonly bytesPerSecond?: number | undefined;
}

/** The state after a sample: an exponentially weighted mean of the speed between samples. */
export function nextRate(state: RateState, bytes: number, atMs: number): RateState {
  const elapsedMs = atMs - state.atMs;
  if (elapsedMs <= 0) return state;
  // After a restart there may be fewer bytes than before.
  const current = (Math.max(0, bytes - state.bytes) * 1000) / elapsedMs;
  const past = state.bytesPerSecond;
  const weight = 0.5 ** (elapsedMs / HALF_LIFE_MS);
  return {
    bytes,
    atMs,
    bytesPerSecond: past === undefined ? current : past * weight + current * (1 - weight),
  };
}
