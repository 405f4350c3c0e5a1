/** An HTTP or HTTPS server on a free port of 127.0.0.1 around a handler; records requests and applies faults. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createFaultInjector, type Fault, type FaultPlan } from './faults.js';

/** What a handler gets to see of a request. */
export interface ServerRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
}

/** What a handler answers; the listener adds Content-Length and leaves the body out for HEAD. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: Uint8Array | undefined;
}

export type Handler = (request: ServerRequest) => Reply | Promise<Reply>;

export interface RecordedRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** With the `?`, or empty. */
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The `Range` header. */
  readonly range?: string | undefined;
  /** 0 until it is answered. */
  status: number;
  /** Bytes of the body handed to the connection. */
  sentBytes: number;
}

export interface TlsFiles {
  /** PEM. */
  readonly key: string;
  /** PEM. */
  readonly cert: string;
}

export interface ListenerOptions {
  readonly tls?: TlsFiles | undefined;
  readonly faults?: FaultPlan | undefined;
}

export interface RunningServer {
  /** `http://127.0.0.1:PORT`, without a slash at the end. */
  readonly url: string;
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly port: number;
  /** Every request in the order of arrival. */
  readonly requests: RecordedRequest[];
  /** What no right client does, one line each; tests assert that it is empty. */
  readonly violations: string[];
  /** The most requests that were being answered at one time. */
  readonly peakActive: number;
  /** The most connections that were open at one time. */
  readonly peakConnections: number;
  /** The requests whose path with query matches. */
  requestsTo(match: RegExp | string): RecordedRequest[];
  /** Resolves with the first request, past or to come, that matches. */
  waitForRequest(match: RegExp | string): Promise<RecordedRequest>;
  /** Puts another plan in place, with its counts at zero. */
  setFaults(plan: FaultPlan): void;
  /** Ends the server and every connection at once. */
  close(): Promise<void>;
}

interface Waiter {
  readonly match: RegExp | string;
  readonly resolve: (request: RecordedRequest) => void;
}

