/** Tokens, credentials and schemes of registries. */

import { describe, expect, it } from 'vitest';
import { parseDockerReference } from '../../../src/reference/docker.js';
import { createRegistry } from '../../../src/registry/client.js';
import { makeCertificate, QUIET, startClient, startServer } from '../http/server.js';
import { CONFIG, manifestText } from './images.js';
import {
  AMD64,
  CONFIG_BLOB,
  lookup,
  ME,
  ME_BASIC,
  registryAt,
  secureRegistryAt,
  sendManifest,
  sendToken,
  serve,
  withTokens,
} from './registries.js';

describe('authentication', () => {
  it('gets an anonymous token once and keeps it', async () => {
    const tokens = await startServer(sendToken);
    const contents = {
      'team/app/manifests/v1': manifestText(),
      [`team/app/blobs/${CONFIG_BLOB.digest}`]: CONFIG,
    };
    const server = await startServer(withTokens(serve(contents), () => tokens.origin));
    const registry = registryAt(server);
    const image = await registry.resolve(AMD64, QUIET);
    expect((await registry.readConfig(image, QUIET)).toString()).toBe(CONFIG);
    const asked = tokens.requests.map(({ url, headers }) => [url, headers.authorization]);
    expect(asked).toEqual([['/token?x=1&service=reg&scope=repository%3Ateam%2Fapp%3Apull', undefined]]);
    expect(registry.blobRequest(CONFIG_BLOB)).toEqual({
      url: `${server.origin}/v2/team/app/blobs/${CONFIG_BLOB.digest}`,
      authorization: 'Bearer good',
    });
  });

  it('asks for the right to pull when the registry names no scope', async () => {
    const tokens = await startServer((_request, response) => void response.end('{"access_token":"good"}'));
    const contents = { 'team/app/manifests/v1': manifestText() };
    const server = await startServer(withTokens(serve(contents), () => tokens.origin, ''));
    await registryAt(server).resolve(AMD64, QUIET);
    expect(tokens.requests[0]?.url).toContain('scope=repository%3Ateam%2Fapp%3Apull');
  });

  it('gives the user and password only to the token service', async () => {
    const certificate = makeCertificate('reg.test');
    const tokens = await startServer(sendToken, certificate);
    const server = await startServer(
      withTokens(serve({ 'team/app/manifests/v1': manifestText() }), () => tokens.origin),
      certificate,
    );
    await secureRegistryAt(server, { credential: lookup(ME) }).resolve(AMD64, QUIET);
    expect(tokens.requests[0]?.headers.authorization).toBe(ME_BASIC);
    const seen = server.requests.map(({ headers }) => headers.authorization);
    expect(seen).toEqual([undefined, 'Bearer good']);
  });

  it('answers a Basic challenge when there are credentials, and gives up when there are none', async () => {
    const server = await startServer((request, response) => {
      if (request.headers.authorization === ME_BASIC) return sendManifest(response, manifestText());
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
    }, makeCertificate('reg.test'));
    const image = await secureRegistryAt(server, { credential: lookup(ME) }).resolve(AMD64, QUIET);
    expect(image.layers).toHaveLength(1);
    await expect(secureRegistryAt(server).resolve(AMD64, QUIET)).rejects.toMatchObject({ code: 'ERR_AUTH' });
  });

  it.each([
    ['a token that does not help', '{"token":"bad"}', 'ERR_AUTH'],
    ['no token', '{}', 'ERR_AUTH'],
    ['a token that no header can hold', '{"token":"a\\r\\nb"}', 'ERR_AUTH'],
    ['no JSON', '<html>', 'ERR_AUTH'],
    ['an endless answer', ' '.repeat(300 * 1024), 'ERR_LIMIT'],
  ])('fails on %s', async (_title, answer, code) => {
    const tokens = await startServer((_request, response) => void response.end(answer));
    const server = await startServer(withTokens(serve({}), () => tokens.origin));
    await expect(registryAt(server).resolve(AMD64, QUIET)).rejects.toMatchObject({ code });
    expect(tokens.requests).toHaveLength(1);
  });

  it.each([
    [401, {}],
    [403, {}],
    [401, { 'www-authenticate': 'Negotiate' }],
    [401, { 'www-authenticate': 'Bearer realm="ftp://a.test/"' }],
    [401, { 'www-authenticate': 'Bearer realm="nowhere"' }],
  ])('fails on a %i with %j', async (status, headers) => {
    const server = await startServer((_request, response) => void response.writeHead(status, headers).end());
    await expect(registryAt(server).resolve(AMD64, QUIET)).rejects.toMatchObject({ code: 'ERR_AUTH' });
    expect(server.requests).toHaveLength(1);
  });

  it('passes on that the token service refuses', async () => {
    const tokens = await startServer((_request, response) => void response.writeHead(403).end());
    const server = await startServer(withTokens(serve({}), () => tokens.origin));
    await expect(registryAt(server).resolve(AMD64, QUIET)).rejects.toMatchObject({ code: 'ERR_AUTH' });
  });

  it('does not take a token over plain HTTP unless that is allowed', async () => {
    const tokens = await startServer(sendToken);
    const server = await startServer(
      withTokens(serve({}), () => tokens.origin),
      makeCertificate('reg.test'),
    );
    const reference = parseDockerReference(`docker://${server.host}/team/app`);
    const http = startClient({ insecureTls: true, insecureHttp: false });
    await expect(
      createRegistry(http, reference, { insecureHttp: false }).resolve(AMD64, QUIET),
    ).rejects.toMatchObject({ code: 'ERR_INSECURE_HTTP' });
    expect(tokens.requests).toHaveLength(0);
  });

  it('does not answer the challenge of a host that it was redirected to', async () => {
    const tokens = await startServer(sendToken);
    const cdn = await startServer(withTokens(serve({}), () => tokens.origin));
    const server = await startServer(
      (_request, response) => void response.writeHead(307, { location: cdn.origin }).end(),
    );
    await expect(registryAt(server).readConfig({ config: CONFIG_BLOB }, QUIET)).rejects.toMatchObject({
      code: 'ERR_AUTH',
    });
    expect(tokens.requests).toHaveLength(0);
  });

  it('gets a new token when one has expired', async () => {
    let current = 0;
    const tokens = await startServer((_request, response) => void response.end(`{"token":"t${++current}"}`));
    const server = await startServer((request, response) => {
      if (request.headers.authorization === `Bearer t${current}`)
        return sendManifest(response, manifestText());
      const challenge = `Bearer realm="${tokens.origin}",service="reg"`;
      response.writeHead(401, { 'www-authenticate': challenge }).end();
    });
    const registry = registryAt(server);
    // Without an earlier challenge, the registry has to be asked for one.
    await registry.refreshAuthorization(QUIET);
    expect(registry.blobRequest(CONFIG_BLOB).authorization).toBe('Bearer t1');
    await registry.refreshAuthorization(QUIET);
    expect(registry.blobRequest(CONFIG_BLOB).authorization).toBe('Bearer t2');
    expect(server.requests.map(({ url }) => url)).toEqual(['/v2/']);
    current++;
    await registry.resolve(AMD64, QUIET);
    expect(registry.blobRequest(CONFIG_BLOB).authorization).toBe('Bearer t4');
  });

  it('cannot get a new token from a registry that asks for none', async () => {
    const server = await startServer((_request, response) => void response.end('{}'));
    await expect(registryAt(server).refreshAuthorization(QUIET)).rejects.toMatchObject({ code: 'ERR_AUTH' });
  });
});

