/** Plans of the engine: what a fetch would download, and that a plan fails where the fetch would. */

import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Engine, EngineEvent, FetchRequest } from '../../dist/src/index.js';
import { storeLayout } from '../../src/store/layout.js';
import type { ImageId } from '../../src/types.js';
import { buildAci } from '../support/images/aci.js';
import { buildDockerImage } from '../support/images/docker.js';
import { createRandom } from '../support/images/random.js';
import { type AciServer, startAciServer } from '../support/servers/aci-server.js';
import { startRegistry, type TestRegistry } from '../support/servers/registry.js';
import { tempDir } from '../support/temp.js';
import { openClient, type Publisher, startPublisher } from './support/appc-site.js';
import { testEngine } from './support/engine.js';

const data = createRandom(12).bytes(50_000);
const IMAGE = buildDockerImage({ layers: [[{ path: 'a', data }]] });
// A layer may be there twice: what it holds is then the same again.
const TWICE = buildDockerImage({ layers: [[{ path: 'a', data }], [{ path: 'a', data }]] });
const ODD = buildDockerImage({ layers: [[{ path: 'a', data }]], imageConfig: { rootfs: { diff_ids: [] } } });
const ACI = buildAci({ name: 'example.test/app', entries: [{ path: 'a', data }] });

let registry: TestRegistry;
let server: AciServer;
let publisher: Publisher;
beforeAll(async () => {
  [registry, server, publisher] = await Promise.all([startRegistry(), startAciServer(), startPublisher()]);
  registry.push('team/app', '1', IMAGE);
  registry.push('team/twice', '1', TWICE);
  registry.push('team/odd', '1', ODD);
  server.putAci('/app.aci', ACI);
});
afterAll(() => Promise.all([registry.close(), server.close(), publisher.close()]));

const app = (): string => `docker://${registry.host}/team/app:1`;

async function opened(...options: Parameters<typeof testEngine>): Promise<Engine> {
  const engine = await testEngine(...options);
  onTestFinished(() => engine.close());
  return engine;
}

async function planOf(engine: Engine, ...requests: FetchRequest[]) {
  const plans = await engine.planAll(requests);
  return plans.map((plan) => (plan.status === 'planned' ? plan : plan.error.code));
}

describe('a plan', () => {
  it('of an image with a layer twice has it once', async () => {
    const engine = await opened();
    const [plan] = await engine.planAll([{ image: `docker://${registry.host}/team/twice:1` }]);
    expect(new Set(TWICE.layers.map(({ digest }) => digest)).size).toBe(1);
    const blobs = [TWICE.configDigest, TWICE.layers[0]?.digest].map((blob) => ({ blob, storedBytes: 0 }));
    expect(plan).toMatchObject({ blobs });
    expect(plan).toHaveProperty('blobs.length', 2);
  });

  it('is what the fetch then downloads, of whichever names an image has, and nothing is kept of it', async () => {
    registry.push('team/app', 'again', IMAGE);
    const storeDir = tempDir();
    const engine = await opened({ storeDir });
    const requests = [{ image: app() }, { image: `docker://${registry.host}/team/app:again` }];
    const kept = (): string[] =>
      readdirSync(storeDir, { recursive: true, encoding: 'utf8' }).filter(
        (path) => !path.startsWith('ingest/'),
      );
    const before = kept();
    const plans = await planOf(engine, ...requests);
    expect(kept()).toEqual(before);
    const blobs = plans.flatMap((plan) => (typeof plan === 'string' ? [] : plan.blobs));
    const unique = new Map(blobs.map(({ key, sizeBytes = 0 }) => [key, sizeBytes]));
    const planned = [...unique.values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0);
    const outcomes = await engine.fetchAll(requests);
    expect(outcomes.reduce((sum, { downloadedBytes }) => sum + downloadedBytes, 0)).toBe(planned);
  });

  it('tells URLs apart that differ in their queries, without showing them', async () => {
    const engine = await opened();
    const urls = ['secret-1', 'secret-2', 'secret-1'].map((sig) => `${server.url}/app.aci?sig=${sig}`);
    const plans = await planOf(engine, ...urls.map((image) => ({ image })));
    const blobs = plans.flatMap((plan) => (typeof plan === 'string' ? [] : plan.blobs));
    expect(new Set(blobs.map(({ key }) => key)).size).toBe(2);
    expect(JSON.stringify(blobs)).not.toContain('secret');
  });

  it('of a name goes on to the next endpoint, as the fetch does', async () => {
    const { site } = publisher;
    const templates = ['none', 'there'].map((place) => `${site.url}/${place}/{name}-{version}.{ext}`);
    site.tls.putDiscovery('/two', [{ prefix: 'example.test/two', templates }]);
    const aci = buildAci({ name: 'example.test/two', labels: { version: '1' } });
    site.tls.putAci('/there/example.test/two-1.aci', aci);
    const client = await openClient(site, { insecure: { image: true } });
    onTestFinished(() => client.engine.close());
    const request = { image: 'example.test/two:1' };
    expect(await planOf(client.engine, request)).toMatchObject([{ blobs: [{ sizeBytes: aci.length }] }]);
    const { id, sizeBytes } = await client.engine.fetch(request);
    expect(await planOf(client.engine, request)).toMatchObject([{ cached: { id, sizeBytes }, blobs: [] }]);
  });

  it('of what the store would answer with says so, and is no use of it', async () => {
    const storeDir = tempDir();
    const engine = await opened({ storeDir });
    const images = [app(), `${server.url}/app.aci`];
    const requests = images.flatMap((image) => [{ image }, { image, pullPolicy: 'new' } as const]);
    const ids: ImageId[] = [];
    for (const image of images) ids.push((await engine.fetch({ image })).id);
    const layout = storeLayout(storeDir);
    const lastUsed = (): number[] => ids.map((id) => statSync(layout.imageFile(id)).mtimeMs);
    const before = lastUsed();
    const plans = await planOf(engine, ...requests, ...ids.map((image) => ({ image })));
    expect(plans).toMatchObject([0, 0, 1, 1, 0, 1].map((at) => ({ cached: { id: ids[at] }, blobs: [] })));
    expect(lastUsed()).toEqual(before);
  });

  it('says of a request that is made again for which platform it is', async () => {
    const busy = await startRegistry({
      faults: [{ match: '/manifests/', times: 1, fault: { kind: 'status', status: 503 } }],
    });
    onTestFinished(() => busy.close());
    busy.push('team/app', '1', IMAGE);
    const events: EngineEvent[] = [];
    const engine = await opened({ onEvent: (event) => void events.push(event) });
    const { platform } = IMAGE;
    await planOf(engine, { image: `docker://${busy.host}/team/app:1`, platform });
    expect(events).toContainEqual(expect.objectContaining({ event: 'image.retry', platform }));
  });

  it('is told of as soon as it is made, with its place in the list', async () => {
    const slow = await startRegistry({
      faults: [{ match: '/manifests/', fault: { kind: 'stall', afterBytes: 10 } }],
    });
    onTestFinished(() => slow.close());
    const engine = await opened();
    const requests = [{ image: `docker://${slow.host}/team/app:1` }, { image: app() }];
    const stopping = new AbortController();
    const told = new Promise<unknown>((resolve) => {
      const onOutcome = ({ image }: { image: string }, index: number): void => resolve([image, index]);
      const planning = engine.planAll(requests, { signal: stopping.signal, onOutcome });
      planning.catch(resolve);
    });
    expect(await told).toEqual([app(), 1]);
    stopping.abort();
  });

  it('keeps to the time of an image', async () => {
    const slow = await startRegistry({
      faults: [{ match: '/manifests/', fault: { kind: 'stall', afterBytes: 10 } }],
    });
    slow.push('team/app', '1', IMAGE);
    onTestFinished(() => slow.close());
    const engine = await opened({ timeoutMs: 300 });
    expect(await planOf(engine, { image: `docker://${slow.host}/team/app:1` })).toEqual(['ERR_NETWORK']);
  });
});

