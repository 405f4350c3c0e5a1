/** Small registries: handlers that serve documents, with or without tokens, and the client for them. */

import type { ServerResponse } from 'node:http';
import { expect } from 'vitest';
import type { CredentialLookup, RegistryCredential } from '../../../src/auth/credentials.js';
import { isFetchError } from '../../../src/errors.js';
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

/** A registry over TLS, whose certificate is not checked; never plain HTTP. */
export function secureRegistryAt(server: TestServer, options: Partial<RegistryOptions> = {}) {
  const reference = parseDockerReference(`docker://${server.host}/team/app:v1`);
  return createRegistry(startClient({ insecureTls: true, insecureHttp: false }), reference, {
    insecureHttp: false,
    ...options,
  });
}

/** A registry over plain HTTP, by a client that would take its token service over anything. */
export function plainRegistryAt(server: TestServer, credential: CredentialLookup) {
  const reference = parseDockerReference(`docker://${server.host}/team/app:v1`);
  return createRegistry(startClient({ insecureTls: true }), reference, { insecureHttp: true, credential });
}

/** The lookup that finds this credential. */
export function lookup(credential: RegistryCredential): CredentialLookup {
  return async () => ({ credential, source: '/etc/rkt/auth.d/x.json' });
}

export const ME = { kind: 'basic', user: 'me', password: 'pass' } as const;
export const ME_BASIC = 'Basic bWU6cGFzcw==';

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

/** The `Authorization` of every request. */
export const shown = ({ requests }: TestServer) => requests.map(({ headers }) => headers.authorization);

const SECRETS = [ME_BASIC, 'pass', 'REFRESH'];

/** What the work fails with, which tells no secret. */
export async function failure(
  work: Promise<unknown>,
): Promise<{ code: string; message: string; hint: string | undefined }> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isFetchError(error)) throw new Error('no error');
  const { code, message, hint } = error;
  const whole = JSON.stringify([message, hint, String(error.cause)]);
  for (const secret of SECRETS) expect(whole).not.toContain(secret);
  return { code, message, hint };
}
