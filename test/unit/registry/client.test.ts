/** The registry client against small servers that speak the protocol, well or badly. */

import { describe, expect, it } from 'vitest';
import type { Retry } from '../../../src/http/retry.js';
import { buildDockerImage } from '../../support/images/docker.js';
import { SCHEMA1_SIGNED, schema1Of, signed } from '../../support/images/schema1.js';
import { type Handler, QUIET, startServer } from '../http/server.js';
import {
  CONFIG,
  DOCKER_MANIFEST,
  descriptorOf,
  indexText,
  LAYER,
  manifestText,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
  sha256,
} from './images.js';
import { AMD64, CONFIG_BLOB, type Contents, registryAt, sendToken, serve, withTokens } from './registries.js';

describe('resolving', () => {
  it('reads a manifest, asking for every kind there is', async () => {
    const text = manifestText();
    const server = await startServer(serve({ 'team/app/manifests/v1': text }));
    expect(await registryAt(server).resolve(AMD64, QUIET)).toEqual({
      digest: sha256(text),
      rootDigest: sha256(text),
      config: CONFIG_BLOB,
      hasDiffIds: true,
      layers: [descriptorOf(OCI_LAYER, LAYER)],
    });
    const accept = server.requests[0]?.headers.accept ?? '';
    expect(accept.split(', ')).toHaveLength(6);
    expect(accept).toContain(OCI_INDEX);
    expect(accept).toContain(DOCKER_MANIFEST);
  });

  it('reads the platform asked for out of an index', async () => {
    const [amd64, arm64] = [manifestText({ annotations: { for: 'amd64' } }), manifestText()];
    const index = indexText([
      ['linux/amd64', amd64],
      ['linux/arm64', arm64],
    ]);
    const contents = { 'team/app/manifests/v1': index, [`team/app/manifests/${sha256(arm64)}`]: arm64 };
    const server = await startServer(serve(contents));
    const image = await registryAt(server).resolve({ os: 'linux', architecture: 'arm64' }, QUIET);
    expect(image).toMatchObject({ digest: sha256(arm64), rootDigest: sha256(index) });
    await expect(
      registryAt(server).resolve({ os: 'linux', architecture: 's390x' }, QUIET),
    ).rejects.toMatchObject({ code: 'ERR_NO_PLATFORM' });
  });

  it('goes through two indexes and no more', async () => {
    const manifest = manifestText();
    const inner = indexText([['linux/amd64', manifest]]);
    const middle = indexText([['linux/amd64', inner]], OCI_INDEX);
    const outer = indexText([['linux/amd64', middle]], OCI_INDEX);
    const contents: Contents = {
      'team/app/manifests/two': middle,
      'team/app/manifests/three': outer,
      ...Object.fromEntries(
        [manifest, inner, middle].map((text) => [`team/app/manifests/${sha256(text)}`, text]),
      ),
    };
    const server = await startServer(serve(contents));
    const image = await registryAt(server, 'team/app:two').resolve(AMD64, QUIET);
    expect(image).toMatchObject({ digest: sha256(manifest), rootDigest: sha256(middle) });
    await expect(registryAt(server, 'team/app:three').resolve(AMD64, QUIET)).rejects.toMatchObject({
      code: 'ERR_MANIFEST_INVALID',
    });
  });

  it('reads a manifest by its digest', async () => {
    const text = manifestText();
    const path = `team/app@${sha256(text)}`;
    const server = await startServer(serve({ [`team/app/manifests/${sha256(text)}`]: text }));
    expect(await registryAt(server, path).resolve(AMD64, QUIET)).toMatchObject({ digest: sha256(text) });
  });

  it('says so when there is no such image', async () => {
    const server = await startServer(serve({}));
    await expect(registryAt(server).resolve(AMD64, QUIET)).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
      message: `docker://${server.host}/team/app:v1: no such image or tag`,
    });
  });

  it('can be aborted', async () => {
    const aborter = new AbortController();
    const server = await startServer(() => aborter.abort());
    await expect(registryAt(server).resolve(AMD64, aborter.signal)).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    });
  });
});

