/** Small registries: handlers that serve documents, with or without tokens, and the client for them. */

import type { ServerResponse } from 'node:http';
import { parseDockerReference } from '../../../src/reference/docker.js';
import { createRegistry, type RegistryOptions } from '../../../src/registry/client.js';
import type { Platform } from '../../../src/types.js';
import { type Handler, startClient, type TestServer } from '../http/server.js';
import { CONFIG, descriptorOf, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, sha256 } from './images.js';

export const AMD64: Platform = { os: 'linux', architecture: 'amd64' };
export const CONFIG_BLOB = descriptorOf(OCI_CONFIG, CONFIG);

export type Contents = Readonly<Record<string, string>>;

/** Serves `path below /v2/ -> body`; everything else is a 404 as registries send it. */
export function serve(contents: Contents): Handler {
  return (request, response) => {
    const body = contents[(request.url ?? '').replace(/^\/v2\//, '')];
    if (body !== undefined) return sendManifest(response, body);
    response.writeHead(404, { 'content-type': 'application/json' });
    response.end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
  };
}

export function sendManifest(response: ServerResponse, body: string): void {
  const type = body.includes('"manifests"') ? OCI_INDEX : OCI_MANIFEST;
  response.writeHead(200, { 'content-type': type, 'docker-content-digest': sha256(body) }).end(body);
}

export function registryAt(
  server: TestServer,
  suffix = 'team/app:v1',
  options: Partial<RegistryOptions> = {},
) {
  const reference = parseDockerReference(`docker://${server.host}/${suffix}`);
  return createRegistry(startClient(), reference, { insecureHttp: true, ...options });
}

/** Asks for a token of the token service, then answers with `inner`. */
export function withTokens(
  inner: Handler,
  service: () => string,
  scope = ',scope="repository:team/app:pull"',
): Handler {
  return (request, response) => {
    if (request.headers.authorization === 'Bearer good') return inner(request, response);
    const challenge = `Bearer realm="${service()}/token?x=1",service="reg"${scope}`;
    response.writeHead(401, { 'www-authenticate': challenge }).end('{"errors":[]}');
  };
}

export const sendToken: Handler = (_request, response) => void response.end('{"token":"good"}');
