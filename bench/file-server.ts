/** A server process: the files of a folder over HTTP or TLS, with ranges, and on request as slow as a long way makes it. */

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { serveContent } from '../test/support/servers/content.js';
import type { FileServerOptions } from './server-process.js';

const WRITE_BYTES = 256 * 1024;

const options = JSON.parse(process.argv[2] ?? '{}') as FileServerOptions;
const files = new Map(
  readdirSync(options.directory).map((name) => {
    const bytes = readFileSync(join(options.directory, name));
    const etag = `"${createHash('sha1').update(bytes).digest('hex')}"`;
    return [`/${name}`, { bytes, facts: { etag, headers: { 'cache-control': 'max-age=0' } } }];
  }),
);
/** Timers are late; at 10 MB/s a millisecond at each write would be 4 % of the rate. */
const TIMER_MS = 3;
/** When each connection may send again: its rate is one for all its requests. */
const freeAtMs = new WeakMap<Socket, number>();

async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const file = files.get(incoming.url ?? '');
  const { latencyMs = 0 } = options;
  if (latencyMs > 0) await sleep(latencyMs);
  if (file === undefined) {
    response.writeHead(404).end();
    return;
  }
  const method = incoming.method ?? 'GET';
  const headers = incoming.headers as Record<string, string>;
  const request = { method, path: incoming.url ?? '', query: new URLSearchParams(), headers };
  const {
    status,
    headers: answered,
    body = new Uint8Array(),
  } = serveContent(request, file.bytes, file.facts);
  response.writeHead(status, { ...answered, ...(status === 304 ? {} : { 'content-length': body.length }) });
  for (let at = 0; at < body.length && method === 'GET' && !response.destroyed; at += WRITE_BYTES) {
    const part = body.subarray(at, at + WRITE_BYTES);
    await untilFree(incoming.socket, part.length);
    if (!response.write(part)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
  }
  response.end();
}

async function untilFree(socket: Socket, bytes: number): Promise<void> {
  const { bytesPerSecond } = options;
  if (bytesPerSecond === undefined) return;
  const nowMs = performance.now();
  const freeMs = Math.max(nowMs - TIMER_MS, freeAtMs.get(socket) ?? 0) + (bytes / bytesPerSecond) * 1000;
  freeAtMs.set(socket, freeMs);
  await sleep(freeMs - nowMs);
}

function listener(incoming: IncomingMessage, response: ServerResponse): void {
  response.on('error', () => {});
  answer(incoming, response).catch(() => response.destroy());
}

const { keyPath, certPath } = options.tls ?? {};
const server =
  keyPath === undefined || certPath === undefined
    ? createServer(listener)
    : createTlsServer({ key: readFileSync(keyPath), cert: readFileSync(certPath) }, listener);
server.listen(0, '127.0.0.1');
await once(server, 'listening');
process.stderr.write(`listening on 127.0.0.1:${(server.address() as AddressInfo).port}\n`);
