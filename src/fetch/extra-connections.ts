/** Lends a running task further connections, as far as the limits of the engine have room for them. */

import type { TaskNote } from '../tasks/contract.js';
import type { BlobCounters } from '../tasks/counters.js';
import type { Permits } from './permits.js';

export interface ExtraConnections {
  /** Of the task's notes, those about connections. */
  onNote(note: Extract<TaskNote, { note: 'connection' }>): void;
  /** Takes all of them back; the task has ended. */
  end(): void;
}

/** What another connection holds: the buffers of its socket. */
const CONNECTION_BYTES = 256 * 1024;

/** `host`: `HOST[:PORT]` that they go to; without one there are none. */
export function lendConnections(
  permits: Permits,
  host: string | undefined,
  counters: BlobCounters,
): ExtraConnections {
  const ending = new AbortController();
  const held: (() => void)[] = [];

  async function lend(): Promise<void> {
    const request = { host, memoryBytes: CONNECTION_BYTES, isExtra: true };
    const release = await permits.acquire(request, ending.signal);
    // Granted in the same moment as the task ended.
    if (ending.signal.aborted) return release();
    held.push(release);
    counters.grant();
  }

  return {
    onNote({ change }) {
      if (change < 0) held.pop()?.();
      // Ends with the task at the latest.
      else if (host !== undefined) lend().catch(() => undefined);
    },
    end() {
      ending.abort();
      for (const release of held.splice(0)) release();
    },
  };
}
