/** The sizes of layers that a manifest of schema 1 does not tell. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { buildDockerImage } from '../../support/images/docker.js';
import { SCHEMA1_SIGNED, schema1Of, signed } from '../../support/images/schema1.js';
import { type Handler, QUIET, startServer } from '../http/server.js';
import { AMD64, registryAt, sendToken, withTokens } from './registries.js';

const image = buildDockerImage({ layers: [[{ path: 'base' }], [{ path: 'top' }]] });
const manifest = signed(schema1Of(image, { emptySteps: 3 }));
const expected = image.layers.map(({ digest, bytes, mediaType }) => ({
  digest,
  sizeBytes: bytes.length,
  mediaType,
}));

/** Serves the manifest; blobs are for `blob` to answer for, which gets the bytes. */
function serving(
  blob: (request: IncomingMessage, response: ServerResponse, bytes: Uint8Array) => void,
): Handler {
  return (request, response) => {
    const layer = image.layers.find(({ digest }) => request.url?.endsWith(`/blobs/${digest}`));
    if (layer !== undefined) return blob(request, response, layer.bytes);
    if (request.url !== '/v2/team/app/manifests/v1') return void response.writeHead(404).end();
    const headers = { 'content-type': SCHEMA1_SIGNED, 'docker-content-digest': manifest.manifestDigest };
    response.writeHead(200, headers).end(manifest.manifestBytes);
  };
}

const sendLength = (_: IncomingMessage, response: ServerResponse, bytes: Uint8Array) =>
  void response.writeHead(200, { 'content-length': bytes.length }).end();
const sendFirstByte = (request: IncomingMessage, response: ServerResponse, bytes: Uint8Array) => {
  expect(request.headers.range).toBe('bytes=0-0');
  const headers = { 'content-range': `bytes 0-0/${bytes.length}`, 'content-length': 1 };
  response.writeHead(206, headers).end(bytes.subarray(0, 1));
};
const onlyGet =
  (head: Handler, get = sendFirstByte) =>
  (request: IncomingMessage, response: ServerResponse, bytes: Uint8Array) =>
    request.method === 'HEAD' ? head(request, response) : get(request, response, bytes);
const status =
  (code: number): Handler =>
  (_request, response) =>
    void response.writeHead(code, { 'retry-after': '0' }).end();

describe('an image of schema 1', () => {
  it('has its digest, its config and the sizes of its layers', async () => {
    const server = await startServer(serving(sendLength));
    const registry = registryAt(server);
    const resolved = await registry.resolve(AMD64, QUIET);
    expect(resolved).toMatchObject({
      digest: manifest.manifestDigest,
      rootDigest: manifest.manifestDigest,
      hasDiffIds: false,
      layers: expected,
    });
    const config = JSON.parse((await registry.readConfig(resolved, QUIET)).toString());
    expect(config).toMatchObject({ os: 'linux', architecture: 'amd64' });
    expect(server.requests.map(({ method }) => method)).toEqual(['GET', 'HEAD', 'HEAD']);
  });

  it('has each layer asked for once', async () => {
    const twice = buildDockerImage({ layers: [[{ path: 'same' }], [{ path: 'same' }]] });
    const { manifestBytes } = schema1Of(twice);
    const server = await startServer((request, response) => {
      if (request.method === 'HEAD') return void response.writeHead(200, { 'content-length': 7 }).end();
      response.end(manifestBytes);
    });
    const { layers } = await registryAt(server).resolve(AMD64, QUIET);
    expect(layers.map(({ sizeBytes }) => sizeBytes)).toEqual([7, 7]);
    expect(server.requests).toHaveLength(2);
  });

  it.each<[string, Handler]>([
    ['comes without a length', (_request, response) => void response.writeHead(200).end()],
    ['says 0', (_request, response) => void response.writeHead(200, { 'content-length': 0 }).end()],
    ...[400, 403, 404, 405, 501].map((code): [string, Handler] => [`is a ${code}`, status(code)]),
  ])('is asked for the first byte where the answer to HEAD %s', async (_, head) => {
    const server = await startServer(serving(onlyGet(head)));
    expect((await registryAt(server).resolve(AMD64, QUIET)).layers).toEqual(expected);
  });

  it('has a size also where the server sends the whole for a range', async () => {
    const whole = (_: IncomingMessage, response: ServerResponse, bytes: Uint8Array) =>
      void response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
    const server = await startServer(serving(onlyGet(status(405), whole)));
    expect((await registryAt(server).resolve(AMD64, QUIET)).layers).toEqual(expected);
  });

  it('has them behind a redirect that was signed for GET, and behind tokens', async () => {
    const cdn = await startServer((request, response) => {
      const layer = image.layers.find(({ digest }) => request.url === `/${digest}`);
      onlyGet(status(403))(request, response, layer?.bytes ?? Buffer.alloc(0));
    });
    const tokens = await startServer(sendToken);
    const redirect: Handler = (request, response) =>
      void response.writeHead(307, { location: `${cdn.origin}/${request.url?.split('/').at(-1)}` }).end();
    const server = await startServer(withTokens(serving(redirect), () => tokens.origin));
    expect((await registryAt(server).resolve(AMD64, QUIET)).layers).toEqual(expected);
    expect(cdn.requests.map(({ headers }) => headers.authorization)).toEqual(
      cdn.requests.map(() => undefined),
    );
    expect(tokens.requests).toHaveLength(1);
  });

  it('is asked again after a passing fault', async () => {
    const faults = [429, 429];
    const server = await startServer(
      serving((request, response, bytes) => {
        const code = faults.pop();
        if (code === undefined) return sendLength(request, response, bytes);
        status(code)(request, response);
      }),
    );
    expect((await registryAt(server).resolve(AMD64, QUIET)).layers).toEqual(expected);
  });

  it.each<[string, number, Record<string, string>, string]>([
    ['no length at all', 200, { 'transfer-encoding': 'chunked' }, 'ERR_HTTP_STATUS'],
    ['a range of no known total', 206, { 'content-range': 'bytes 0-0/*' }, 'ERR_HTTP_STATUS'],
    ['no range', 206, {}, 'ERR_HTTP_STATUS'],
    [
      'a total beyond all numbers',
      206,
      { 'content-range': `bytes 0-0/${'9'.repeat(30)}` },
      'ERR_HTTP_STATUS',
    ],
    ['a refusal', 403, {}, 'ERR_AUTH'],
    ['no such layer', 404, {}, 'ERR_NOT_FOUND'],
    ['another status', 416, { 'content-range': 'bytes */0' }, 'ERR_HTTP_STATUS'],
  ])('is refused where the registry has %s', async (_, code, headers, error) => {
    const get = (_request: IncomingMessage, response: ServerResponse) => {
      response.writeHead(code, headers).flushHeaders();
      response.end('x');
    };
    const server = await startServer(serving(onlyGet(status(405), get)));
    await expect(registryAt(server).resolve(AMD64, QUIET)).rejects.toMatchObject({ code: error });
  });
});
