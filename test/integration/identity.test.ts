/** The same image has the same ID, whatever the order, the machine and the number of workers; layers come once. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startDockerRegistry } from '../support/docker-registry.js';
import { buildDockerImage, type DockerImage } from '../support/images/docker.js';
import { createRandom, randomFiles } from '../support/images/random.js';
import type { TarEntry } from '../support/images/tar.js';
import { run, startAci } from '../support/process.js';
import type { FaultPlan, FaultRule } from '../support/servers/faults.js';
import { startRegistry, type TestRegistry } from '../support/servers/registry.js';
import { pushLayout } from '../support/skopeo.js';
import { tempDir } from '../support/temp.js';
import { hasTool, isRoot, requireTools } from '../support/tools.js';
import { aci, fetchOne, INSECURE } from './support/commands.js';
import { testEngine, withEngine } from './support/engine.js';
import { layeredImage } from './support/layered-image.js';

describe.runIf(isRoot() && requireTools(['docker-registry', 'skopeo', 'umoci', 'setfattr']))(
  'a real root file system',
  () => {
    it('has one ID in four fetches, with one worker and with four, alone and beside another image', async () => {
      const [image, registry] = await Promise.all([layeredImage(), startDockerRegistry()]);
      const push = async (ref: string): Promise<string> => {
        const options = { layout: image.layout, ref, registryHost: registry.host };
        await pushLayout({ ...options, target: `team/rootfs:${ref}` });
        return `docker://${registry.host}/team/rootfs:${ref}`;
      };
      const [plain, odd] = [await push(image.plainRef), await push(image.oddRef)];
      const found: string[] = [];
      for (let round = 0; round < 4; round++) {
        // The other image shares layers with this one, and needs them whole.
        const images = round % 3 === 0 ? [plain] : [plain, odd];
        await withEngine({ workers: round % 2 === 0 ? 1 : 4 }, async (engine) => {
          const outcomes = await engine.fetchAll(images.map((one) => ({ image: one })));
          for (const outcome of outcomes) {
            expect(outcome).toMatchObject({ status: 'fetched' });
            if (outcome.status !== 'failed') found.push(`${outcome.image} ${outcome.id}`);
          }
        });
      }
      await registry.close();
      expect(found.length).toBe(6);
      expect(new Set(found).size).toBe(2);
    });
  },
);

describe('an image of a registry', () => {
  const random = createRandom(7);
  const layers = [4, 3, 2].map((count, index): TarEntry[] => [
    ...randomFiles(random, { count: count * 10, directory: `layer-${index}` }),
    { path: 'shared', data: `layer ${index}`, mtime: index },
    { path: `.wh.layer-${index - 1}` },
  ]);
  /** Without compression, so that nothing depends on the version of zlib. */
  const fixed = buildDockerImage({ layers, compress: 'none', config: { Cmd: ['/bin/app'] } });
  /** Its layers can only be put together when all are there. */
  const odd = buildDockerImage({
    layers: [
      ...layers,
      [
        { path: 'early', type: 'hardlink', linkname: 'late' },
        { path: 'late', type: 'hardlink', linkname: 'shared' },
      ],
    ],
    compress: 'none',
  });
  const HOST = 'registry.example.test';
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await startRegistry();
    registry.push('team/fixed', '1.0', fixed);
    registry.push('team/odd', '1.0', odd);
  });
  afterAll(() => registry.close());

  const resolve = () =>
    [80, 443].map((port) => ({ host: HOST, port, address: '127.0.0.1', addressPort: registry.port }));
  const idOf = async (repository = 'team/fixed', workers = 2): Promise<string> =>
    withEngine({ resolve: resolve(), workers }, async (engine) => {
      const { id } = await engine.fetch({ image: `docker://${HOST}/${repository}:1.0` });
      return id;
    });

  it('has the ID that it had in every version and on every machine so far', async () => {
    const hex =
      'b0d959d79ecf84b1fe52b5e3599ae33c9d85b3e9c217f35477b3d96389052b2f' +
      'a9d5e56bbee33dd37ab9cad240b075c9a28f29b60a2eafbfdce9d6bc32ee3332';
    expect(await idOf()).toBe(`sha512-${hex}`);
  });

  it.each([
    ['layers that can be merged as they come', 'team/fixed', fixed],
    ['layers that need each other', 'team/odd', odd],
  ])(
    'has one ID with one, two and eight workers, whatever arrives when: %s',
    async (_, repository, image) => {
      const late = (at: number): FaultRule => ({
        match: image.layers.at(at)?.digest ?? '',
        fault: { kind: 'delay', delayMs: 250 },
      });
      const runs: readonly (readonly [workers: number, plan: FaultPlan])[] = [
        [1, [late(0)]],
        [8, [late(-1)]],
        [2, [late(1), { match: '/blobs/', times: 3, fault: { kind: 'drop', afterBytes: 700 } }]],
        [8, [{ match: '/blobs/', fault: { kind: 'slow', bytesPerSecond: 8_000_000 } }]],
      ];
      const ids = new Set<string>();
      for (const [workers, plan] of runs) {
        registry.setFaults(plan);
        ids.add(await idOf(repository, workers));
      }
      registry.setFaults([]);
      expect(ids.size).toBe(1);
    },
  );

  it.runIf(hasTool('sha512sum'))('has the SHA-512 of the exported ACI as its ID', async () => {
    const home = tempDir();
    const [exported, output] = [join(tempDir(), 'exported.aci'), join(tempDir(), 'output.aci')];
    const source = `docker://${registry.host}/team/fixed:1.0`;
    const { id } = await fetchOne(source, { home }, ['--output', output]);
    await aci(['image', 'export', id, exported], { home });
    const streamed = await aci(['image', 'export', id, '-'], { home });
    const sums = [
      await run('sha512sum', [exported]),
      await run('sha512sum', [output]),
      await run('sha512sum', ['-'], { input: streamed.stdoutBytes }),
    ];
    expect(sums.map(({ stdout }) => `sha512-${stdout.split(' ')[0]}`)).toEqual([id, id, id]);
  });
});

