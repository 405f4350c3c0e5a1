/** Signals and kills in the middle of a fetch: a quick end, nothing half-visible, and a download that goes on. */

import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { storeLayout } from '../../src/store/layout.js';
import { buildAci } from '../support/images/aci.js';
import { buildDockerImage, type DockerImage } from '../support/images/docker.js';
import { createRandom } from '../support/images/random.js';
import { runTool, startAci } from '../support/process.js';
import { startRegistry, type TestRegistry } from '../support/servers/registry.js';
import { tempDir } from '../support/temp.js';
import { fetchOne, INSECURE } from './support/commands.js';
import { withEngine } from './support/engine.js';
import { killAtRandomMoments } from './support/kills.js';

const random = createRandom(11);
const image: DockerImage = buildDockerImage({
  layers: [
    [{ path: 'base', data: random.bytes(4_000_000) }],
    [{ path: 'top', data: random.bytes(2_000_000) }],
  ],
});
const layerBytes = image.layers.reduce((sum, { bytes }) => sum + bytes.length, 0);

let registry: TestRegistry;
let id: string;
beforeAll(async () => {
  registry = await startRegistry();
  registry.push('team/app', '1', image);
  id = (await fetchOne(app())).id;
});
afterAll(() => registry.close());
afterEach(() => {
  registry.setFaults([]);
  registry.requests.length = 0;
});

const app = (): string => `docker://${registry.host}/team/app:1`;
const slow = { match: '/blobs/', fault: { kind: 'slow', bytesPerSecond: 800_000 } } as const;
const servedBytes = (): number =>
  registry.requestsTo('/blobs/').reduce((sum, { sentBytes }) => sum + sentBytes, 0);

/** Starts a slow fetch and resolves when some of the base layer is in its partial file. */
async function startSlowFetch(dir: string) {
  registry.setFaults([slow]);
  registry.requests.length = 0;
  const running = startAci(['fetch', INSECURE, app()], { dir });
  const partial = storeLayout(dir).partialFile(image.layers[0]?.digest ?? '');
  while (!existsSync(partial) || readFileSync(partial).length < 200_000) {
    await sleep(20);
  }
  return { running, partial };
}

/** What a fetch has left besides partial downloads: folders, temporary files, locks, images, blobs. */
function leftovers(dir: string): string[] {
  const layout = storeLayout(dir);
  const inside = (folder: string): string[] => readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return [
    ...inside(layout.ingestDir).filter((name) => !/\.part(\.json)?$/.test(name)),
    ...inside(layout.locksDir),
    ...inside(layout.imagesDir),
    ...layout.blobDirs.flatMap(inside),
  ];
}

