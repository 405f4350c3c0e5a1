/** Credentials and tokens against real TLS servers: who gets what, renewal, refusals. */

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, test } from 'vitest';
import type { RegistryCredential } from '../../../src/auth/credentials.js';
import { parseDockerReference } from '../../../src/reference/docker.js';
import { createRegistry, type Registry } from '../../../src/registry/client.js';
import { type Handler, makeCertificate, QUIET, startClient, startServer } from '../http/server.js';
import { manifestText } from './images.js';
import {
  AMD64,
  CONFIG_BLOB,
  failure,
  lookup,
  ME,
  ME_BASIC,
  plainRegistryAt,
  secureRegistryAt,
  sendToken,
  serve,
  shown,
  withTokens,
} from './registries.js';

const CERTIFICATE = makeCertificate('reg.test');
const MANIFEST = serve({ 'team/app/manifests/v1': manifestText() });

const secure = (handler: Handler) => startServer(handler, CERTIFICATE);

/** A token service that hands out t1, t2, … which a registry takes for `lifetimeMs`. */
async function startExpiring(lifetimeMs: number, facts: object = {}) {
  const issued = new Map<string, number>();
  const tokens = await secure((_request, response) => {
    const token = `t${issued.size + 1}`;
    issued.set(`Bearer ${token}`, performance.now());
    response.end(JSON.stringify({ token, ...facts }));
  });
  const refused: string[] = [];
  const server = await secure((request, response) => {
    const { authorization = '' } = request.headers;
    if (performance.now() - (issued.get(authorization) ?? Number.NEGATIVE_INFINITY) < lifetimeMs) {
      return MANIFEST(request, response);
    }
    refused.push(authorization);
    response.writeHead(401, { 'www-authenticate': `Bearer realm="${tokens.origin}"` }).end();
  });
  return { tokens, server, refused };
}

describe('credentials', () => {
  it('are looked for once, and only when the registry asks', async () => {
    let count = 0;
    const credential = async () => {
      count++;
      return { credential: ME, source: '/x' };
    };
    const open = await secure(MANIFEST);
    await secureRegistryAt(open, { credential }).resolve(AMD64, QUIET);
    expect([count, shown(open)]).toEqual([0, [undefined]]);
    const tokens = await secure(sendToken);
    const server = await secure(withTokens(MANIFEST, () => tokens.origin));
    const registry = secureRegistryAt(server, { credential });
    await Promise.all([1, 2, 3].map(() => registry.resolve(AMD64, QUIET)));
    await registry.refreshAuthorization(QUIET);
    expect(count).toBe(1);
    expect(shown(tokens)).toEqual([ME_BASIC, ME_BASIC]);
  });

  it.each<[string, RegistryCredential]>([
    ['user and password', ME],
    ['a refresh token', { kind: 'identity', refreshToken: 'REFRESH', user: 'me' }],
  ])('stay here when the registry is asked over plain HTTP: %s', async (_title, credential) => {
    const tokens = await secure(sendToken);
    const server = await startServer(withTokens(MANIFEST, () => tokens.origin));
    await plainRegistryAt(server, lookup(credential)).resolve(AMD64, QUIET);
    expect(shown(server)).toEqual([undefined, 'Bearer good']);
    expect(tokens.requests.map(({ method }) => method)).toEqual(['GET']);
    expect(shown(tokens)).toEqual([undefined]);
    const basic = await startServer((_request, response) => {
      response.writeHead(401, { 'www-authenticate': 'Basic' }).end();
    });
    const denied = await failure(plainRegistryAt(basic, lookup(credential)).resolve(AMD64, QUIET));
    expect(denied).toMatchObject({ code: 'ERR_AUTH', hint: expect.stringContaining('plain HTTP') });
    expect(shown(basic)).toEqual([undefined]);
  });

  it('do not follow a redirect of the token service or of the registry', async () => {
    const elsewhere = await secure(sendToken);
    const tokens = await secure((request, response) => {
      response.writeHead(307, { location: `${elsewhere.origin}${request.url}` }).end();
    });
    const server = await secure(withTokens(MANIFEST, () => tokens.origin));
    await secureRegistryAt(server, { credential: lookup(ME) }).resolve(AMD64, QUIET);
    expect([shown(tokens), shown(elsewhere)]).toEqual([[ME_BASIC], [undefined]]);
    const cdn = await secure(MANIFEST);
    const basic = await secure((request, response) => {
      if (request.headers.authorization === ME_BASIC) {
        response.writeHead(307, { location: `${cdn.origin}${request.url}` }).end();
      } else response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
    });
    await secureRegistryAt(basic, { credential: lookup(ME) }).resolve(AMD64, QUIET);
    expect(shown(cdn)).toEqual([undefined]);
  });

  it('of one registry are not for the challenge of a host that it redirects to', async () => {
    const tokens = await secure(sendToken);
    const cdn = await secure(withTokens(MANIFEST, () => tokens.origin));
    const server = await secure((request, response) => {
      response.writeHead(307, { location: `${cdn.origin}${request.url}` }).end();
    });
    const work = secureRegistryAt(server, { credential: lookup(ME) }).resolve(AMD64, QUIET);
    expect((await failure(work)).code).toBe('ERR_AUTH');
    expect([shown(cdn), shown(tokens)]).toEqual([[undefined], []]);
  });

  it('are not for the challenge that came over plain HTTP after a redirect to the same host', async () => {
    const tokens = await secure(sendToken);
    const plain = await startServer(withTokens(MANIFEST, () => tokens.origin));
    const server = await secure((request, response) => {
      response.writeHead(307, { location: `http://reg.test${request.url}` }).end();
    });
    const ports = [[443, server.port] as const, [80, plain.port] as const];
    const resolve = ports.map(([port, addressPort]) => ({
      host: 'reg.test',
      port,
      address: '127.0.0.1',
      addressPort,
    }));
    const reference = parseDockerReference('docker://reg.test/team/app:v1');
    const options = { insecureHttp: true, credential: lookup(ME) };
    const registry = createRegistry(startClient({ insecureTls: true, resolve }), reference, options);
    // The token is anonymous, and dropped by the redirect.
    expect((await failure(registry.resolve(AMD64, QUIET))).code).toBe('ERR_AUTH');
    expect([shown(tokens), shown(plain)]).toEqual([[undefined], [undefined, undefined]]);
  });

  it('go with a blob to its registry, by https', async () => {
    const server = await secure((request, response) => {
      if (request.headers.authorization === ME_BASIC) return MANIFEST(request, response);
      response.writeHead(401, { 'www-authenticate': 'Basic' }).end();
    });
    const registry = secureRegistryAt(server, { credential: lookup(ME) });
    await registry.resolve(AMD64, QUIET);
    expect(registry.blobRequest(CONFIG_BLOB)).toMatchObject({ authorization: ME_BASIC, url: /^https:/ });
  });
});

