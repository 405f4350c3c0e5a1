/** Counters in shared memory: how far a blob is, for the threads that follow it and for the progress display. */

/**
 * `wireBytes`: compressed bytes that are here. `prefixBytes`: how many of them from the beginning on, without a gap.
 * `readBytes`: how many somebody has read. `tarBytes`, `indexBytes`: how much of the two files of a layer is written and
 * may be read. Each only grows, but for `restart`.
 */
export type Counter = 'wireBytes' | 'prefixBytes' | 'readBytes' | 'tarBytes' | 'indexBytes';

export type BlobState = 'running' | 'complete' | 'failed';

const SLOTS: Readonly<Record<Counter, number>> = {
  wireBytes: 0,
  tarBytes: 1,
  indexBytes: 2,
  prefixBytes: 3,
  readBytes: 4,
};
const STATES: readonly BlobState[] = ['running', 'complete', 'failed'];
const WORDS_OFFSET = 40;
const BYTES = WORDS_OFFSET + 4 * 5;

export type Granted = 'first' | 'extra';

export interface BlobCounters {
  /** What is posted to another thread, where `blobCounters` opens it again. */
  readonly memory: SharedArrayBuffer;
  read(counter: Counter): number;
  /** Smaller values than the present one are left out: a task that runs again writes the same bytes again. */
  set(counter: Counter, value: number): void;
  state(): BlobState;
  setState(state: BlobState): void;
  /** The content begins again: what was read of it is void. */
  restart(): void;
  /** How often it began again; read it before and after what the counters allow to read. */
  generation(): number;
  /** How often a connection was granted since the task began: further ones, or the first one again. */
  granted(which: Granted): number;
  grant(which: Granted): void;
  /** Wakes everyone who waits in `changed`; called after a group of `set`s. */
  publish(): void;
  /** A number that every `publish` changes; read it before the counters, then wait for it to change. */
  version(): number;
  /** Resolves when `version` differs from `seen`, and at the latest after {@link WAIT_MS}. */
  changed(seen: number): Promise<void>;
}

/** A waiter looks at its signal this often, and so an abort is never missed for longer. */
export const WAIT_MS = 100;

export function newBlobCounters(): BlobCounters {
  return blobCounters(new SharedArrayBuffer(BYTES));
}

export function blobCounters(memory: SharedArrayBuffer): BlobCounters {
  const values = new BigInt64Array(memory, 0, 5);
  /** Version, state, generation, granted connections: further ones, and first ones. */
  const words = new Int32Array(memory, WORDS_OFFSET, 5);
  const wordOf = (which: Granted): number => (which === 'extra' ? 3 : 4);
  function publish(): void {
    Atomics.add(words, 0, 1);
    Atomics.notify(words, 0);
  }
  return {
    memory,
    read: (counter) => Number(Atomics.load(values, SLOTS[counter])),
    set(counter, value) {
      const slot = SLOTS[counter];
      if (Atomics.load(values, slot) < BigInt(value)) Atomics.store(values, slot, BigInt(value));
    },
    state: () => STATES[Atomics.load(words, 1)] as BlobState,
    setState(state) {
      Atomics.store(words, 1, STATES.indexOf(state));
      publish();
    },
    restart() {
      // In this order nobody takes an old number for one of the new content.
      for (const counter of ['wireBytes', 'prefixBytes', 'readBytes'] as const)
        Atomics.store(values, SLOTS[counter], 0n);
      Atomics.add(words, 2, 1);
      publish();
    },
    generation: () => Atomics.load(words, 2),
    granted: (which) => Atomics.load(words, wordOf(which)),
    grant(which) {
      Atomics.add(words, wordOf(which), 1);
      publish();
    },
    publish,
    version: () => Atomics.load(words, 0),
    async changed(seen) {
      // Not Atomics.wait: several tasks share a thread, and the one waited for may be on this one.
      const waiting = Atomics.waitAsync(words, 0, seen, WAIT_MS);
      if (waiting.async) await waiting.value;
    },
  };
}