describe('what a fetch refuses, a plan refuses for the same reason', () => {
  const file = join(tempDir(), 'x.asc');
  writeFileSync(file, 'no signature');
  const missing = join(tempDir(), 'none');

  it.each<[title: string, request: () => FetchRequest, isImageInsecure: boolean, code: string]>([
    ['a missing file', () => ({ image: `${missing}.aci` }), true, 'ERR_NOT_FOUND'],
    ['a missing archive', () => ({ image: `docker-archive:${missing}.tar` }), true, 'ERR_NOT_FOUND'],
    ['a missing URL', () => ({ image: `${server.url}/none.aci` }), true, 'ERR_NOT_FOUND'],
    [
      'a Docker image for another platform, which no index says',
      () => ({ image: app(), platform: { os: 'linux', architecture: 's390x' } }),
      true,
      'ERR_PLATFORM_MISMATCH',
    ],
    [
      'a Docker image whose config has other layers',
      () => ({ image: `docker://${registry.host}/team/odd:1` }),
      true,
      'ERR_MANIFEST_INVALID',
    ],
    ['a signature of a Docker image', () => ({ image: app(), signature: file }), true, 'ERR_USAGE'],
    [
      'a Docker image of the store only',
      () => ({ image: app(), pullPolicy: 'never' }),
      true,
      'ERR_NOT_IN_STORE',
    ],
    [
      'a URL of the store only',
      () => ({ image: `${server.url}/app.aci`, pullPolicy: 'never' }),
      true,
      'ERR_NOT_IN_STORE',
    ],
    [
      'a name of the store only',
      () => ({ image: 'example.test/none', pullPolicy: 'never' }),
      true,
      'ERR_NOT_IN_STORE',
    ],
    ['an ID that is not there', () => ({ image: `sha512-${'0'.repeat(32)}` }), true, 'ERR_NOT_IN_STORE'],
    [
      'a missing signature',
      () => ({ image: `${server.url}/app.aci`, signature: missing }),
      false,
      'ERR_NOT_FOUND',
    ],
    ['a missing signature of a file', () => ({ image: file, signature: missing }), false, 'ERR_NOT_FOUND'],
    ['a Docker image that cannot be verified', () => ({ image: app() }), false, 'ERR_SIGNATURE_REQUIRED'],
    [
      'one whose signature is demanded',
      () => ({ image: app(), requireSignature: true }),
      true,
      'ERR_SIGNATURE_REQUIRED',
    ],
    [
      'an archive that cannot be verified',
      () => ({ image: `oci:${missing}` }),
      false,
      'ERR_SIGNATURE_REQUIRED',
    ],
  ])('%s', async (_, request, image, code) => {
    const engine = await opened({ insecure: { image, http: true }, retries: 0 });
    const [fetched] = await engine.fetchAll([request()]);
    expect([...(await planOf(engine, request())), fetched]).toMatchObject([code, { error: { code } }]);
  });
});
