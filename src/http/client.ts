/** HTTP over undici: redirects by policy, bounded waits, bodies as they are on the wire, typed errors. */

import { Agent, buildConnector, type Dispatcher } from 'undici';
import { authorizationHeaders } from '../auth/authorization.js';
import type { Credential } from '../auth/credentials.js';
import { abortedError, type FetchError, isFetchError, type Stage, throwIfAborted } from '../errors.js';
import type { AroundWait } from './clock.js';
import { isPlainHttpServer, networkError } from './errors.js';
import { type HttpOptions, takesUnauthenticated } from './options.js';
import { createPace, type Pace } from './pace.js';
import { firstHop, type Hop, isRedirect, nextHop } from './redirect.js';
import { parseRetryAfter } from './retry.js';

export interface HttpRequest {
  /** Default `GET`; a redirect of a `POST` is not followed. */
  readonly method?: 'GET' | 'HEAD' | 'POST' | undefined;
  /** `accept-encoding` and `authorization` are not taken from here. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Sent to the origin of the URL only, and never again after a redirect has left it. */
  readonly authorization?: string | undefined;
  /** Refuse plain HTTP, also as the target of a redirect, where the client allows it. Default false. */
  readonly httpsOnly?: boolean | undefined;
  /** Sent, and where needed signed anew, as `authorization` is; never over plain HTTP. */
  readonly credential?: Credential | undefined;
  /** Of a `POST`. */
  readonly body?: string | undefined;
  /** Called with each wait that must be over before it may be sent, to do it in its stead. Default: does it. */
  readonly whileWaiting?: AroundWait | undefined;
  /** Told which host (`HOST[:PORT]`) is about to be asked: that of the URL, then that of each redirect. */
  readonly onAsk?: ((host: string) => void) | undefined;
  readonly stage: Stage;
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case; several values of one name are joined with `, `. */
  readonly headers: Readonly<Record<string, string>>;
  /** Where the answer came from, after redirects. May be a signed URL: not for messages. */
  readonly url: string;
  /** Whether it is from the host of the URL for sure: HTTPS all the way, with checked certificates. */
  readonly isAuthenticated: boolean;
  /** Can be read once. Throws FetchErrors: ERR_NETWORK when it breaks, stalls or ends early, ERR_ABORTED. */
  readonly body: AsyncIterable<Buffer>;
  /** Gives up the body. Either this or a read of the body must happen, or the connection stays taken. */
  discard(): Promise<void>;
}

export interface HttpClient {
  /**
   * Resolves to the answer of whatever status when its headers are here; redirects have been followed. `signal`
   * also ends the body. Rejects with ERR_NETWORK, ERR_TLS, ERR_REDIRECT, ERR_INSECURE_HTTP or ERR_ABORTED.
   */
  request(url: string, request: HttpRequest, signal: AbortSignal): Promise<HttpResponse>;
  /** Ends what is still under way with ERR_ABORTED and closes every connection. */
  close(): Promise<void>;
}

/** A host that asks for nothing more particular is left alone for so long after a 429 or 503. */
const BUSY_HOLD_MS = 1000;
/** Longer waits are not waited for, see `retryDelayMs`. */
const MAX_HOLD_MS = 60_000;
/** A body that comes slower than this for a whole stall timeout counts as stalled. */
const MIN_BYTES_PER_SECOND = 1024;

/** Does not read `HTTP_PROXY` and the like: every connection goes straight to its host. */
export function createHttpClient(options: HttpOptions): HttpClient {
  const pace = options.pace && createPace(options.pace);
  const agent = new Agent({
    connections: options.connections,
    pipelining: 1,
    headersTimeout: options.headersTimeoutMs,
    bodyTimeout: options.stallTimeoutMs,
    connect: connectorOf(options),
  });
  return {
    async request(url, request, signal) {
      const insecureHttp = options.insecureHttp && request.httpsOnly !== true;
      const policy = { insecureHttp, stage: request.stage };
      let hop = firstHop(url, policy);
      let isAuthenticated = true;
      for (;;) {
        isAuthenticated &&= !takesUnauthenticated(hop.url, options);
        const response = await send({ agent, options, pace }, hop, request, signal);
        // What is posted may be a secret of the host that it was meant for.
        if (!isRedirect(response.status) || request.method === 'POST')
          return { ...response, isAuthenticated };
        await response.discard();
        hop = nextHop(hop, response.headers['location'], policy);
      }
    },
    async close() {
      await agent.destroy();
    },
  };
}

function connectorOf(options: HttpOptions): buildConnector.connector {
  const connect = buildConnector({
    timeout: options.connectTimeoutMs,
    rejectUnauthorized: !options.insecureTls,
  });
  return (target, callback) => {
    const port = Number(target.port) || (target.protocol === 'https:' ? 443 : 80);
    const override = options.resolve.find((entry) => entry.host === target.hostname && entry.port === port);
    if (override === undefined) return connect(target, callback);
    // `host` stays, so the name for SNI and for the certificate is still that of the URL.
    const rerouted = { ...target, hostname: override.address, port: String(override.addressPort) };
    return connect(rerouted, callback);
  };
}