// A process that is interrupted ends within a second, tidied up or not: a busy machine may not give it the time.
describe('a fetch that is interrupted', { retry: 2 }, () => {
  it('ends at once while it waits for a signature that never comes through its pipe', async () => {
    const dir = tempDir();
    const [file, pipe] = [join(dir, 'x.aci'), join(dir, 'pipe')];
    writeFileSync(file, buildAci({ name: 'example.test/app' }));
    await runTool('mkfifo', [pipe]);
    const running = startAci(['fetch', file, '--signature', pipe], { timeoutMs: 20_000 });
    await running.waitForStderr(/fetching image/);
    running.kill('SIGINT');
    expect((await running.done).code).toBe(130);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('by %s ends at once, and the next one goes on where it was', async (signal, exitCode) => {
    const dir = tempDir();
    const { running, partial } = await startSlowFetch(dir);
    const startedAt = performance.now();
    running.kill(signal);
    const { code, stdout, stderr } = await running.done;
    expect(performance.now() - startedAt).toBeLessThan(2000);
    expect([code, stdout]).toEqual([exitCode, '']);
    expect(stderr).toContain('interrupted');
    expect(leftovers(dir)).toEqual([]);
    const kept = readFileSync(partial).length;
    expect(kept).toBeGreaterThan(100_000);

    registry.setFaults([]);
    registry.requests.length = 0;
    expect((await fetchOne(app(), { dir })).id).toBe(id);
    const ranges = registry.requestsTo(image.layers[0]?.digest ?? '').map(({ range }) => range);
    expect(ranges).toEqual([`bytes=${kept}-`]);
    expect(readdirSync(storeLayout(dir).ingestDir)).toEqual([]);
  });

  it('twice ends without waiting for anything', async () => {
    const { running } = await startSlowFetch(tempDir());
    const startedAt = performance.now();
    running.kill('SIGINT');
    running.kill('SIGINT');
    expect((await running.done).code).toBe(130);
    expect(performance.now() - startedAt).toBeLessThan(1500);
  });

  it.each([
    ['a server that does not answer', 'manifests', { kind: 'delay', delayMs: 20_000 }],
    ['a layer that does not come', '/blobs/', { kind: 'stall', afterBytes: 0 }],
    ['the time until a retry', '/blobs/', { kind: 'status', status: 503, headers: { 'retry-after': '50' } }],
  ] as const)('does not wait for %s', async (_, match, fault) => {
    const dir = tempDir();
    // The first blob is the config.
    const skip = match === '/blobs/' ? 1 : 0;
    registry.setFaults([{ match, skip, fault }]);
    const running = startAci(['fetch', INSECURE, app()], { dir });
    while (registry.requestsTo(match).length <= skip) await sleep(20);
    await sleep(100);
    const startedAt = performance.now();
    running.kill('SIGINT');
    const { code, stdout } = await running.done;
    expect(performance.now() - startedAt).toBeLessThan(2000);
    expect([code, stdout]).toEqual([130, '']);
    expect(leftovers(dir)).toEqual([]);
  });

  it('does not wait for another process, which fetches the same layers and is not disturbed', async () => {
    const dir = tempDir();
    const { running: first } = await startSlowFetch(dir);
    const second = startAci(['fetch', INSECURE, app()], { dir });
    await second.waitForStderr(/fetching image from/);
    await sleep(300);
    const startedAt = performance.now();
    second.kill('SIGINT');
    expect((await second.done).code).toBe(130);
    expect(performance.now() - startedAt).toBeLessThan(2000);
    expect((await first.done).code).toBe(0);
    // Where the second one had no time to tidy up, the next one does.
    await fetchOne(app(), { dir });
    const layout = storeLayout(dir);
    expect([layout.ingestDir, layout.locksDir].flatMap((folder) => readdirSync(folder))).toEqual([]);
  });

  it('through its signal rejects with ERR_ABORTED and leaves nothing but what it has downloaded', async () => {
    const storeDir = tempDir();
    registry.setFaults([slow]);
    await withEngine({ storeDir }, async (engine) => {
      const controller = new AbortController();
      const fetching = engine.fetch({ image: app() }, controller.signal);
      await registry.waitForRequest(image.layers[0]?.digest ?? '');
      controller.abort();
      await expect(fetching).rejects.toMatchObject({ code: 'ERR_ABORTED', exitCode: 130 });
    });
    expect(leftovers(storeDir)).toEqual([]);
  });
});

describe('what a killed process leaves', () => {
  it('does no harm at whatever moment it was killed', async () => {
    await killAtRandomMoments({ kills: 3, registry, image: app(), id });
  });

  it.each([
    ['has a wrong byte', (path: string) => flipByte(path, 1000)],
    ['is longer than the layer', (path: string) => appendFile(path, Buffer.alloc(5_000_000))],
    ['is empty', (path: string) => truncateSync(path, 0)],
    ['has all bytes, but others', (path: string) => writeFileSync(path, otherBytes())],
  ])('is replaced where the partial download %s', async (_, damage) => {
    const dir = tempDir();
    const { running, partial } = await startSlowFetch(dir);
    running.kill('SIGINT');
    await running.done;
    await damage(partial);
    registry.setFaults([]);
    registry.requests.length = 0;
    expect((await fetchOne(app(), { dir })).id).toBe(id);
    expect(servedBytes()).toBeGreaterThan(layerBytes / 2);
  });

  it('of finished layers is not downloaded again', async () => {
    const dir = tempDir();
    const [base, top] = image.layers;
    registry.setFaults([{ match: base?.digest ?? '', fault: { kind: 'stall', afterBytes: 300_000 } }]);
    const running = startAci(['fetch', INSECURE, app()], { dir });
    const topBlob = storeLayout(dir).indexFile(top?.digest as never);
    while (!existsSync(topBlob)) await sleep(20);
    running.kill('SIGKILL');
    await running.done;
    registry.setFaults([]);
    registry.requests.length = 0;
    expect((await fetchOne(app(), { dir })).id).toBe(id);
    expect(registry.requestsTo(top?.digest ?? '')).toEqual([]);
  });
});

describe('an engine', () => {
  it('leaves no threads and no open files behind', async () => {
    const count = (what: 'fd' | 'task'): number => readdirSync(`/proc/self/${what}`).length;
    registry.push('small', '1', buildDockerImage({ layers: [[{ path: 'f', data: 'x' }]] }));
    const small = `docker://${registry.host}/small:1`;
    const fetchAndClose = (): Promise<unknown> => withEngine({}, (engine) => engine.fetch({ image: small }));
    const abortAndClose = (afterMs: number): Promise<unknown> =>
      withEngine({}, (engine) => {
        const controller = new AbortController();
        setTimeout(() => controller.abort(), afterMs);
        return engine.fetch({ image: app() }, controller.signal).catch(() => undefined);
      });
    await fetchAndClose();
    await abortAndClose(100);
    const before = { fd: count('fd'), task: count('task') };
    for (let round = 0; round < 10; round++) {
      await fetchAndClose();
      await abortAndClose(30 * round);
    }
    // Sockets of the test server close a moment later.
    await sleep(300);
    expect(count('fd')).toBeLessThanOrEqual(before.fd + 3);
    expect(count('task')).toBeLessThanOrEqual(before.task + 1);
  });
});

function otherBytes(): Buffer {
  return Buffer.alloc(image.layers[0]?.bytes.length ?? 0, 'x');
}

function flipByte(path: string, offset: number): void {
  const bytes = readFileSync(path);
  bytes[offset] = (bytes[offset] ?? 0) ^ 0xff;
  writeFileSync(path, bytes);
}
