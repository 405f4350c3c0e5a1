/** The limits of the whole engine, as permits that a task holds while it runs. */

import { abortedError, throwIfAborted } from '../errors.js';

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
  /** A further connection of a task that has one: behind every task that still waits for its first. Default false. */
  readonly isExtra?: boolean | undefined;
}

export interface Permits {
  /** Resolves to the release, which may be called once. @throws FetchError ERR_ABORTED */
  acquire(request: PermitRequest, signal: AbortSignal): Promise<() => void>;
}

interface Waiting {
  readonly request: PermitRequest;
  grant(): void;
}

const BIG_BYTES = 64 * 1024 * 1024;

/** Smaller ranks first; those of one rank in the order in which they came. */
function rankOf({ isExtra = false, sizeBytes = 0 }: PermitRequest): number {
  if (isExtra) return 1;
  return sizeBytes < BIG_BYTES ? 0 : -sizeBytes;
}

/**
 * First come, first served, but for what is big and for extra connections (see {@link PermitRequest}); and a request
 * does not wait behind one for a busy host. Nothing that holds a permit waits for another one, so no limit can lead to
 * a deadlock; a request for more than there is at all is granted when nothing else runs.
 */
export function createPermits(limits: PermitLimits): Permits {
  const perHost = new Map<string, number>();
  let connections = 0;
  let memoryBytes = 0;
  let running = 0;
  let queue: Waiting[] = [];

  function fits({ host, memoryBytes: wanted }: PermitRequest): boolean {
    if (running === 0) return true;
    if (memoryBytes + wanted > limits.memoryBytes) return false;
    if (host === undefined) return true;
    return connections < limits.connections && (perHost.get(host) ?? 0) < limits.connectionsPerHost;
  }

  function count(request: PermitRequest, sign: 1 | -1): void {
    running += sign;
    memoryBytes += sign * request.memoryBytes;
    if (request.host === undefined) return;
    connections += sign;
    perHost.set(request.host, (perHost.get(request.host) ?? 0) + sign);
  }

  function grantNext(): void {
    const stillWaiting: Waiting[] = [];
    for (const waiting of queue.toSorted((one, other) => rankOf(one.request) - rankOf(other.request))) {
      if (!fits(waiting.request)) {
        stillWaiting.push(waiting);
        continue;
      }
      count(waiting.request, 1);
      waiting.grant();
    }
    queue = stillWaiting;
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
          queue = queue.filter((other) => other !== waiting);
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
  };
}