describe('content that is not what it should be', () => {
  const other = manifestText({ annotations: { other: 'yes' } });

  it('is refused for a pinned digest', async () => {
    const digest = sha256(manifestText());
    const server = await startServer((_request, response) => {
      response.writeHead(200, { 'content-type': OCI_MANIFEST }).end(other);
    });
    await expect(registryAt(server, `team/app@${digest}`).resolve(AMD64, QUIET)).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
    });
  });

  it('is refused for an entry of an index', async () => {
    const text = manifestText();
    const index = indexText([['linux/amd64', text]]);
    const flipped = `${text.slice(0, -1)} `;
    for (const [body, code] of [
      [flipped, 'ERR_DIGEST_MISMATCH'],
      [text.slice(0, -1), 'ERR_SIZE_MISMATCH'],
      [`${text} `, 'ERR_SIZE_MISMATCH'],
    ]) {
      const server = await startServer((request, response) => {
        const isRoot = request.url?.endsWith('/v1') === true;
        response.writeHead(200, { 'content-type': isRoot ? OCI_INDEX : OCI_MANIFEST });
        response.end(isRoot ? index : body);
      });
      await expect(registryAt(server).resolve(AMD64, QUIET)).rejects.toMatchObject({ code });
    }
  });

  it.each([sha256('x'), 'sha256:x', `sha512:${'0'.repeat(128)}`])(
    'is refused when it comes with the Docker-Content-Digest %s',
    async (header) => {
      const server = await startServer((_request, response) => {
        response.writeHead(200, { 'content-type': OCI_MANIFEST, 'docker-content-digest': header });
        response.end(other);
      });
      await expect(registryAt(server).resolve(AMD64, QUIET)).rejects.toMatchObject({
        code: 'ERR_DIGEST_MISMATCH',
      });
    },
  );

  it('is refused when it is larger than a manifest can be', async () => {
    const server = await startServer((_request, response) => {
      response.writeHead(200, { 'content-type': OCI_MANIFEST });
      response.end(' '.repeat(4 * 1024 * 1024 + 1));
    });
    await expect(registryAt(server).resolve(AMD64, QUIET)).rejects.toMatchObject({ code: 'ERR_LIMIT' });
    expect(server.requests).toHaveLength(1);
  });
});

describe('a signed manifest', () => {
  const unsigned = schema1Of(buildDockerImage({ layers: [[{ path: 'a' }]] }));
  const { manifestBytes, manifestDigest } = signed(unsigned, 2);
  const at = (ref: string, body: Uint8Array, headers: Record<string, string> = {}) =>
    startServer((request, response) => {
      const isManifest = request.url === `/v2/team/app/manifests/${ref}`;
      response.writeHead(
        200,
        isManifest ? { 'content-type': SCHEMA1_SIGNED, ...headers } : { 'content-length': 9 },
      );
      response.end(request.method === 'GET' && isManifest ? body : undefined);
    });

  it('has the digest of what was signed, in the reference and in the answer', async () => {
    for (const header of [manifestDigest, sha256(manifestBytes)]) {
      const server = await at(manifestDigest, manifestBytes, { 'docker-content-digest': header });
      const resolving = registryAt(server, `team/app@${manifestDigest}`).resolve(AMD64, QUIET);
      if (header === manifestDigest) expect(await resolving).toMatchObject({ digest: manifestDigest });
      else await expect(resolving).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
    }
  });

  it('has the same digest without signatures', async () => {
    const server = await at('v1', unsigned.manifestBytes);
    expect(await registryAt(server).resolve(AMD64, QUIET)).toMatchObject({ digest: manifestDigest });
  });

  it('is refused when something else was signed, or nothing like a manifest was sent', async () => {
    const changed = Buffer.from(Buffer.from(manifestBytes).toString().replace('amd64', 'arm64'));
    for (const body of [changed, Buffer.from('<"signatures">')]) {
      const server = await at(manifestDigest, body);
      await expect(
        registryAt(server, `team/app@${manifestDigest}`).resolve(AMD64, QUIET),
      ).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
    }
  });
});