describe('layers that images share', () => {
  const SHARED: readonly (readonly TarEntry[])[] = [
    [{ path: 'base', size: 3_000_000 }],
    [{ path: 'middle', size: 500_000 }],
  ];
  const imageWith = (name: string): DockerImage =>
    buildDockerImage({ layers: [...SHARED, [{ path: name, data: name }]] });
  const images = ['one', 'two', 'three'].map((name) => ({ name, image: imageWith(name) }));
  const digests = [...new Set(images.flatMap(({ image }) => image.layers.map(({ digest }) => digest)))];
  let registry: TestRegistry;
  beforeAll(async () => {
    // Slow enough for all who want a layer to meet.
    const slow = { match: '/blobs/', fault: { kind: 'slow', bytesPerSecond: 100_000 } } as const;
    registry = await startRegistry({ faults: [slow] });
    for (const { name, image } of images) registry.push(`team/${name}`, '1.0', image);
  });
  afterAll(() => registry.close());

  const sources = () => images.map(({ name }) => `docker://${registry.host}/team/${name}:1.0`);

  /** How often each layer was asked for. */
  function layerRequests(): Record<string, number> {
    return Object.fromEntries(digests.map((digest) => [digest, registry.requestsTo(digest).length]));
  }

  /** Files of the store that are a layer; beside each lies its index. */
  function storedLayers(storeDir: string): string[] {
    const files = readdirSync(storeDir, { recursive: true, encoding: 'utf8' });
    return files
      .filter((file) => /sha256-[0-9a-f]{64}$/.test(file))
      .map((file) => file.replace(/^.*sha256-/, 'sha256:'));
  }

  const once = Object.fromEntries(digests.map((digest) => [digest, 1]));

  it('are downloaded once and stored once in a call for all of them', async () => {
    registry.requests.length = 0;
    const storeDir = tempDir();
    const engine = await testEngine({ storeDir });
    const outcomes = await engine.fetchAll(sources().map((image) => ({ image })));
    const ids = new Set(outcomes.map((outcome) => (outcome.status === 'failed' ? '' : outcome.id)));
    expect(ids.size).toBe(3);
    expect(layerRequests()).toEqual(once);
    expect(storedLayers(storeDir).sort()).toEqual([...digests].sort());
    const bytes = outcomes.reduce((sum, { downloadedBytes }) => sum + downloadedBytes, 0);
    const blobs = new Map(
      images.flatMap(({ image }) => image.blobs.map((blob) => [blob.digest, blob.bytes.length])),
    );
    expect(bytes).toBe([...blobs.values()].reduce((sum, size) => sum + size, 0));
    await engine.close();
  });

  it('are downloaded once by processes that run side by side on one store', async () => {
    registry.requests.length = 0;
    const home = tempDir();
    const running = sources().map((source) => startAci(['fetch', INSECURE, source], { home }));
    for (const { done } of running) expect(await done).toMatchObject({ code: 0 });
    expect(layerRequests()).toEqual(once);
    expect(storedLayers(join(home, 'store')).sort()).toEqual([...digests].sort());
  });
});
