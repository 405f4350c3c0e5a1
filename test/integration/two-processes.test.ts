/** Several processes on one store: each blob comes once, nobody waits for ever, nothing in use is removed. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../../src/store/store.js';
import type { Digest } from '../../src/types.js';
import { buildDockerImage, type DockerImage } from '../support/images/docker.js';
import { createRandom } from '../support/images/random.js';
import { runAci, startAci } from '../support/process.js';
import { startRegistry, type TestRegistry } from '../support/servers/registry.js';
import { tempDir } from '../support/temp.js';
import { aci, fetchOne, INSECURE } from './support/commands.js';
import { withEngine } from './support/engine.js';

const random = createRandom(7);
const layer = (path: string) => [{ path, data: random.bytes(1_500_000) }];
const [base, middle, top, other] = ['base', 'middle', 'top', 'other'].map(layer);
const image: DockerImage = buildDockerImage({ layers: [base ?? [], middle ?? [], top ?? []] });
const sibling: DockerImage = buildDockerImage({ layers: [base ?? [], other ?? []] });

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
  registry.push('team/app', '1', image);
  registry.push('team/sibling', '1', sibling);
});
afterAll(() => registry.close());

const app = (): string => `docker://${registry.host}/team/app:1`;
const blobRequests = (): number => registry.requestsTo('/blobs/').length;

describe('two processes', () => {
  it('that fetch one image get one ID, and each layer comes once', async () => {
    const dir = tempDir();
    registry.setFaults([{ match: '/blobs/', fault: { kind: 'slow', bytesPerSecond: 3_000_000 } }]);
    registry.requests.length = 0;
    const results = await Promise.all([1, 2].map(() => fetchOne(app(), { dir })));
    registry.setFaults([]);
    expect(new Set(results.map(({ id }) => id)).size).toBe(1);
    const configs = 2;
    expect(blobRequests()).toBe(configs + image.layers.length);
    expect((await aci(['image', 'list', '--json'], { dir })).stdout).toContain(results[0]?.id);
  });

  it('do not wait for each other when both need what the other has', async () => {
    for (let round = 0; round < 4; round++) {
      const storeDir = tempDir();
      const store = await openStore(storeDir);
      // Held by a third one while both begin, so that they meet at this layer.
      const digest = image.layers[1]?.digest as Digest;
      const lock = await store.lock(`layer ${digest}`, new AbortController().signal);
      const both = [1, 2].map(() => withEngine({ storeDir }, (engine) => engine.fetch({ image: app() })));
      setTimeout(() => void lock.release(), 600 + 50 * round);
      const ids = (await Promise.all(both)).map(({ id }) => id);
      expect(ids[0]).toBe(ids[1]);
    }
  });
});

describe('removing an image', () => {
  it('leaves the layers that another process is about to use', async () => {
    const dir = tempDir();
    const { id } = await fetchOne(`docker://${registry.host}/team/sibling:1`, { dir });
    registry.setFaults([{ match: '/blobs/', fault: { kind: 'slow', bytesPerSecond: 2_000_000 } }]);
    const fetching = fetchOne(app(), { dir });
    await registry.waitForRequest('/team/app/blobs/');
    await aci(['image', 'rm', id], { dir });
    registry.setFaults([]);
    const fetched = await fetching;
    const checked = await runAci(['image', 'export', fetched.id, '-'], { dir });
    expect(checked.code).toBe(0);
  });

  it('beside a fetch of the same engine leaves the layers of that fetch', async () => {
    await withEngine({}, async (engine) => {
      const first = await engine.fetch({ image: `docker://${registry.host}/team/sibling:1` });
      const baseDigest = image.layers[2]?.digest ?? '';
      registry.setFaults([{ match: baseDigest, fault: { kind: 'slow', bytesPerSecond: 1_000_000 } }]);
      registry.requests.length = 0;
      const fetching = engine.fetch({ image: app() });
      await registry.waitForRequest(baseDigest);
      await engine.removeImage(first.id);
      registry.setFaults([]);
      await expect(fetching).resolves.toMatchObject({ status: 'fetched' });
    });
  });
});

describe('a lock', () => {
  it('of a process that is gone does not hold anybody up', async () => {
    const dir = tempDir();
    registry.setFaults([{ match: '/blobs/', fault: { kind: 'stall', afterBytes: 1000 } }]);
    registry.requests.length = 0;
    const killed = startAci(['fetch', INSECURE, app()], { dir });
    await registry.waitForRequest(image.layers[2]?.digest ?? '');
    killed.kill('SIGKILL');
    await killed.done.catch(() => undefined);
    registry.setFaults([]);
    await fetchOne(app(), { dir });
  });
});
