/** `aci fetch` on every kind of Docker image and with every option, against registries that count requests. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Engine, Platform } from '../../dist/src/index.js';
import { buildAci, imageIdOf } from '../support/images/aci.js';
import { buildDockerImage, buildIndex, type DockerImage } from '../support/images/docker.js';
import { runAci } from '../support/process.js';
import { type AciServer, startAciServer } from '../support/servers/aci-server.js';
import { startRegistry, type TestRegistry } from '../support/servers/registry.js';
import { tempDir } from '../support/temp.js';
import { aci, fetchOne, INSECURE, jsonLines, type OutcomeRecord } from './support/commands.js';
import { testEngine, withEngine } from './support/engine.js';

const imageOf = (name: string, options: Partial<Parameters<typeof buildDockerImage>[0]> = {}): DockerImage =>
  buildDockerImage({
    layers: [[{ path: 'base', size: 300_000 }], [{ path: 'etc/name', data: name }]],
    config: { Cmd: [`/bin/${name}`] },
    ...options,
  });
const [amd64, arm64, arm7, arm6] = [
  imageOf('amd64'),
  imageOf('arm64', { architecture: 'arm64' }),
  imageOf('arm7', { architecture: 'arm', variant: 'v7' }),
  imageOf('arm6', { architecture: 'arm', variant: 'v6' }),
];
const members = [arm64, arm6, arm7, amd64].map((image) => ({ image }));
const HOST_ARCH = process.arch === 'arm64' ? arm64 : amd64;
const ALL_BYTES = HOST_ARCH.blobs.reduce((sum, { bytes }) => sum + bytes.length, 0);

let registry: TestRegistry;
let server: AciServer;
let engine: Engine;

beforeAll(async () => {
  [registry, server, engine] = await Promise.all([startRegistry(), startAciServer(), testEngine()]);
  registry.push('team/app', '1.0', HOST_ARCH);
  registry.push('team/list', 'docker', buildIndex(members));
  registry.push('team/list', 'oci', buildIndex(members, 'oci'));
});
afterAll(() => Promise.all([registry.close(), server.close(), engine.close()]));
afterEach(() => {
  expect([...registry.violations, ...server.violations]).toEqual([]);
});

const app = () => `docker://${registry.host}/team/app:1.0`;

/** Requests for blobs and for manifests since the call before. */
function countRequests(): { blobs: number; manifests: number } {
  const [blobs, manifests] = ['/blobs/', '/manifests/'].map((match) => registry.requestsTo(match).length);
  registry.requests.length = 0;
  return { blobs: blobs ?? 0, manifests: manifests ?? 0 };
}

