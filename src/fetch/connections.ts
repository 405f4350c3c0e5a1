/** The permits of a running task: for its memory and first connection, which it may do without for a while, and further ones. */

import type { TaskNote } from '../tasks/contract.js';
import type { BlobCounters } from '../tasks/counters.js';
import type { PermitRequest, Permits } from './permits.js';

export interface Connections {
  /** Of the task's notes, those about connections; `counters` are its own. */
  onNote(note: Extract<TaskNote, { note: 'connection' }>, counters: BlobCounters): void;
  /** Takes the further ones back, and lends no more: all has arrived. */
  endExtras(): void;
  /** Takes all of them back; the task has ended. */
  end(): void;
}

/** What another connection holds: the buffers of its socket. */
const CONNECTION_BYTES = 256 * 1024;

/**
 * Resolves when the task may begin. Without a host it has no connections. Whoever has no connection for a while has none
 * of its memory counted either: nothing that holds a permit waits for another one. @throws FetchError ERR_ABORTED
 */
export async function takeConnections(
  permits: Permits,
  request: PermitRequest,
  signal: AbortSignal,
): Promise<Connections> {
  const { host } = request;
  const ending = new AbortController();
  const extras: (() => void)[] = [];
  let first: (() => void) | undefined = await permits.acquire(request, signal);

  async function lend(wanted: PermitRequest, keep: (release: () => void) => void): Promise<void> {
    const release = await permits.acquire(wanted, ending.signal);
    // Granted in the same moment as the task ended.
    if (ending.signal.aborted) return release();
    keep(release);
  }

  async function lendFirst(counters: BlobCounters): Promise<void> {
    await lend(request, (release) => {
      first = release;
    });
    counters.grant('first');
  }

  async function lendExtra(counters: BlobCounters): Promise<void> {
    await lend({ host, memoryBytes: CONNECTION_BYTES, isExtra: true }, (release) => extras.push(release));
    counters.grant('extra');
  }

  function giveBackFirst(): void {
    first?.();
    first = undefined;
  }

  function endExtras(): void {
    ending.abort();
    for (const release of extras.splice(0)) release();
  }

  return {
    onNote({ change, isFirst = false, host: waitedFor }, counters) {
      if (waitedFor !== undefined) permits.tellHold(waitedFor);
      if (change < 0) return isFirst ? giveBackFirst() : extras.pop()?.();
      if (host === undefined) return;
      // Ends with the task at the latest.
      (isFirst ? lendFirst(counters) : lendExtra(counters)).catch(() => undefined);
    },
    endExtras,
    end() {
      endExtras();
      giveBackFirst();
    },
  };
}
