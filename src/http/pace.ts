/** What all threads of an engine keep to: a limit on the bytes per second, and hosts that are to be left alone for a while. */

import { setTimeout as sleep } from 'node:timers/promises';
import { abortedError, FetchError } from '../errors.js';
import type { AroundWait } from './clock.js';
import { HOST_TABLE_BYTES, openHostTable } from './host-table.js';

const DUE_BYTES = 8;

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
   * Resolves when `host` may be asked, to the time from then on. `whileWaiting` is called with each wait for that,
   * to do it in its stead. Rejects with ERR_HOST_AWAY while the host is held after it could not be reached
   * {@link AWAY_FAILURES} times in a row.
   */
  untilOpen(host: string, signal: AbortSignal, whileWaiting?: AroundWait): Promise<bigint>;
  /** How `host` is held now; undefined where it may be asked, or is away, so that whoever asks hears of it at once. */
  holdOf(host: string): Hold | undefined;
  /** Nobody asks `host` for so long, and up to a quarter more. */
  hold(host: string, delayMs: number): void;
  /**
   * It could not be reached; after a few times in a row it is left alone, longer each time. Of requests that were made
   * at one time one counts: `askedAt` is what `untilOpen` resolved to.
   */
  failed(host: string, askedAt: bigint): void;
  /** It has answered. */
  answered(host: string): void;
}

export interface Hold {
  readonly leftMs: number;
  /** It could not be reached; else it has asked for it. */
  readonly isUnreachable: boolean;
}

/** What may come at once after a pause. */
const BURST_MICROS = 100_000n;
/** A hold is up to so much longer: machines that were turned away together shall not return together. */
const JITTER = 0.25;
const FAILURES_BEFORE_HOLD = 3;
const FIRST_HOLD_MS = 1000;
const MAX_HOLD_MS = 30_000;
/** As many as a request has by itself where it is tried again six times: others need not find out anew. */
export const AWAY_FAILURES = 7;

export function newPaceMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(DUE_BYTES + HOST_TABLE_BYTES);
}

export function createPace({ bytesPerSecond, memory }: PaceOptions): Pace {
  /** When the next byte is due, in microseconds of the monotonic clock. */
  const due = new BigInt64Array(memory, 0, 1);
  const hosts = openHostTable(memory, DUE_BYTES);

  function hold(host: string, delayMs: number): void {
    const { heldUntil } = hosts.of(host);
    const until = nowMicros() + BigInt(Math.round(delayMs * (1 + JITTER * Math.random()) * 1000));
    for (let known = heldUntil.read(); known < until; ) {
      const found = heldUntil.replace(known, until);
      if (found === known) return;
      known = found;
    }
  }

  function holdOf(host: string): (Hold & { readonly failures: number }) | undefined {
    const { heldUntil, failures: counted } = hosts.of(host);
    const leftMs = Number(heldUntil.read() - nowMicros()) / 1000;
    if (leftMs <= 0) return undefined;
    const failures = Number(counted.read());
    return { leftMs, failures, isUnreachable: failures >= FAILURES_BEFORE_HOLD };
  }

  /** Timers may be early, and others may hold the host for longer meanwhile. */
  async function untilOver(host: string, signal: AbortSignal): Promise<void> {
    for (let held = holdOf(host); held !== undefined; held = holdOf(host)) {
      if (held.failures >= AWAY_FAILURES) return;
      await wait(held.leftMs, signal);
    }
  }

  return {
    async spend(bytes, signal) {
      if (bytesPerSecond === undefined) return;
      const cost = BigInt(Math.ceil((bytes * 1e6) / bytesPerSecond));
      for (;;) {
        const now = nowMicros();
        const known = Atomics.load(due, 0);
        const earliest = now - BURST_MICROS;
        const next = (known > earliest ? known : earliest) + cost;
        if (Atomics.compareExchange(due, 0, known, next) !== known) continue;
        if (next > now) await wait(Number(next - now) / 1000, signal);
        return;
      }
    },
    async untilOpen(host, signal, whileWaiting = (waiting) => waiting()) {
      for (;;) {
        const held = holdOf(host);
        if (held === undefined) return nowMicros();
        if (held.failures >= AWAY_FAILURES) throw hostAway(host, held.failures);
        await whileWaiting(() => untilOver(host, signal));
      }
    },
    holdOf(host) {
      const held = holdOf(host);
      return held === undefined || held.failures >= AWAY_FAILURES ? undefined : held;
    },
    hold,
    failed(host, askedAt) {
      const { heldUntil, failures } = hosts.of(host);
      if (askedAt < heldUntil.read()) return;
      const beyond = Number(failures.increment()) - FAILURES_BEFORE_HOLD;
      if (beyond >= 0) hold(host, Math.min(MAX_HOLD_MS, FIRST_HOLD_MS * 2 ** beyond));
    },
    answered(host) {
      hosts.of(host).failures.write(0n);
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

async function wait(delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(delayMs, undefined, { signal });
  } catch {
    throw abortedError(signal.reason);
  }
}
