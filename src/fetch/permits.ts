/** The limits of the whole engine, as permits that a task holds while it runs. */

import { abortedError, throwIfAborted } from '../errors.js';
import type { Hold } from '../http/pace.js';

export interface PermitLimits {
  readonly connections: number;
  readonly connectionsPerHost: number;
  readonly memoryBytes: number;
}

export interface PermitRequest {
  /** `HOST:PORT` that one connection goes to; none for tasks without one. */
  readonly host?: string | undefined;
  readonly memoryBytes: number;
  /** How much is to come; big ones go first, so that none of them is left alone at the end. Default: small. */
  readonly sizeBytes?: number | undefined;
  /** A manifest, a config and the like: before all others. Default false. */
  readonly isBrief?: boolean | undefined;
  /** A further connection of a task that has one: behind every task that still waits for its first. Default false. */
  readonly isExtra?: boolean | undefined;
}

export interface Permits {
  /** Resolves to the release, which may be called once. @throws FetchError ERR_ABORTED */
  acquire(request: PermitRequest, signal: AbortSignal): Promise<() => void>;
  /** Somebody who has given his permit back waits for `host`, which need not be the one that he had it for. */
  tellHold(host: string): void;
  /** Grants what nobody has released: where `heldConnections` counts, for a host may have become held. */
  look(): void;
}

interface Waiting {
  readonly request: PermitRequest;
  grant(): void;
}

const BIG_BYTES = 64 * 1024 * 1024;

export interface PermitOptions {
  /** How a host is held now, if it is: nothing is granted for it. Default: none ever is. */
  readonly holdOf?: ((host: string) => Hold | undefined) | undefined;
  /** Somebody waits for a host that is held; told again and again. */
  readonly onHeld?: ((host: string, hold: Hold) => void) | undefined;
  /** So many of those that go to held hosts are not counted: they rest until the host may be asked. Default 0. */
  readonly heldConnections?: number | undefined;
}

/** The smallest is first, number by number; those that are equal in the order in which they came. */
type Rank = readonly [kind: number, ofHost: number, smallness: number];

function rankOf({ isBrief = false, isExtra = false, sizeBytes = 0 }: PermitRequest, ofHost: number): Rank {
  const kind = isBrief ? 0 : isExtra ? 2 : 1;
  return [kind, ofHost, sizeBytes < BIG_BYTES ? 0 : -sizeBytes];
}

function isBefore(one: Rank, other: Rank): boolean {
  const at = one.findIndex((number, place) => number !== other[place]);
  return at !== -1 && (one[at] as number) < (other[at] as number);
}

/**
 * What is brief first and extra connections last; the host that has least comes first, then what is big (see
 * {@link PermitRequest}), then who came first. A request does not wait behind one for a busy host, nor for one that is
 * held. Nothing that holds a permit waits for another one, so no limit can lead to a deadlock; a request for more than
 * there is at all is granted when nothing else runs.
 */
export function createPermits(
  limits: PermitLimits,
  { holdOf = () => undefined, onHeld, heldConnections = 0 }: PermitOptions = {},
): Permits {
  const perHost = new Map<string, number>();
  let connections = 0;
  let memoryBytes = 0;
  let running = 0;
  const queue: Waiting[] = [];
  /** Looks again when the first host is not held any more. */
  let timer: NodeJS.Timeout | undefined;

  function resting(): number {
    if (heldConnections === 0) return 0;
    const ofHeld = [...perHost].map(([host, count]) => (holdOf(host) === undefined ? 0 : count));
    return Math.min(
      heldConnections,
      ofHeld.reduce((sum, count) => sum + count, 0),
    );
  }

  function fits({ host, memoryBytes: wanted }: PermitRequest): boolean {
    if (running === 0) return true;
    if (memoryBytes + wanted > limits.memoryBytes) return false;
    if (host === undefined) return true;
    if ((perHost.get(host) ?? 0) >= limits.connectionsPerHost) return false;
    return connections - resting() < limits.connections;
  }

  function count(request: PermitRequest, sign: 1 | -1): void {
    running += sign;
    memoryBytes += sign * request.memoryBytes;
    if (request.host === undefined) return;
    connections += sign;
    const ofHost = (perHost.get(request.host) ?? 0) + sign;
    if (ofHost === 0) perHost.delete(request.host);
    else perHost.set(request.host, ofHost);
  }

  /** Of the hosts that somebody waits for. */
  function findHolds(): Map<string, Hold> {
    const holds = new Map<string, Hold>();
    for (const { host } of queue.map(({ request }) => request)) {
      const hold = host === undefined || holds.has(host) ? undefined : holdOf(host);
      if (host !== undefined && hold !== undefined) holds.set(host, hold);
    }
    return holds;
  }

  function tellHolds(holds: ReadonlyMap<string, Hold>): void {
    for (const [host, hold] of holds) onHeld?.(host, hold);
    clearTimeout(timer);
    const leftMs = [...holds.values()].map((hold) => hold.leftMs);
    // A timer that is early finds them held for a moment more.
    if (leftMs.length > 0) timer = setTimeout(grantNext, Math.min(...leftMs) + 1);
  }

  function grantNext(): void {
    const holds = findHolds();
    tellHolds(holds);
    for (let next = nextOf(holds); next !== undefined; next = nextOf(holds)) {
      queue.splice(queue.indexOf(next), 1);
      count(next.request, 1);
      next.grant();
    }
  }

  function nextOf(holds: ReadonlyMap<string, Hold>): Waiting | undefined {
    let best: { readonly waiting: Waiting; readonly rank: Rank } | undefined;
    for (const waiting of queue) {
      const { host } = waiting.request;
      if ((host !== undefined && holds.has(host)) || !fits(waiting.request)) continue;
      const rank = rankOf(waiting.request, host === undefined ? 0 : (perHost.get(host) ?? 0));
      if (best === undefined || isBefore(rank, best.rank)) best = { waiting, rank };
    }
    return best?.waiting;
  }

  function releaseOf(request: PermitRequest): () => void {
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      count(request, -1);
      grantNext();
    };
  }

  return {
    acquire(request, signal) {
      return new Promise((resolve, reject) => {
        throwIfAborted(signal);
        const onAbort = (): void => {
          queue.splice(queue.indexOf(waiting), 1);
          // Nobody may be left who waits for a host that is held, and then the timer must not wait for it either.
          tellHolds(findHolds());
          reject(abortedError(signal.reason));
        };
        const waiting: Waiting = {
          request,
          grant() {
            signal.removeEventListener('abort', onAbort);
            resolve(releaseOf(request));
          },
        };
        signal.addEventListener('abort', onAbort, { once: true });
        queue.push(waiting);
        grantNext();
      });
    },
    tellHold(host) {
      const hold = holdOf(host);
      if (hold !== undefined) onHeld?.(host, hold);
    },
    look: grantNext,
  };
}
