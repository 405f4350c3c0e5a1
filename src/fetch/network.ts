/** The network of an engine: the HTTP client of the coordinator, what workers make theirs of, and the limits of all. */

import type { EventSink } from '../events.js';
import type { HttpClient } from '../http/client.js';
import { createLazyHttpClient } from '../http/lazy-client.js';
import { DEFAULT_HTTP_OPTIONS, type HttpOptions } from '../http/options.js';
import { createPace, type Hold, newPaceMemory } from '../http/pace.js';
import type { InsecureOptions, ResolveOverride } from '../types.js';
import { limitHttp } from './limited-http.js';
import { createPermits, type Permits } from './permits.js';

export interface NetworkOptions {
  readonly resolve?: readonly ResolveOverride[] | undefined;
  readonly connections?: number | undefined;
  readonly connectionsPerHost?: number | undefined;
  readonly stallTimeoutMs?: number | undefined;
  readonly limitRate?: number | undefined;
}

export interface Network {
  readonly http: HttpClient;
  /** The same without permits; closed with it. */
  readonly tokenHttp: HttpClient;
  readonly httpOptions: HttpOptions;
  readonly permits: Permits;
  /** How a host (`HOST[:PORT]`) is held now, if it is to be left alone. */
  readonly holdOf: (host: string) => Hold | undefined;
  /** Somebody waits for a host that is held: told once for each time that it is, whoever else waits for it. */
  readonly onHeld: (host: string, hold: Hold) => void;
}

const DEFAULT_CONNECTIONS = 16;
/** What object stores advise for one download; registries answer many more with 429. */
const DEFAULT_CONNECTIONS_PER_HOST = 8;
/** For the buffers of running tasks; with what Node itself and its threads need this stays below 400 MB. */
const TASK_MEMORY_BYTES = 128 * 1024 * 1024;

/** Tells of hosts that are left alone while somebody waits for them. */
export function openNetwork(options: NetworkOptions, insecure: InsecureOptions, emit: EventSink): Network {
  const { connections = DEFAULT_CONNECTIONS, connectionsPerHost = DEFAULT_CONNECTIONS_PER_HOST } = options;
  const { stallTimeoutMs = DEFAULT_HTTP_OPTIONS.stallTimeoutMs, resolve = [] } = options;
  const pace = { memory: newPaceMemory(), bytesPerSecond: options.limitRate };
  const httpOptions: HttpOptions = {
    ...DEFAULT_HTTP_OPTIONS,
    insecureHttp: insecure.http,
    insecureTls: insecure.tls,
    resolve,
    connections: connectionsPerHost,
    stallTimeoutMs,
    // An answer that does not begin stalls as well.
    headersTimeoutMs: stallTimeoutMs,
    pace,
  };
  const limits = { connections, connectionsPerHost, memoryBytes: TASK_MEMORY_BYTES };
  const { holdOf } = createPace(pace);
  const toldUntilMs = new Map<string, number>();
  function onHeld(host: string, { leftMs, isUnreachable }: Hold): void {
    const nowMs = performance.now();
    if ((toldUntilMs.get(host) ?? 0) > nowMs) return;
    toldUntilMs.set(host, nowMs + leftMs);
    emit({ event: 'host.held', host, delayMs: Math.ceil(leftMs), isUnreachable });
  }
  const permits = createPermits(limits, { holdOf, onHeld });
  const tokenHttp = createLazyHttpClient(httpOptions);
  return { http: limitHttp(tokenHttp, permits), tokenHttp, httpOptions, permits, holdOf, onHeld };
}