describe('an index', () => {
  it.each(['docker', 'oci'])(
    'gives the image for a platform, and for this host without one: %s',
    async (tag) => {
      const image = `docker://${registry.host}/team/list:${tag}`;
      const topLayer = async (platform?: Platform): Promise<string | undefined> => {
        const { id } = await engine.fetch({ image, platform });
        return /imageid","value":"([^"]*)"/.exec(await engine.catManifest(id))?.[1];
      };
      const arm = { os: 'linux', architecture: 'arm' };
      expect(await topLayer()).toBe(HOST_ARCH.layers[1]?.digest);
      expect(await topLayer({ os: 'linux', architecture: 'arm64' })).toBe(arm64.layers[1]?.digest);
      expect(await topLayer({ ...arm, variant: 'v6' })).toBe(arm6.layers[1]?.digest);
      expect(await topLayer(arm)).toBe(arm7.layers[1]?.digest);
    },
  );

  it('is asked for with --platform: exit code 3 where it lacks it, 2 for a word that is none', async () => {
    const source = `docker://${registry.host}/team/list:oci`;
    const asked = ['linux/arm/v6', 'linux/riscv64', 'linux'];
    const [found, lacking, wrong] = await Promise.all(
      asked.map((platform) => runAci(['fetch', INSECURE, '--json', `--platform=${platform}`, source])),
    );
    expect(found && jsonLines<OutcomeRecord>(found)).toMatchObject([
      { labels: { arch: 'armv6l', os: 'linux' } },
    ]);
    expect([found?.code, lacking?.code, wrong?.code]).toEqual([0, 3, 2]);
  });

  it('is not needed: a single image for another platform than the one asked for is refused', async () => {
    const platform = { os: 'linux', architecture: 's390x' };
    await expect(engine.fetch({ image: app(), platform })).rejects.toMatchObject({
      code: 'ERR_PLATFORM_MISMATCH',
    });
  });
});

describe('a registry with tokens that redirects to another host', () => {
  it('gets a token for the repository, which the other host never sees', async () => {
    const guarded = await startRegistry({ auth: 'token', blobRedirect: true });
    guarded.push('team/app', '1.0', HOST_ARCH);
    const outcome = await fetchOne(`docker://${guarded.host}/team/app:1.0`);
    expect(outcome.status).toBe('fetched');
    const queries = guarded.requestsTo('/token').map(({ query }) => new URLSearchParams(query));
    expect(new Set(queries.map((query) => query.get('scope')))).toEqual(
      new Set(['repository:team/app:pull']),
    );
    expect(guarded.cdn?.requests.length).toBe(HOST_ARCH.blobs.length);
    expect(guarded.cdn?.requests.filter(({ headers }) => 'authorization' in headers)).toEqual([]);
    expect(guarded.cdn?.violations).toEqual([]);
    await guarded.close();
  });

  it('gets a new token for each that expires between the requests', async () => {
    const guarded = await startRegistry({ auth: 'token', tokenTtlRequests: 2 });
    guarded.push('team/app', '1.0', HOST_ARCH);
    const image = `docker://${guarded.host}/team/app:1.0`;
    expect((await engine.fetch({ image, noStore: true })).status).toBe('fetched');
    expect(guarded.requestsTo('/token').length).toBeGreaterThan(1);
    await guarded.close();
  });

  it.each([
    ['token', { username: 'other', password: 'secret' }],
    ['basic', undefined],
  ] as const)('refuses who has no credentials: %s, exit code 5', async (auth, credentials) => {
    const guarded = await startRegistry({ auth, credentials });
    guarded.push('team/app', '1.0', HOST_ARCH);
    const result = await runAci(['fetch', INSECURE, `docker://${guarded.host}/team/app:1.0`]);
    expect(result).toMatchObject({ code: 5, stdout: '' });
    expect(result.stderr).toMatch(/^aci: .*team\/app:1\.0/m);
    await guarded.close();
  });
});

describe('a reference', () => {
  it('with a digest fetches that manifest, whatever its tag is now, and has no version', async () => {
    registry.push('team/moved', '1.0', HOST_ARCH);
    registry.push('team/moved', '1.0', imageOf('other'));
    const image = `docker://${registry.host}/team/moved@${HOST_ARCH.manifestDigest}`;
    const { id, labels, name } = await engine.fetch({ image });
    expect(name).toBe(`${registry.host.replace(':', '_')}/team/moved`);
    expect(Object.keys(labels).sort()).toEqual(['arch', 'os']);
    const manifest: unknown = JSON.parse(await engine.catManifest(id));
    expect(manifest).toMatchObject({ app: { exec: [`/bin/${HOST_ARCH.platform.architecture}`] } });
  });

  it('with a digest that the content does not have is refused', async () => {
    registry.putManifest('team/lies', amd64.manifestDigest, arm64.manifestBytes, arm64.mediaType);
    const image = `docker://${registry.host}/team/lies@${amd64.manifestDigest}`;
    await expect(engine.fetch({ image })).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  });

  it('without --insecure-options=image is refused with the hint that rkt gives, before any request', async () => {
    registry.requests.length = 0;
    const result = await runAci(['fetch', '--insecure-options=http', app()]);
    expect(result).toMatchObject({ code: 6, stdout: '' });
    expect(result.stderr).toContain('(try --insecure-options=image)');
    expect(registry.requests).toEqual([]);
  });

  it('to a registry without TLS is refused without --insecure-options=http', async () => {
    registry.requests.length = 0;
    expect(await runAci(['fetch', '--insecure-options=image', app()])).toMatchObject({ code: 4, stdout: '' });
    expect(registry.requests).toEqual([]);
  });
});

describe('several images in one call', () => {
  it('are all done although one of them fails; its line is empty and the exit code is 9', async () => {
    const home = tempDir();
    const aciFile = buildAci({ name: 'example.test/app', entries: [{ path: 'f', data: 'f' }], gzip: true });
    const url = server.putAci('/app.aci', aciFile);
    const images = [
      app(),
      `docker://${registry.host}/team/none`,
      url,
      `docker://${registry.host}/team/list:oci`,
    ];
    const result = await runAci(['--insecure-options=image,http', 'fetch', ...images], { home });
    expect(result.code).toBe(9);
    const lines = result.stdout.split('\n');
    expect(lines.length).toBe(5);
    expect(lines.map((line) => /^sha512-[0-9a-f]{32}$/.test(line))).toEqual([true, false, true, true, false]);
    expect(lines[1]).toBe('');
    expect(result.stderr).toMatch(/^aci: .*team\/none.*no such image/m);
    expect(result.stderr).toContain('Downloading layer: ');
    expect(JSON.parse((await aci(['image', 'list', '--json'], { home })).stdout)).toHaveLength(3);
  });

  it('are one JSON line each, in the fields of the specification', async () => {
    const home = tempDir();
    const result = await runAci(['fetch', INSECURE, '--json', app(), './none.aci'], { home, cwd: tempDir() });
    expect(result.code).toBe(9);
    const outcomes = jsonLines<OutcomeRecord>(result);
    const [fetched, failed] = ['fetched', 'failed'].map((status) =>
      outcomes.find((outcome) => outcome.status === status),
    );
    expect(outcomes).toHaveLength(2);
    const fields =
      'image id name labels status verified signers sizeBytes downloadedBytes durationMs dependencies'.split(
        ' ',
      );
    expect(Object.keys(fetched ?? {})).toEqual(fields);
    expect(Object.keys(failed ?? {})).toEqual([...fields, 'error']);
    expect(fetched).toMatchObject({
      image: app(),
      id: expect.stringMatching(/^sha512-[0-9a-f]{128}$/),
      name: `${registry.host.replace(':', '_')}/team/app`,
      labels: { arch: expect.any(String), os: 'linux', version: '1.0' },
      verified: false,
      signers: [],
      downloadedBytes: ALL_BYTES,
      dependencies: [],
    });
    expect(failed).toMatchObject({ image: './none.aci', error: { code: 'ERR_NOT_FOUND' } });
  });
});

describe('an ACI', () => {
  it('comes from a URL and from a file with the ID of its uncompressed bytes', async () => {
    const entries = [{ path: 'usr/bin/app', size: 200_000, mode: 0o755 }];
    const options = {
      name: 'example.test/app',
      labels: { version: '3', os: 'linux', arch: 'amd64' },
      entries,
    };
    const id = imageIdOf(buildAci(options));
    const url = server.putAci('/gz.aci', buildAci({ ...options, gzip: true }));
    const output = join(tempDir(), 'app.aci');
    const fetched = { id, labels: options.labels, status: 'fetched', name: 'example.test/app' };
    expect(await engine.fetch({ image: url, output })).toMatchObject(fetched);
    expect(readFileSync(output).equals(buildAci(options))).toBe(true);
    expect(await withEngine({}, (fresh) => fresh.fetch({ image: output }))).toMatchObject(fetched);
  });
});

describe('what the store has', () => {
  it('is asked about once more by default, and renewed by its new layers alone', async () => {
    registry.push('team/tag', 'latest', HOST_ARCH);
    const image = `docker://${registry.host}/team/tag`;
    await withEngine({}, async (fresh) => {
      const before = await fresh.fetch({ image });
      countRequests();
      const again = await fresh.fetch({ image });
      expect(again).toMatchObject({ id: before.id, status: 'cached', downloadedBytes: 0 });
      expect(countRequests()).toEqual({ blobs: 0, manifests: 1 });
      const changed = imageOf('changed', { architecture: HOST_ARCH.platform.architecture });
      registry.push('team/tag', 'latest', changed);
      expect(await fresh.fetch({ image, pullPolicy: 'new' })).toMatchObject({ id: before.id });
      expect(countRequests()).toEqual({ blobs: 0, manifests: 0 });
      const after = await fresh.fetch({ image, pullPolicy: 'update' });
      expect(after).toMatchObject({
        status: 'fetched',
        downloadedBytes: (changed.layers[1]?.bytes.length ?? 0) + changed.configBytes.length,
      });
      expect(after.id).not.toBe(before.id);
      expect(countRequests()).toEqual({ blobs: 2, manifests: 1 });
    });
  });

  it('is enough with --pull-policy and --store-only, and left aside with --no-store', async () => {
    const home = tempDir();
    const fetchWith = (...args: string[]) => fetchOne(app(), { home }, args);
    const { id, downloadedBytes } = await fetchWith();
    expect(downloadedBytes).toBe(ALL_BYTES);
    countRequests();
    for (const option of ['--pull-policy=new', '--pull-policy=never', '--store-only']) {
      expect(await fetchWith(option)).toMatchObject({ id, status: 'cached', downloadedBytes: 0 });
      expect(countRequests()).toEqual({ blobs: 0, manifests: 0 });
    }
    expect(await fetchWith('--no-store')).toMatchObject({ id, downloadedBytes });
    expect(countRequests()).toEqual({ blobs: HOST_ARCH.blobs.length, manifests: 1 });
    expect(JSON.parse((await aci(['image', 'list', '--json'], { home })).stdout)).toHaveLength(1);
  });

  it('is all that counts with --store-only: exit code 3 for what it has not', async () => {
    countRequests();
    const result = await runAci(['fetch', INSECURE, '--store-only', app()]);
    expect(result).toMatchObject({ code: 3, stdout: '' });
    expect(registry.requests).toEqual([]);
  });
});

describe('what is printed', () => {
  it('is the short ID, or the whole with --full, wherever the options stand', async () => {
    const runs = await Promise.all([
      aci([INSECURE, '--workers=1', '--quiet', 'fetch', app()]),
      aci(['fetch', app(), INSECURE, '--workers', '1', '--quiet', '--full']),
      aci(['fetch', app()], {
        env: { ACI_INSECURE_OPTIONS: 'image,http', ACI_WORKERS: '1', ACI_QUIET: 'true' },
      }),
    ]);
    const [before, after, inEnvironment] = runs.map(({ stdout }) => stdout);
    expect(before).toMatch(/^sha512-[0-9a-f]{32}\n$/);
    expect(after).toMatch(/^sha512-[0-9a-f]{128}\n$/);
    expect(after?.slice(0, 39)).toBe(before?.trim());
    expect(inEnvironment).toBe(before);
    expect(runs.map(({ stderr }) => stderr)).toEqual(['', '', '']);
  });

  it('goes with --output to a file too, also when the store had the image', async () => {
    const [home, cwd] = [tempDir(), tempDir()];
    const { id } = await fetchOne(app(), { home, cwd }, ['--output', 'first.aci']);
    await fetchOne(app(), { home, cwd }, ['--output', 'second.aci']);
    for (const name of ['first.aci', 'second.aci']) {
      expect(imageIdOf(readFileSync(join(cwd, name)))).toBe(id);
    }
    const failed = await runAci(['fetch', INSECURE, '--output', 'third.aci', `${app()}.0`], { home, cwd });
    expect(failed.code).toBe(3);
    expect(existsSync(join(cwd, 'third.aci'))).toBe(false);
    const two = await runAci(['fetch', INSECURE, '--output', 'x.aci', app(), app()], { home, cwd });
    expect(two.code).toBe(2);
  });
});
