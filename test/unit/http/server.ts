/** A server on loopback whose behaviour is one function, and the client and signal that most tests use. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createHttpClient, type HttpClient } from '../../../src/http/client.js';
import { DEFAULT_HTTP_OPTIONS, type HttpOptions } from '../../../src/http/options.js';

export interface TestServer {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  readonly host: string;
  readonly port: number;
  /** What was asked for, in order. */
  readonly requests: IncomingMessage[];
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** Runs until the test is over. */
export async function startServer(handler: Handler, certificate?: Certificate): Promise<TestServer> {
  const requests: IncomingMessage[] = [];
  const listener: Handler = (request, response) => {
    requests.push(request);
    handler(request, response);
  };
  const server = certificate === undefined ? createServer(listener) : createTlsServer(certificate, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  const scheme = certificate === undefined ? 'http' : 'https';
  return { origin: `${scheme}://127.0.0.1:${port}`, host: `127.0.0.1:${port}`, port, requests };
}

/** A client that may use plain HTTP, closed when the test is over. */
export function startClient(options: Partial<HttpOptions> = {}): HttpClient {
  const client = createHttpClient({ ...DEFAULT_HTTP_OPTIONS, insecureHttp: true, ...options });
  onTestFinished(() => client.close());
  return client;
}

/** A signal that never fires. */
export const QUIET: AbortSignal = new AbortController().signal;

export async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** A self-signed certificate for `name`, made by the `openssl` program. */
export function makeCertificate(name: string): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'acifetch-cert-'));
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`];
    const kind = ['-x509', '-nodes', '-days', '2', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
    execFileSync('openssl', ['req', ...kind, ...subject, '-keyout', key, '-out', cert], { stdio: 'pipe' });
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
