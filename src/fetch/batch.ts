/** Many images in one call: some at a time, each with an outcome of its own, no host and no big image left for the end. */

import { setMaxListeners } from 'node:events';
import { FetchError, throwIfAborted } from '../errors.js';
import type { FetchRequest } from '../types.js';
import { createPermits, type PermitOptions } from './permits.js';

interface Outcome {
  readonly status: string;
}

/** What is known of an image when it is about to be fetched. */
export interface Turn {
  /** Where most of it comes from; empty for this machine. */
  readonly host: string;
  /** Default: small. */
  readonly sizeBytes?: number | undefined;
}

/** Resolves when it is the image's turn, to what ends it; until then others are fetched. @throws FetchError ERR_ABORTED */
export type TakeTurn = (turn: Turn, signal: AbortSignal) => Promise<() => void>;

/** For an image alone. */
export const atOnce: TakeTurn = async () => () => {};

/** Runs `fetch` when it is the image's turn. @throws FetchError ERR_ABORTED, and what `fetch` throws */
export async function inTurn<T>(
  takeTurn: TakeTurn,
  turn: Turn,
  signal: AbortSignal,
  fetch: () => Promise<T>,
): Promise<T> {
  const end = await takeTurn(turn, signal);
  return fetch().finally(end);
}

export interface Batch<T extends Outcome> {
  /** Images that are fetched at a time; those that rest because their host is held are not counted, up to a limit. */
  readonly jobs: number;
  /** Where an image is asked for; empty for this machine. Those that have least of them under way come first. */
  hostOf(request: FetchRequest): string;
  /** Of hosts that are held: their images begin, and have their turn, after those of others. Default: none is. */
  readonly holds?: PermitOptions | undefined;
  /** Does not reject. */
  run(request: FetchRequest, signal: AbortSignal, takeTurn: TakeTurn): Promise<T>;
  readonly signal?: AbortSignal | undefined;
  /** The first failure ends all the others. Default false. */
  readonly failFast?: boolean | undefined;
  /** Called when an image is done, with its place in the list. */
  readonly onOutcome?: ((outcome: T, index: number) => void) | undefined;
}

/** Images looked into beside those that are fetched: enough for the next ones to be known in time. */
const AHEAD_AT_ONCE = 2;
/** So many that are known wait for their turn, the biggest of which is next. */
const MAX_WAITING = 64;
/** So many more than `jobs` may have their turn while as many rest, because their hosts are held. */
const MAX_RESTING = 16;
/** More than so many do not begin, whatever holds those that have. */
const MAX_BEGUN = 256;
/** A host becomes held, and is not held any more, without anybody being told. */
const LOOK_MS = 500;

/** One outcome for each request, in their order. @throws FetchError ERR_ABORTED when `signal` is aborted */
export async function runBatch<T extends Outcome>(
  requests: readonly FetchRequest[],
  { jobs, hostOf, holds = {}, run, signal, failFast = false, onOutcome }: Batch<T>,
): Promise<T[]> {
  const outcomes: T[] = [];
  const queues = queuesOf(requests, hostOf);
  const givingUp = new AbortController();
  const either = AbortSignal.any([givingUp.signal, ...(signal === undefined ? [] : [signal])]);
  // Every image that waits for its turn listens.
  setMaxListeners(0, either);
  const turns = createPermits(
    { connections: jobs, connectionsPerHost: jobs, memoryBytes: 0 },
    { ...holds, heldConnections: MAX_RESTING },
  );
  const running = new Set<Promise<void>>();
  /** Images that have begun, and those of them that wait for their turn, by their hosts. */
  const begun = createTally();
  const waiting = createTally();

  const takeTurn: TakeTurn = (turn, ownSignal) => {
    waiting.add(turn.host, 1);
    const taken = turns.acquire({ ...turn, memoryBytes: 0 }, ownSignal);
    beginMore();
    return taken.finally(() => waiting.add(turn.host, -1));
  };

  async function runOne({ index, request, host }: Queued): Promise<void> {
    begun.add(host, 1);
    const outcome = await run(request, either, takeTurn);
    begun.add(host, -1);
    outcomes[index] = outcome;
    if (signal?.aborted !== true) onOutcome?.(outcome, index);
    if (failFast && outcome.status === 'failed') givingUp.abort(givenUp());
  }

  function beginMore(): void {
    for (let next = nextHost(); next !== undefined; next = nextHost()) {
      const queue = queues.get(next);
      const queued = queue?.shift();
      if (queued === undefined) throw new Error('a queue that is empty');
      if (queue?.length === 0) queues.delete(next);
      const one: Promise<void> = runOne(queued).finally(() => {
        running.delete(one);
        beginMore();
      });
      running.add(one);
    }
  }

  /** Whose next image may begin, if any. */
  function nextHost(): string | undefined {
    const isHeld = (host: string): boolean => holds.holdOf?.(host) !== undefined;
    const best = least(queues.keys(), begun.of, (host) => !isHeld(host)) ?? least(queues.keys(), begun.of);
    if (best === undefined) return undefined;
    // Images that nobody may ask for do not keep others from beginning.
    const isCounted = (host: string): boolean => isHeld(best) || !isHeld(host);
    const known = waiting.total(isCounted);
    const hasRoom = known < MAX_WAITING && begun.total(isCounted) - known < jobs + AHEAD_AT_ONCE;
    return hasRoom && running.size < MAX_BEGUN ? best : undefined;
  }

  beginMore();
  const timer = setInterval(() => {
    turns.look();
    beginMore();
  }, LOOK_MS);
  try {
    while (running.size > 0) await Promise.all(running);
  } finally {
    clearInterval(timer);
  }
  if (signal !== undefined) throwIfAborted(signal);
  return outcomes;
}

interface Queued {
  readonly index: number;
  readonly request: FetchRequest;
  readonly host: string;
}

function queuesOf(
  requests: readonly FetchRequest[],
  hostOf: (request: FetchRequest) => string,
): Map<string, Queued[]> {
  const queues = new Map<string, Queued[]>();
  for (const [index, request] of requests.entries()) {
    const host = hostOf(request);
    const queue = queues.get(host) ?? [];
    queue.push({ index, request, host });
    queues.set(host, queue);
  }
  return queues;
}

/** The first of those whose number is the smallest. There may be thousands: only what would be chosen is looked at. */
function least(
  hosts: Iterable<string>,
  numberOf: (host: string) => number,
  isWanted: (host: string) => boolean = () => true,
): string | undefined {
  let best: string | undefined;
  let smallest = Number.POSITIVE_INFINITY;
  for (const host of hosts) {
    const number = numberOf(host);
    if (number >= smallest || !isWanted(host)) continue;
    [best, smallest] = [host, number];
    if (number === 0) break;
  }
  return best;
}

/** Of hosts that have something: those with nothing are not kept. */
function createTally() {
  const counts = new Map<string, number>();
  const of = (host: string): number => counts.get(host) ?? 0;
  return {
    of,
    add(host: string, change: 1 | -1): void {
      const count = of(host) + change;
      if (count === 0) counts.delete(host);
      else counts.set(host, count);
    },
    total: (isCounted: (host: string) => boolean): number =>
      [...counts].reduce((sum, [host, count]) => sum + (isCounted(host) ? count : 0), 0),
  };
}

function givenUp(): FetchError {
  return new FetchError('ERR_ABORTED', 'given up, because another image failed', { stage: 'internal' });
}
