import { afterEach, describe, expect, it } from 'vitest';
import { buildDockerImage, buildIndex } from '../../support/images/docker.js';
import { type RegistryOptions, startRegistry, type TestRegistry } from '../../support/servers/registry.js';

const image = buildDockerImage({
  layers: [[{ path: 'etc/hello', data: 'hello' }]],
  config: { Cmd: ['/bin/sh'] },
});
const layer = image.layers[0]?.digest ?? '';
let registry: TestRegistry;

async function serve(options: RegistryOptions = {}): Promise<void> {
  registry = await startRegistry(options);
  registry.push('team/app', '1.0', image);
}

function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(registry.url + path, { headers: { accept: '*/*', ...headers }, redirect: 'manual' });
}

async function tokenFor(scope: string, headers: Record<string, string> = {}): Promise<string> {
  const answer = await get(`/token?service=test-registry&scope=${scope}`, headers);
  return answer.status === 200
    ? ((await answer.json()) as { token: string }).token
    : `status ${answer.status}`;
}

afterEach(() => registry.close());

describe('the registry', () => {
  it('serves a manifest by tag and by digest', async () => {
    await serve();
    for (const ref of ['1.0', image.manifestDigest]) {
      const answer = await get(`/v2/team/app/manifests/${ref}`);
      expect(answer.headers.get('docker-content-digest')).toBe(image.manifestDigest);
      expect(answer.headers.get('content-type')).toBe(image.mediaType);
      expect(Buffer.from(await answer.arrayBuffer())).toEqual(image.manifestBytes);
    }
  });

  it('serves a part of a blob', async () => {
    await serve();
    const answer = await get(`/v2/team/app/blobs/${layer}`, { range: 'bytes=1-3' });
    expect(answer.status).toBe(206);
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(
      Buffer.from(image.layers[0]?.bytes ?? []).subarray(1, 4),
    );
  });

  it.each([
    ['/v2/team/app/manifests/2.0', 'MANIFEST_UNKNOWN'],
    ['/v2/team/other/manifests/1.0', 'NAME_UNKNOWN'],
    [`/v2/team/app/blobs/sha256:${'0'.repeat(64)}`, 'BLOB_UNKNOWN'],
  ])('answers 404 for %s', async (path, code) => {
    await serve();
    const answer = await get(path);
    expect([answer.status, await answer.json()]).toMatchObject([404, { errors: [{ code }] }]);
  });

  it('hides a manifest whose type the client does not accept', async () => {
    await serve();
    const accept = 'application/vnd.oci.image.manifest.v1+json';
    expect((await get('/v2/team/app/manifests/1.0', { accept })).status).toBe(404);
  });

  it('serves an index and every image in it', async () => {
    await serve();
    const arm = buildDockerImage({ layers: [], architecture: 'arm64' });
    registry.push('team/app', 'all', buildIndex([{ image }, { image: arm }], 'oci'));
    const index = (await (await get('/v2/team/app/manifests/all')).json()) as {
      manifests: { digest: string }[];
    };
    const statuses = index.manifests.map(
      async ({ digest }) => (await get(`/v2/team/app/manifests/${digest}`)).status,
    );
    expect(await Promise.all(statuses)).toEqual([200, 200]);
  });
});

describe('token authentication', () => {
  it('challenges, and lets a token in where its scope says', async () => {
    await serve({ auth: 'token' });
    const challenge = await get('/v2/team/app/manifests/1.0');
    expect(challenge.status).toBe(401);
    expect(challenge.headers.get('www-authenticate')).toBe(
      `Bearer realm="${registry.url}/token",service="test-registry",scope="repository:team/app:pull"`,
    );
    const authorization = `Bearer ${await tokenFor('repository:team/app:pull')}`;
    expect((await get('/v2/team/app/manifests/1.0', { authorization })).status).toBe(200);
    const other = await get('/v2/team/other/manifests/1.0', { authorization });
    expect([other.status, other.headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringContaining('insufficient_scope'),
    ]);
  });

  it('lets a token expire', async () => {
    await serve({ auth: 'token', tokenTtlRequests: 2 });
    const authorization = `Bearer ${await tokenFor('repository:team/app:pull')}`;
    const statuses: number[] = [];
    for (const _ of [1, 2, 3]) statuses.push((await get('/v2/', { authorization })).status);
    expect(statuses).toEqual([200, 200, 401]);
  });

  it('gives a token for the right password only, when there is one', async () => {
    await serve({ auth: 'token', credentials: { username: 'me', password: 'pw' } });
    const basic = (pair: string) => ({ authorization: `Basic ${Buffer.from(pair).toString('base64')}` });
    expect(await tokenFor('repository:team/app:pull')).toBe('status 401');
    expect(await tokenFor('repository:team/app:pull', basic('me:no'))).toBe('status 401');
    expect(await tokenFor('repository:team/app:pull', basic('me:pw'))).toHaveLength(32);
  });
});

describe('basic authentication', () => {
  it('lets the right password in', async () => {
    await serve({ auth: 'basic' });
    expect((await get('/v2/')).headers.get('www-authenticate')).toMatch(/^Basic /);
    const authorization = `Basic ${Buffer.from('user:secret').toString('base64')}`;
    expect((await get('/v2/', { authorization })).status).toBe(200);
  });
});

describe('the redirect of blobs', () => {
  it('leads to the content on another origin', async () => {
    await serve({ blobRedirect: true });
    const redirect = await get(`/v2/team/app/blobs/${layer}`);
    const location = redirect.headers.get('location') ?? '';
    expect([redirect.status, new URL(location).host]).toEqual([307, registry.cdn?.host]);
    const answer = await fetch(location);
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(Buffer.from(image.layers[0]?.bytes ?? []));
    expect((await fetch(new URL(location).origin + new URL(location).pathname)).status).toBe(403);
    expect(registry.cdn?.violations).toEqual([]);
  });

  it('notices credentials that come along', async () => {
    await serve({ blobRedirect: true });
    const location = (await get(`/v2/team/app/blobs/${layer}`)).headers.get('location') ?? '';
    expect((await fetch(location, { headers: { authorization: 'Bearer x' } })).status).toBe(400);
    expect(registry.cdn?.violations).toHaveLength(1);
  });
});
