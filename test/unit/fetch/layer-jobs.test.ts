/** Layers on their way: fetched once for all who want them, from a real registry into a real store. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { EngineEvent } from '../../../src/events.js';
import { createLayerJobs } from '../../../src/fetch/layer-jobs.js';
import { openNetwork } from '../../../src/fetch/network.js';
import { createPermits } from '../../../src/fetch/permits.js';
import type { LayerHandle, LayerSource, RegistryOrigin, SessionBase } from '../../../src/fetch/session.js';
import { DEFAULT_HTTP_OPTIONS } from '../../../src/http/options.js';
import { layerBlob } from '../../../src/store/layout.js';
import { openStore } from '../../../src/store/store.js';
import { createLazyRunner } from '../../../src/tasks/runner.js';
import type { Descriptor } from '../../../src/types.js';
import { buildDockerImage } from '../../support/images/docker.js';
import { createRandom } from '../../support/images/random.js';
import { inlineRunner } from '../../support/layer-assembly.js';
import type { FaultPlan } from '../../support/servers/faults.js';
import { startRegistry, type TestRegistry } from '../../support/servers/registry.js';
import { tempDir } from '../../support/temp.js';
import { startClient } from '../http/server.js';
import { addLayer, NEVER, newStore } from '../store/stored-images.js';

const image = buildDockerImage({
  layers: [[{ path: 'big', data: createRandom(1).bytes(300_000) }], [{ path: 'small', data: 'x' }]],
});
const [big, small] = image.layers.map(
  ({ digest, bytes, mediaType }): Descriptor => ({ digest, mediaType, sizeBytes: bytes.length }),
) as [Descriptor, Descriptor];

interface Setup {
  readonly registry: TestRegistry;
  readonly session: SessionBase;
  readonly dir: string;
  readonly events: EngineEvent[];
  readonly jobs: ReturnType<typeof createLayerJobs>;
  source(name: string, origin?: Partial<RegistryOrigin>): LayerSource;
  /** What was asked of the registry for a layer. */
  downloads(layer: Descriptor): number;
}

async function setUp(faults: FaultPlan = [], retries = 0): Promise<Setup> {
  const registry = await startRegistry({ faults });
  onTestFinished(() => registry.close());
  registry.push('test', 'latest', image);
  const { store, lease, dir } = await newStore();
  const events: EngineEvent[] = [];
  const httpOptions = { ...DEFAULT_HTTP_OPTIONS, insecureHttp: true };
  const session: SessionBase = {
    store,
    lease,
    runner: createLazyRunner(async () => inlineRunner),
    http: startClient(),
    tokenHttp: startClient(),
    httpOptions,
    insecure: { http: true, image: true, tls: false, pubkey: false },
    credentials: undefined,
    configDirs: [],
    trustDir: undefined,
    trustKeysFromHttps: false,
    retries,
    permits: createPermits({ connections: 4, connectionsPerHost: 4, memoryBytes: 2 ** 30 }),
    holdOf: () => undefined,
    emit: () => {
      throw new Error('a fact of a layer belongs to an image');
    },
  };
  const source = (name: string, origin: Partial<RegistryOrigin> = {}): LayerSource => ({
    image: name,
    emit: (event) => void events.push(event),
    priority: 0,
    origin: {
      kind: 'registry',
      request: () => ({ url: `${registry.url}/v2/test/blobs/${big.digest}` }),
      renewIfStale: async () => {},
      refreshAuthorization: async () => {},
      ...origin,
    },
  });
  const downloads = ({ digest }: Descriptor): number => registry.requestsTo(digest).length;
  return { registry, session, dir, events, jobs: createLayerJobs(session), source, downloads };
}

const kinds = (events: readonly EngineEvent[]): string[] =>
  events.map((event) => `${event.event} ${'image' in event ? event.image : ''}`);

/** Files of downloads in the ingest folder that are not finished, of all leases. */
function leftovers({ session: { store, lease } }: Setup): string[] {
  const inLease = readdirSync(lease.folder).filter((name) => name !== 'owner.json');
  return [...inLease, ...readdirSync(store.layout.ingestDir).filter((name) => name.endsWith('.part'))];
}