/** Starts a server and resolves when it listens. */
export async function startServer(handler: Handler, options: ListenerOptions = {}): Promise<RunningServer> {
  const requests: RecordedRequest[] = [];
  const violations: string[] = [];
  const waiters = new Set<Waiter>();
  const sockets = new Set<Socket>();
  const peaks = { active: 0, connections: 0 };
  let active = 0;
  let injector = createFaultInjector(options.faults ?? []);

  async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = incoming.url ?? '/';
    const url = new URL(target, 'http://localhost');
    const headers = flattenHeaders(incoming);
    const method = incoming.method ?? 'GET';
    const range = headers['range'];
    const path = url.pathname;
    const record: RecordedRequest = {
      method,
      path,
      query: url.search,
      headers,
      range,
      status: 0,
      sentBytes: 0,
    };
    requests.push(record);
    for (const waiter of waiters) {
      if (!matchesRequest(record, waiter.match)) continue;
      waiters.delete(waiter);
      waiter.resolve(record);
    }
    const fault = injector.next({ method, target, range });
    const request = { method, path, query: url.searchParams, headers };
    await sendReply(response, record, await replyWith(handler, request, fault), fault);
  }

  function listener(incoming: IncomingMessage, response: ServerResponse): void {
    active += 1;
    peaks.active = Math.max(peaks.active, active);
    incoming.resume();
    response.on('error', () => {});
    response.once('close', () => {
      active -= 1;
    });
    answer(incoming, response).catch((error: unknown) => {
      violations.push(
        `the handler failed: ${error instanceof Error ? (error.stack ?? error.message) : error}`,
      );
      response.destroy();
    });
  }

  const server = options.tls === undefined ? createServer(listener) : createTlsServer(options.tls, listener);
  server.keepAliveTimeout = 60_000;
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    peaks.connections = Math.max(peaks.connections, sockets.size);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const host = `127.0.0.1:${port}`;

  return {
    url: `${options.tls === undefined ? 'http' : 'https'}://${host}`,
    host,
    port,
    requests,
    violations,
    get peakActive() {
      return peaks.active;
    },
    get peakConnections() {
      return peaks.connections;
    },
    requestsTo: (match) => requests.filter((request) => matchesRequest(request, match)),
    waitForRequest(match) {
      const past = requests.find((request) => matchesRequest(request, match));
      if (past !== undefined) return Promise.resolve(past);
      return new Promise((resolve) => waiters.add({ match, resolve }));
    },
    setFaults(plan) {
      injector = createFaultInjector(plan);
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function replyWith(handler: Handler, request: ServerRequest, fault: Fault | undefined): Promise<Reply> {
  switch (fault?.kind) {
    case 'status':
      return { status: fault.status, headers: fault.headers, body: Buffer.from(`status ${fault.status}\n`) };
    case 'redirect':
      return { status: fault.status ?? 307, headers: { location: fault.location } };
    case 'ignore-range': {
      const { range: _, ...headers } = request.headers;
      return await handler({ ...request, headers });
    }
    case 'delay':
      await sleep(fault.delayMs);
      return await handler(request);
    default:
      return changeReply(await handler(request), fault);
  }
}

/** The reply with the faults in it that need no connection. */
function changeReply(reply: Reply, fault: Fault | undefined): Reply {
  const body = reply.body ?? new Uint8Array();
  const headers = reply.headers ?? {};
  switch (fault?.kind) {
    case 'truncate':
      return { ...reply, body: body.subarray(0, fault.afterBytes) };
    case 'oversize':
      return { ...reply, body: Buffer.concat([body, Buffer.alloc(fault.extraBytes, 0x2e)]) };
    case 'corrupt':
      return { ...reply, body: invertByte(body, fault.atByte - rangeStart(headers)) };
    case 'wrong-range':
      return {
        ...reply,
        headers: { ...headers, 'content-range': shiftRange(headers['content-range'] ?? '') },
      };
    case 'short-range': {
      const start = rangeStart(headers);
      const sent = body.subarray(0, fault.mostBytes);
      const total = headers['content-range']?.split('/')[1];
      const range = `bytes ${start}-${start + sent.length - 1}/${total}`;
      return { ...reply, body: sent, headers: { ...headers, 'content-range': range } };
    }
    case 'headers': {
      const changed = Object.entries({ ...headers, ...fault.headers }).filter(([, value]) => value !== '');
      return { ...reply, headers: Object.fromEntries(changed) };
    }
    default:
      return reply;
  }
}

function rangeStart(headers: Readonly<Record<string, string>>): number {
  return Number(/^bytes (\d+)-/.exec(headers['content-range'] ?? '')?.[1] ?? 0);
}

function invertByte(bytes: Uint8Array, at: number): Uint8Array {
  const changed = Buffer.from(bytes);
  const byte = changed[at];
  if (byte !== undefined) changed[at] = byte ^ 0xff;
  return changed;
}

function shiftRange(contentRange: string): string {
  return contentRange.replace(
    /^bytes (\d+)-(\d+)/,
    (_, start: string, end: string) => `bytes ${Number(start) + 1}-${Number(end) + 1}`,
  );
}

/** Writes head and body, with the faults in it that are about the connection. */
async function sendReply(
  response: ServerResponse,
  record: RecordedRequest,
  reply: Reply,
  fault: Fault | undefined,
): Promise<void> {
  if (fault?.kind === 'reset') {
    response.socket?.destroy();
    return;
  }
  record.status = reply.status;
  const body = reply.body ?? new Uint8Array();
  const chunked = fault?.kind === 'oversize' && fault.chunked === true;
  const lengthOf =
    reply.status === 304 || reply.status === 204 || chunked ? {} : { 'content-length': body.length };
  response.writeHead(reply.status, { ...lengthOf, ...reply.headers });
  if (record.method === 'HEAD' || reply.status === 304) {
    response.end();
    return;
  }
  response.flushHeaders();
  switch (fault?.kind) {
    case 'drop':
      await writePart(response, record, body.subarray(0, fault.afterBytes));
      response.socket?.destroySoon();
      return;
    case 'stall':
      await writePart(response, record, body.subarray(0, fault.afterBytes));
      return;
    case 'slow':
      await writeSlowly(response, record, body, fault.bytesPerSecond);
      break;
    default:
      await writePart(response, record, body);
  }
  response.end();
}

const WRITE_BYTES = 256 * 1024;

/** Resolves when the connection has taken the bytes, or is gone. */
async function writePart(
  response: ServerResponse,
  record: RecordedRequest,
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length && !response.destroyed; at += WRITE_BYTES) {
    const part = bytes.subarray(at, at + WRITE_BYTES);
    record.sentBytes += part.length;
    if (!response.write(part)) await drained(response);
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

const SLOW_STEP_MS = 50;

async function writeSlowly(
  response: ServerResponse,
  record: RecordedRequest,
  bytes: Uint8Array,
  bytesPerSecond: number,
): Promise<void> {
  const stepBytes = Math.max(1, Math.round((bytesPerSecond * SLOW_STEP_MS) / 1000));
  for (let at = 0; at < bytes.length && !response.destroyed; at += stepBytes) {
    await writePart(response, record, bytes.subarray(at, at + stepBytes));
    await sleep(SLOW_STEP_MS);
  }
}

function matchesRequest(request: RecordedRequest, match: RegExp | string): boolean {
  const target = request.path + request.query;
  return typeof match === 'string' ? target.includes(match) : target.search(match) >= 0;
}

function flattenHeaders(incoming: IncomingMessage): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return flat;
}