describe('the scheme', () => {
  it('is https where the registry has it', async () => {
    const server = await startServer(
      serve({ 'team/app/manifests/v1': manifestText() }),
      makeCertificate('reg.test'),
    );
    const reference = parseDockerReference(`docker://${server.host}/team/app:v1`);
    const http = startClient({ insecureTls: true });
    const registry = createRegistry(http, reference, { insecureHttp: true });
    await registry.resolve(AMD64, QUIET);
    expect(registry.blobRequest(CONFIG_BLOB).url).toMatch(/^https:/);
  });

  it('is not http unless that is allowed, with a hint', async () => {
    const server = await startServer(serve({ 'team/app/manifests/v1': manifestText() }));
    const reference = parseDockerReference(`docker://${server.host}/team/app:v1`);
    const http = startClient({ insecureHttp: false });
    await expect(
      createRegistry(http, reference, { insecureHttp: false }).resolve(AMD64, QUIET),
    ).rejects.toMatchObject({ code: 'ERR_TLS', hint: expect.stringContaining('--insecure-options=http') });
    expect(server.requests).toHaveLength(0);
  });

  it('does not become http for a TLS server with a bad certificate, which is the error then', async () => {
    const server = await startServer(serve({}), makeCertificate('reg.test'));
    await expect(registryAt(server).resolve(AMD64, QUIET)).rejects.toMatchObject({ code: 'ERR_TLS' });
    expect(server.requests).toHaveLength(0);
  });

  it('is found again after a failure of the connection', async () => {
    let isUp = false;
    const server = await startServer((request, response) => {
      if (!isUp) request.socket.destroy();
      else serve({ 'team/app/manifests/v1': manifestText() })(request, response);
      isUp = true;
    });
    const image = await registryAt(server).resolve(AMD64, QUIET);
    expect(image.layers).toHaveLength(1);
  });
});