interface Client {
  readonly agent: Agent;
  readonly options: HttpOptions;
  readonly pace: Pace | undefined;
}

async function send(
  { agent, options, pace }: Client,
  hop: Hop,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<Omit<HttpResponse, 'isAuthenticated'>> {
  throwIfAborted(signal);
  const url = new URL(hop.url);
  const failure = (cause: unknown): FetchError =>
    signal.aborted ? abortedError(signal.reason) : networkError(cause, url.host, request.stage);
  const method = request.method ?? 'GET';
  request.onAsk?.(url.host);
  const askedAt = (await pace?.untilOpen(url.host, signal, request.whileWaiting)) ?? 0n;
  let data: Dispatcher.ResponseData;
  try {
    data = await agent.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method,
      headers: await headersOf(options, request, hop, method),
      body: request.body ?? null,
      signal,
    });
  } catch (cause) {
    const error = failure(cause);
    // A host that speaks another protocol there is not away.
    if (error.code === 'ERR_NETWORK' && !isPlainHttpServer(error)) pace?.failed(url.host, askedAt);
    throw error;
  }
  // A body that breaks before anybody reads it would otherwise end the process.
  data.body.on('error', () => undefined);
  const headers = joinHeaders(data.headers);
  pace?.answered(url.host);
  if (data.statusCode === 429 || data.statusCode === 503) {
    const askedMs = parseRetryAfter(headers['retry-after'], Date.now()) ?? BUSY_HOLD_MS;
    if (askedMs <= MAX_HOLD_MS) pace?.hold(url.host, askedMs);
  }
  return {
    status: data.statusCode,
    headers,
    url: hop.url,
    body: chunksOf(data.body, { failure, pace, stallTimeoutMs: options.stallTimeoutMs, signal }),
    discard: () => discard(data.body),
  };
}

async function headersOf(options: HttpOptions, request: HttpRequest, hop: Hop, method: string) {
  const headers: Record<string, string> = { 'user-agent': options.userAgent };
  for (const [name, value] of Object.entries(request.headers ?? {})) headers[name.toLowerCase()] = value;
  delete headers['authorization'];
  const { authorization, credential } = request;
  if (hop.sendsAuthorization && authorization !== undefined) headers['authorization'] = authorization;
  if (hop.sendsAuthorization && credential !== undefined) {
    Object.assign(
      headers,
      await authorizationHeaders(credential, { method, url: hop.url, nowMs: Date.now() }),
    );
  }
  // Anything else lets a CDN compress a blob on the way, which then no longer has its digest.
  headers['accept-encoding'] = 'identity';
  return headers;
}

function joinHeaders(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const joined: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) joined[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value;
  }
  return joined;
}

interface BodyPolicy {
  readonly failure: (cause: unknown) => FetchError;
  readonly pace: Pace | undefined;
  readonly stallTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** In one function, for each step between generators costs as much as reading some kilobytes. */
async function* chunksOf(
  body: AsyncIterable<Buffer>,
  { failure, pace, stallTimeoutMs, signal }: BodyPolicy,
): AsyncGenerator<Buffer, void, undefined> {
  const floor = createFloor(stallTimeoutMs);
  try {
    for await (const chunk of body) {
      if (floor.isBelow(chunk.length))
        throw Object.assign(new Error('too slow'), { code: 'UND_ERR_BODY_TIMEOUT' });
      await pace?.spend(chunk.length, signal);
      yield chunk;
      floor.resume();
    }
  } catch (cause) {
    throw isFetchError(cause) ? cause : failure(cause);
  }
}

/** Counts the time that chunks are waited for, not that in which nobody reads. */
function createFloor(windowMs: number) {
  let waitedMs = 0;
  let bytes = 0;
  let askedAtMs = performance.now();
  return {
    isBelow(chunkBytes: number): boolean {
      waitedMs += performance.now() - askedAtMs;
      bytes += chunkBytes;
      if (waitedMs < windowMs) return false;
      const isSlow = bytes < (MIN_BYTES_PER_SECOND * waitedMs) / 1000;
      [waitedMs, bytes] = [0, 0];
      return isSlow;
    },
    resume: () => {
      askedAtMs = performance.now();
    },
  };
}

/** A short rest is read, which keeps the connection for the next request; a long or slow one is cut off. */
const DISCARD_BYTES = 64 * 1024;
const DISCARD_TIMEOUT_MS = 1000;

async function discard(body: Dispatcher.ResponseData['body']): Promise<void> {
  const timer = setTimeout(() => body.destroy(), DISCARD_TIMEOUT_MS);
  try {
    await body.dump({ limit: DISCARD_BYTES });
  } finally {
    clearTimeout(timer);
  }
}