describe('a token', () => {
  it('that holds for a second is renewed before it expires, again and again', async () => {
    const { tokens, server, refused } = await startExpiring(1000, { expires_in: 1 });
    const registry = secureRegistryAt(server);
    for (let end = performance.now() + 2600; performance.now() < end; await sleep(50)) {
      await registry.resolve(AMD64, QUIET);
    }
    expect(refused).toEqual(['']);
    expect(tokens.requests.length).toBeGreaterThanOrEqual(3);
    expect(tokens.requests.length).toBeLessThanOrEqual(5);
  });

  it('that expires earlier than announced is renewed after the refusal', async () => {
    const { tokens, server, refused } = await startExpiring(100, { expires_in: 300 });
    const registry = secureRegistryAt(server);
    for (let count = 0; count < 3; count++) {
      await registry.resolve(AMD64, QUIET);
      await sleep(150);
    }
    expect(refused).toEqual(['', 'Bearer t1', 'Bearer t2']);
    expect(tokens.requests).toHaveLength(3);
  });

  it('holds for the next blob when it is asked to', async () => {
    const { server } = await startExpiring(1000, { expires_in: 1 });
    const registry = secureRegistryAt(server);
    await registry.resolve(AMD64, QUIET);
    await registry.renewIfStale(QUIET);
    expect(registry.blobRequest(CONFIG_BLOB).authorization).toBe('Bearer t1');
    await sleep(800);
    await Promise.all([1, 2, 3].map(() => registry.renewIfStale(QUIET)));
    expect(registry.blobRequest(CONFIG_BLOB).authorization).toBe('Bearer t2');
  });

  it('is asked for once, however many blobs were refused with the last one', async () => {
    const { tokens, server } = await startExpiring(60_000);
    const registry = secureRegistryAt(server);
    await registry.resolve(AMD64, QUIET);
    const refused = registry.blobRequest(CONFIG_BLOB).authorization;
    await Promise.all([1, 2, 3].map(() => registry.refreshAuthorization(QUIET, refused)));
    await registry.refreshAuthorization(QUIET, refused);
    expect(tokens.requests).toHaveLength(2);
    expect(registry.blobRequest(CONFIG_BLOB).authorization).toBe('Bearer t2');
  });

  it('comes for the others when the one who asked gives up', async () => {
    let isSlow = true;
    const tokens = await secure((request, response) => {
      setTimeout(() => sendToken(request, response), isSlow ? 200 : 0);
    });
    const server = await secure(withTokens(MANIFEST, () => tokens.origin));
    const registry = secureRegistryAt(server);
    const first = new AbortController();
    const work = [first.signal, QUIET, QUIET].map((signal) => registry.resolve(AMD64, signal));
    while (tokens.requests.length === 0) await sleep(5);
    isSlow = false;
    first.abort();
    const [aborted, ...others] = await Promise.allSettled(work);
    expect(aborted).toMatchObject({ status: 'rejected', reason: { code: 'ERR_ABORTED' } });
    expect(others.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
    expect(tokens.requests.length).toBeLessThanOrEqual(2);
  });

  it('of one waiting is not waited for after an abort', async () => {
    const tokens = await secure(() => {});
    const server = await secure(withTokens(MANIFEST, () => tokens.origin));
    const registry = secureRegistryAt(server);
    const [first, second] = [new AbortController(), new AbortController()];
    const work = [first, second].map(({ signal }) => registry.resolve(AMD64, signal));
    while (tokens.requests.length === 0) await sleep(5);
    await sleep(20);
    second.abort();
    await expect(work[1]).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    first.abort();
    await expect(work[0]).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

describe('a refusal', () => {
  const refusing =
    (status: number): Handler =>
    ({ headers }, response) => {
      const code = headers.authorization === undefined ? 401 : status;
      response.writeHead(code, { 'www-authenticate': 'Basic realm="x"' }).end();
    };

  const deniedBy = async (handler: Handler, credential?: RegistryCredential) => {
    const server = await secure(handler);
    const options = credential === undefined ? {} : { credential: lookup(credential) };
    const registry: Registry = secureRegistryAt(server, options);
    return { ...(await failure(registry.resolve(AMD64, QUIET))), host: server.host };
  };

  test('without credentials tells where they go', async () => {
    const { code, hint, host } = await deniedBy(refusing(401));
    expect([code, hint]).toEqual(['ERR_AUTH', expect.stringContaining('dockerAuth')]);
    expect(hint).toContain(host);
  });

  test('with credentials tells where they come from, and wrong ones from too weak ones', async () => {
    const hint = expect.stringContaining('/etc/rkt/auth.d/x.json');
    const message = (part: string) => expect.stringContaining(part);
    expect(await deniedBy(refusing(401), ME)).toMatchObject({ hint, message: message('refuses') });
    expect(await deniedBy(refusing(403), ME)).toMatchObject({ hint, message: message('do not permit') });
  });

  test('of a token that does not reach far enough is told from wrong credentials', async () => {
    const tokens = await secure(sendToken);
    const handler: Handler = (_request, response) => {
      const challenge = `Bearer realm="${tokens.origin}",error="insufficient_scope"`;
      response.writeHead(401, { 'www-authenticate': challenge }).end();
    };
    expect((await deniedBy(handler, ME)).message).toContain('do not permit');
    expect((await deniedBy(handler)).message).toContain('needs credentials');
  });

  test('by the token service tells the file as well', async () => {
    const tokens = await secure((_request, response) => void response.writeHead(401).end('{"details":"no"}'));
    const { code, hint } = await deniedBy(
      withTokens(MANIFEST, () => tokens.origin),
      ME,
    );
    expect([code, hint]).toEqual(['ERR_AUTH', expect.stringContaining('/etc/rkt/auth.d/x.json')]);
    expect(tokens.requests).toHaveLength(1);
  });

  test('of Basic credentials is final', async () => {
    const server = await secure(refusing(401));
    const registry = secureRegistryAt(server, { credential: lookup(ME) });
    expect((await failure(registry.resolve(AMD64, QUIET))).code).toBe('ERR_AUTH');
    expect((await failure(registry.refreshAuthorization(QUIET))).code).toBe('ERR_AUTH');
    expect(server.requests).toHaveLength(2);
  });
});
