/** What all threads of an engine keep to: a limit on the bytes per second, and hosts that are to be left alone for a while. */

import { setTimeout as sleep } from 'node:timers/promises';
import { abortedError, FetchError } from '../errors.js';

/** Plain data that is posted to workers. */
export interface PaceOptions {
  /** Over all connections. Default: none. */
  readonly bytesPerSecond?: number | undefined;
  /** Of {@link newPaceMemory}; one for all threads. */
  readonly memory: SharedArrayBuffer;
}

export interface Pace {
  /** Resolves when bytes that have come are within the limit: whoever waits for it reads no more until then. */
  spend(bytes: number, signal: AbortSignal): Promise<void>;
  /**
   * Resolves when `host` may be asked, to the time from then on. Rejects with ERR_HOST_AWAY while it is held after it
   * could not be reached {@link AWAY_FAILURES} times in a row.
   */
  untilOpen(host: string, signal: AbortSignal): Promise<bigint>;
  /** Nobody asks `host` for so long. */
  hold(host: string, delayMs: number): void;
  /**
   * It could not be reached; after a few times in a row it is left alone, longer each time. Of requests that were made
   * at one time one counts: `askedAt` is what `untilOpen` resolved to.
   */
  failed(host: string, askedAt: bigint): void;
  /** It has answered. */
  answered(host: string): void;
}

/** Hosts that share one are held together, which costs time and does no harm. */
const HOST_SLOTS = 256;
const COUNT_OFFSET = 8 * (1 + HOST_SLOTS);

export function newPaceMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(COUNT_OFFSET + 4 * HOST_SLOTS);
}

/** What may come at once after a pause. */
const BURST_MICROS = 100_000n;
/** Who was turned away together shall not return together. */
const JITTER = 0.25;
const FAILURES_BEFORE_HOLD = 3;
const FIRST_HOLD_MS = 1000;
const MAX_HOLD_MS = 30_000;
/** As many as a request has by itself where it is tried again six times: others need not find out anew. */
export const AWAY_FAILURES = 7;

export function createPace({ bytesPerSecond, memory }: PaceOptions): Pace {
  /** When the next byte is due, in microseconds of the monotonic clock; then for each host until when it is held. */
  const times = new BigInt64Array(memory, 0, 1 + HOST_SLOTS);
  /** For each host: failures in a row. */
  const failures = new Int32Array(memory, COUNT_OFFSET, HOST_SLOTS);
  /** By its whole name, for others that share its place must not be refused: failures in a row that this thread has met. */
  const away = new Map<string, number>();

  function hold(host: string, delayMs: number): void {
    const slot = 1 + slotOf(host);
    const until = nowMicros() + BigInt(Math.round(delayMs * 1000));
    for (let known = Atomics.load(times, slot); known < until; ) {
      const found = Atomics.compareExchange(times, slot, known, until);
      if (found === known) return;
      known = found;
    }
  }

  return {
    async spend(bytes, signal) {
      if (bytesPerSecond === undefined) return;
      const cost = BigInt(Math.ceil((bytes * 1e6) / bytesPerSecond));
      for (;;) {
        const now = nowMicros();
        const due = Atomics.load(times, 0);
        const earliest = now - BURST_MICROS;
        const next = (due > earliest ? due : earliest) + cost;
        if (Atomics.compareExchange(times, 0, due, next) !== due) continue;
        if (next > now) await wait(Number(next - now) / 1000, signal);
        return;
      }
    },
    async untilOpen(host, signal) {
      const slot = 1 + slotOf(host);
      for (;;) {
        const now = nowMicros();
        const leftMs = Number(Atomics.load(times, slot) - now) / 1000;
        if (leftMs <= 0) return now;
        const count = away.get(host) ?? 0;
        if (count >= AWAY_FAILURES) throw hostAway(host, count);
        await wait(leftMs * (1 + JITTER * Math.random()), signal);
      }
    },
    hold,
    failed(host, askedAt) {
      if (askedAt < Atomics.load(times, 1 + slotOf(host))) return;
      away.set(host, (away.get(host) ?? 0) + 1);
      const count = Atomics.add(failures, slotOf(host), 1) + 1;
      const beyond = count - FAILURES_BEFORE_HOLD;
      if (beyond >= 0) hold(host, Math.min(MAX_HOLD_MS, FIRST_HOLD_MS * 2 ** beyond));
    },
    answered(host) {
      away.delete(host);
      Atomics.store(failures, slotOf(host), 0);
    },
  };
}

function hostAway(host: string, count: number): FetchError {
  const message = `${host} could not be reached ${count} times in a row, and is left alone for a while`;
  return new FetchError('ERR_HOST_AWAY', message, { stage: 'download' });
}

function nowMicros(): bigint {
  return process.hrtime.bigint() / 1000n;
}

function slotOf(host: string): number {
  let hash = 0;
  for (let at = 0; at < host.length; at += 1) hash = (Math.imul(hash, 31) + host.charCodeAt(at)) >>> 0;
  return hash % HOST_SLOTS;
}

async function wait(delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(delayMs, undefined, { signal });
  } catch {
    throw abortedError(signal.reason);
  }
}