describe('reading a config', () => {
  const path = `team/app/blobs/${CONFIG_BLOB.digest}`;

  it('hands out the bytes that its descriptor names', async () => {
    const server = await startServer((_request, response) => void response.end(CONFIG));
    expect((await registryAt(server).readConfig({ config: CONFIG_BLOB }, QUIET)).toString()).toBe(CONFIG);
    expect(server.requests[0]?.url).toBe(`/v2/${path}`);
  });

  it.each([
    [CONFIG.replace('amd64', 'arm64'), 'ERR_DIGEST_MISMATCH'],
    [`${CONFIG}\n`, 'ERR_SIZE_MISMATCH'],
    [CONFIG.slice(1), 'ERR_SIZE_MISMATCH'],
  ])('refuses other bytes', async (body, code) => {
    const server = await startServer((_request, response) => void response.end(body));
    await expect(registryAt(server).readConfig({ config: CONFIG_BLOB }, QUIET)).rejects.toMatchObject({
      code,
    });
  });

  it('does not ask for one that is too large', async () => {
    const server = await startServer((_request, response) => void response.end(CONFIG));
    const large = { ...CONFIG_BLOB, sizeBytes: 8 * 1024 * 1024 + 1 };
    await expect(registryAt(server).readConfig({ config: large }, QUIET)).rejects.toMatchObject({
      code: 'ERR_LIMIT',
    });
    expect(server.requests).toHaveLength(0);
  });

  it('follows a redirect to another host without the token', async () => {
    const cdn = await startServer((_request, response) => void response.end(CONFIG));
    const tokens = await startServer(sendToken);
    const server = await startServer(
      withTokens(
        (_request, response) => void response.writeHead(307, { location: `${cdn.origin}/x?sig=1` }).end(),
        () => tokens.origin,
      ),
    );
    await registryAt(server).readConfig({ config: CONFIG_BLOB }, QUIET);
    expect(server.requests.at(-1)?.headers.authorization).toBe('Bearer good');
    expect(cdn.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });
});

describe('passing faults', () => {
  /** Answers with `faults` in turn, then well. */
  function failing(...faults: Handler[]): Handler {
    const left = [...faults];
    return (request, response) => {
      const fault = left.shift() ?? serve({ 'team/app/manifests/v1': manifestText() });
      fault(request, response);
    };
  }
  const status =
    (code: number, headers: Record<string, string> = {}): Handler =>
    (_request, response) =>
      void response.writeHead(code, { 'retry-after': '0', ...headers }).end();

  it('are retried, and told of', async () => {
    const server = await startServer(failing(status(500), status(429), status(503)));
    const retries: Retry[] = [];
    const registry = registryAt(server, undefined, { onRetry: (retry) => retries.push(retry) });
    await registry.resolve(AMD64, QUIET);
    expect(retries.map(({ error, delayMs }) => [error.code, delayMs])).toEqual([
      ['ERR_SERVER', 0],
      ['ERR_RATE_LIMITED', 0],
      ['ERR_SERVER', 0],
    ]);
  });

  it('are retried when a body breaks off', async () => {
    const server = await startServer(
      failing((_request, response) => {
        response.writeHead(200, { 'content-length': '1000', 'content-type': OCI_MANIFEST });
        response.write('{', () => setTimeout(() => response.destroy(), 10));
      }),
    );
    expect(await registryAt(server).resolve(AMD64, QUIET)).toMatchObject({ config: CONFIG_BLOB });
    expect(server.requests).toHaveLength(2);
  });

  it('are given up on in the end', async () => {
    const server = await startServer(status(502));
    await expect(registryAt(server, undefined, { retries: 1 }).resolve(AMD64, QUIET)).rejects.toMatchObject({
      code: 'ERR_SERVER',
    });
    expect(server.requests).toHaveLength(2);
  });

  it('that will last are not waited for', async () => {
    const server = await startServer(status(429, { 'retry-after': '3600' }));
    await expect(registryAt(server).resolve(AMD64, QUIET)).rejects.toMatchObject({
      code: 'ERR_RATE_LIMITED',
      retryAfterMs: 3_600_000,
    });
    expect(server.requests).toHaveLength(1);
  });
});