const locks = ({ session: { store } }: Setup): string[] => readdirSync(store.layout.locksDir);

function fileSource(name: string, bytes: Uint8Array): LayerSource {
  const path = join(tempDir(), 'layer');
  writeFileSync(path, bytes);
  const file = { path, offset: 0, sizeBytes: bytes.length };
  return { image: name, emit: () => {}, priority: 0, origin: { kind: 'file', file, digestOf: 'blob' } };
}

describe('a layer', () => {
  it('comes into the store, converted', async () => {
    const setup = await setUp();
    const { jobs, source, session, events } = setup;
    const handle = await jobs.open(big, source('a'), false, NEVER);
    expect(setup.downloads(big)).toBe(0);
    expect(await handle.start()).toEqual({ downloadedBytes: big.sizeBytes });
    expect(await session.store.hasLayer(big.digest)).toBe(true);
    const tar = readFileSync(session.store.layout.blobFile(layerBlob(big.digest)));
    expect(tar.toString('latin1', 0, 10)).toBe('rootfs/big');
    expect(kinds(events)).toEqual(['blob.started a', 'blob.done a']);
    expect([handle.resumedBytes(), leftovers(setup), locks(setup)]).toEqual([0, [], []]);
    await handle.release();
  });

  it('that two images want is downloaded once, for the first of them', async () => {
    const setup = await setUp();
    const { jobs, source } = setup;
    const handles = await Promise.all([
      jobs.open(big, source('a'), false, NEVER),
      jobs.open(big, source('b'), false, NEVER),
    ]);
    const results = await Promise.all(handles.map((handle) => handle.start()));
    expect(results.map(({ downloadedBytes }) => downloadedBytes)).toEqual([big.sizeBytes, 0]);
    expect(setup.downloads(big)).toBe(1);
    expect(kinds(setup.events).sort()).toEqual(['blob.cached b', 'blob.done a', 'blob.started a']);
    expect(handles[0]?.files).toEqual(handles[1]?.files);
    for (const handle of handles) await handle.release();
  });

  it('that is damaged in a file comes from the registry for the image that has it there', async () => {
    const setup = await setUp();
    const { jobs, source, session } = setup;
    const local = fileSource('a', Buffer.alloc(big.sizeBytes));
    const damaged = await jobs.open(big, local, false, NEVER);
    const opening = jobs.open(big, source('b'), false, NEVER);
    await expect(damaged.start()).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
    const handle = await opening;
    expect(await handle.start()).toEqual({ downloadedBytes: big.sizeBytes });
    expect(await session.store.hasLayer(big.digest)).toBe(true);
    for (const one of [damaged, handle]) await one.release();
    expect([leftovers(setup), locks(setup)]).toEqual([[], []]);
  });

  it('that a file has too is read from one of both, and the other finds it in the store', async () => {
    const setup = await setUp();
    const { jobs, source } = setup;
    const local = fileSource('a', image.layers[0]?.bytes ?? Buffer.alloc(0));
    const first = await jobs.open(big, local, false, NEVER);
    const opening = jobs.open(big, source('b'), false, NEVER);
    await first.start();
    const second = await opening;
    expect(await second.start()).toEqual({ downloadedBytes: 0 });
    expect(setup.downloads(big)).toBe(0);
    for (const one of [first, second]) await one.release();
  });

  it('that the store has is not downloaded, unless the store is left out', async () => {
    const setup = await setUp();
    const { jobs, source, session } = setup;
    await addLayer(session.store, session.lease, 'x');
    const first = await jobs.open(big, source('a'), false, NEVER);
    await first.start();
    await first.release();
    const stored = await jobs.open({ ...big }, source('b'), false, NEVER);
    expect(stored.missingBytes).toBeUndefined();
    expect(await stored.start()).toEqual({ downloadedBytes: 0 });
    await stored.release();
    const again = await jobs.open(big, source('c'), true, NEVER);
    expect(again.missingBytes?.()).toBe(2 * big.sizeBytes);
    expect(await again.start()).toEqual({ downloadedBytes: big.sizeBytes });
    expect(again.missingBytes?.()).toBe(0);
    await again.release();
    expect(setup.downloads(big)).toBe(2);
  });

  it('of which somebody states another size comes for the others all the same', async () => {
    const setup = await setUp();
    const wrong = await setup.jobs.open({ ...big, sizeBytes: 5 }, setup.source('wrong'), false, NEVER);
    const opening = setup.jobs.open(big, setup.source('right'), false, NEVER);
    await expect(wrong.start()).rejects.toMatchObject({ code: 'ERR_SIZE_MISMATCH' });
    await wrong.release();
    const right = await opening;
    expect(await right.start()).toEqual({ downloadedBytes: big.sizeBytes });
    await right.release();
  });

  it('that another process fetches is waited for', async () => {
    const setup = await setUp();
    const { jobs, source, session, dir } = setup;
    const other = await openStore(dir);
    const lock = await other.lock(`layer ${small.digest}`, NEVER);
    const opening = jobs.open(small, source('a'), false, NEVER);
    const lease = await other.lease(NEVER);
    // It brings the layer meanwhile.
    for (const kind of ['tar', 'index']) writeFileSync(`${lease.folder}/${kind}`, '');
    await other.commitLayer(small.digest, `${lease.folder}/tar`, `${lease.folder}/index`);
    await lock.release();
    expect(await (await opening).start()).toEqual({ downloadedBytes: 0 });
    expect(setup.downloads(small)).toBe(0);
    expect(kinds(setup.events)).toEqual(['blob.cached a']);
    await lease.release();
    expect(await session.store.hasLayer(small.digest)).toBe(true);
  });

  it('that cannot be had fails for all, leaves nothing behind and is tried again by the next', async () => {
    const setup = await setUp([{ match: '/blobs/', times: 1, fault: { kind: 'status', status: 404 } }]);
    const { jobs, source } = setup;
    const handles = await Promise.all([
      jobs.open(big, source('a'), false, NEVER),
      jobs.open(big, source('b'), false, NEVER),
    ]);
    const [a, b] = handles as [LayerHandle, LayerHandle];
    const results = await Promise.allSettled([a.start(), b.start()]);
    for (const result of results)
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'ERR_NOT_FOUND' } });
    expect([leftovers(setup).filter((name) => !/\.part(\.json)?$/.test(name)), locks(setup)]).toEqual([
      [],
      [],
    ]);
    // While the others still hold it.
    const next = await jobs.open(big, source('c'), false, NEVER);
    expect(await next.start()).toEqual({ downloadedBytes: big.sizeBytes });
    for (const handle of [a, b, next]) await handle.release();
    expect(kinds(setup.events)).toContain('blob.failed a');
  });

  it.each<[string, FaultPlan]>([
    ['does not have it', [{ match: '/blobs/', fault: { kind: 'status', status: 404 } }]],
    ['breaks it off', [{ match: '/blobs/', fault: { kind: 'drop', afterBytes: 1000 } }]],
    ['does not let everybody in', [{ match: '/blobs/', fault: { kind: 'status', status: 403 } }]],
  ])('comes from the registry of another image when that of the first %s', async (_, faults) => {
    const [setup, other] = await Promise.all([setUp(faults), setUp()]);
    const [a, b] = [setup.source('a'), other.source('b')];
    const handles = [
      await setup.jobs.open(big, a, false, NEVER),
      await setup.jobs.open(big, b, false, NEVER),
    ] as const;
    await Promise.all(handles.map((handle) => handle.start()));
    expect(await setup.session.store.hasLayer(big.digest)).toBe(true);
    expect(other.downloads(big)).toBe(1);
    for (const handle of handles) await handle.release();
  });

  it('comes from the registry of another image while that of the first is to be left alone', async () => {
    const setup = await setUp([{ match: '/blobs/', fault: { kind: 'stall', afterBytes: 1000 } }]);
    const other = await setUp();
    const held = new Set<string>();
    const holdOf = (host: string) => (held.has(host) ? { leftMs: 60_000, isUnreachable: false } : undefined);
    const jobs = createLayerJobs({ ...setup.session, holdOf });
    const a = await jobs.open(big, setup.source('a'), false, NEVER);
    const b = await jobs.open(big, other.source('b'), false, NEVER);
    const starting = Promise.all([a.start(), b.start()]);
    await setup.registry.waitForRequest(big.digest);
    held.add(other.registry.host);
    held.add(setup.registry.host);
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(other.downloads(big)).toBe(0);
    held.delete(other.registry.host);
    await starting;
    expect([setup.downloads(big), other.downloads(big)]).toEqual([1, 1]);
    for (const handle of [a, b]) await handle.release();
  });

  it('comes from the registry of another image while the host that the first redirects to is to be left alone', async () => {
    const asks = { kind: 'status', status: 429, headers: { 'retry-after': '50' } } as const;
    const behind = await setUp([{ match: '/blobs/', fault: asks }]);
    const location = `${behind.registry.url}/v2/test/blobs/${big.digest}`;
    const setup = await setUp([{ match: '/blobs/', fault: { kind: 'redirect', location } }], 3);
    const other = await setUp();
    const { session, events, source } = setup;
    const network = openNetwork({}, session.insecure, (event) => void events.push(event));
    onTestFinished(() => network.http.close());
    const jobs = createLayerJobs({ ...session, ...network });
    const again = { request: () => ({ url: `${setup.registry.url}/v2/again/blobs/${big.digest}` }) };
    const handles = [
      await jobs.open(big, source('a'), false, NEVER),
      // Another repository of the same registry is no way around it.
      await jobs.open(big, source('again', again), false, NEVER),
      await jobs.open(big, other.source('b'), false, NEVER),
    ];
    await Promise.all(handles.map((handle) => handle.start()));
    expect([setup, behind, other].map(({ downloads }) => downloads(big))).toEqual([1, 1, 1]);
    expect(events.flatMap((event) => (event.event === 'host.held' ? [event.host] : []))).toEqual([
      behind.registry.host,
    ]);
    for (const handle of handles) await handle.release();
  });

  it('of a host that cannot be reached is not asked for in each of its repositories', async () => {
    const setup = await setUp([{ match: '/blobs/', fault: { kind: 'reset' } }]);
    const repository = (name: string): LayerSource =>
      setup.source(name, {
        request: () => ({ url: `${setup.registry.url}/v2/${name}/blobs/${big.digest}` }),
      });
    const handles = await Promise.all(
      ['a', 'b', 'c'].map((name) => setup.jobs.open(big, repository(name), false, NEVER)),
    );
    const results = await Promise.allSettled(handles.map((handle) => handle.start()));
    for (const result of results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'ERR_NETWORK' } });
    }
    expect(setup.downloads(big)).toBe(1);
    for (const handle of handles) await handle.release();
  });

  it('is asked for with the token of the moment in which its turn has come', async () => {
    const setup = await setUp();
    let token = 'old';
    const source = setup.source('a', {
      request: () => ({ url: `${setup.registry.url}/v2/test/blobs/${big.digest}`, authorization: token }),
      // While it holds its permit: this must not need another one.
      renewIfStale: async () => {
        token = 'new';
      },
    });
    const handle = await setup.jobs.open(big, source, false, NEVER);
    await handle.start();
    const sent = setup.registry.requestsTo(big.digest).map(({ headers }) => headers['authorization']);
    expect(sent).toEqual(['new']);
    await handle.release();
  });

  it('is asked for once more with a new token', async () => {
    const setup = await setUp([{ match: '/blobs/', times: 1, fault: { kind: 'status', status: 401 } }]);
    const refreshes: string[] = [];
    const source = setup.source('a', { refreshAuthorization: async () => void refreshes.push('new') });
    const handle = await setup.jobs.open(big, source, false, NEVER);
    await handle.start();
    expect([refreshes.length, setup.downloads(big)]).toEqual([1, 2]);
    await handle.release();
  });

  it('is not asked for a third time', async () => {
    const setup = await setUp([{ match: '/blobs/', fault: { kind: 'status', status: 401 } }]);
    const handle = await setup.jobs.open(big, setup.source('a'), false, NEVER);
    await expect(handle.start()).rejects.toMatchObject({ code: 'ERR_AUTH' });
    expect(setup.downloads(big)).toBe(2);
    await handle.release();
  });

  it('that nobody wants any more is not downloaded further', async () => {
    const setup = await setUp([{ match: '/blobs/', fault: { kind: 'stall', afterBytes: 1000 } }]);
    const handle = await setup.jobs.open(big, setup.source('a'), false, NEVER);
    const starting = handle.start();
    starting.catch(() => undefined);
    await setup.registry.waitForRequest(big.digest);
    await handle.release();
    await expect(starting).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    // What has come of it stays for the next time.
    expect([leftovers(setup).filter((name) => !/\.part(\.json)?$/.test(name)), locks(setup)]).toEqual([
      [],
      [],
    ]);
  });

  it('goes on for the others when one gives up', async () => {
    const setup = await setUp([{ match: '/blobs/', fault: { kind: 'delay', delayMs: 100 } }]);
    const controller = new AbortController();
    const [a, b] = await Promise.all([
      setup.jobs.open(big, setup.source('a'), false, controller.signal),
      setup.jobs.open(big, setup.source('b'), false, NEVER),
    ]);
    const results = Promise.allSettled([a.start(), b.start()]);
    await setup.registry.waitForRequest(big.digest);
    controller.abort();
    expect((await results)[1]).toMatchObject({ status: 'fulfilled' });
    expect(await setup.session.store.hasLayer(big.digest)).toBe(true);
    await b.release();
  });

  it('that was opened and never begun leaves nothing behind', async () => {
    const setup = await setUp();
    const handle = await setup.jobs.open(big, setup.source('a'), false, NEVER);
    expect(leftovers(setup).length).toBe(2);
    await handle.release();
    await handle.release();
    expect([leftovers(setup), locks(setup), setup.downloads(big)]).toEqual([[], [], 0]);
  });

  it('whose lock another process keeps can be given up', async () => {
    const setup = await setUp();
    const lock = await (await openStore(setup.dir)).lock(`layer ${big.digest}`, NEVER);
    const controller = new AbortController();
    const opening = setup.jobs.open(big, setup.source('a'), false, controller.signal);
    setImmediate(() => controller.abort());
    await expect(opening).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await lock.release();
    expect(locks(setup)).toEqual([]);
  });

  it('goes on where an interrupted download ended', async () => {
    const setup = await setUp([{ match: '/blobs/', times: 1, fault: { kind: 'drop', afterBytes: 100_000 } }]);
    const first = await setup.jobs.open(big, setup.source('a'), false, NEVER);
    await expect(first.start()).rejects.toMatchObject({ code: 'ERR_NETWORK' });
    await first.release();
    expect(existsSync(setup.session.store.layout.partialFile(big.digest))).toBe(true);
    const second = await setup.jobs.open(big, setup.source('a'), false, NEVER);
    const missingBytes = second.missingBytes?.();
    const { downloadedBytes } = await second.start();
    expect(second.resumedBytes()).toBeGreaterThan(0);
    expect(missingBytes).toBe(downloadedBytes + big.sizeBytes);
    expect(downloadedBytes + second.resumedBytes()).toBe(big.sizeBytes);
    await second.release();
  });

  it('tells of every further try', async () => {
    const setup = await setUp([{ match: '/blobs/', times: 1, fault: { kind: 'reset' } }], 1);
    const handle = await setup.jobs.open(big, setup.source('a'), false, NEVER);
    await handle.start();
    await handle.release();
    expect(kinds(setup.events)).toEqual(['blob.started a', 'blob.retry a', 'blob.done a']);
  });
});
