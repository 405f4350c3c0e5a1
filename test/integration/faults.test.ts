/** What servers and networks do wrong now and then: the image comes all the same, and is the same image. */

import { beforeAll, describe, expect, it } from 'vitest';
import type { EngineEvent, FetchedImage, FetchOutcome } from '../../dist/src/index.js';
import { buildDockerImage, type DockerImage } from '../support/images/docker.js';
import { createRandom } from '../support/images/random.js';
import type { Fault, FaultPlan, FaultRule } from '../support/servers/faults.js';
import type { RecordedRequest } from '../support/servers/listener.js';
import { type RegistryOptions, startRegistry, type TestRegistry } from '../support/servers/registry.js';
import { tempDir } from '../support/temp.js';
import { withEngine } from './support/engine.js';
import { imageRecords, partialFiles, storeListing } from './support/store.js';

/** Every registry of this file is reached by this name, which is a part of the image. */
const HOST = 'registry.example.test';
const IMAGE = `docker://${HOST}/team/app:v1`;
const DROP_BYTES = 150_000;

/** Two layers that do not compress. */
const image: DockerImage = (() => {
  const random = createRandom(20);
  const layer = (path: string, sizeBytes: number) => [{ path, data: random.bytes(sizeBytes) }];
  return buildDockerImage({ layers: [layer('base', 400_000), layer('top', 200_000)] });
})();
const [base, top] = image.layers as [DockerImage['layers'][number], DockerImage['layers'][number]];

interface Run {
  readonly server: TestRegistry;
  readonly dir: string;
  readonly events: EngineEvent[];
  readonly outcome: FetchOutcome;
}

/** Fetches the image from a new registry, where things go wrong by this plan, into a store. */
async function fetchFrom(options: RegistryOptions, dir = tempDir('acifetch-store-')): Promise<Run> {
  const server = await startRegistry(options);
  server.push('team/app', 'v1', image);
  const events: EngineEvent[] = [];
  const resolve = [80, 443].map((port) => ({
    host: HOST,
    port,
    address: '127.0.0.1',
    addressPort: server.port,
  }));
  const outcome = await withEngine(
    { storeDir: dir, resolve, onEvent: (event) => events.push(event) },
    async (engine) => (await engine.fetchAll([{ image: IMAGE }]))[0] as FetchOutcome,
  );
  await server.close();
  return { server, dir, events, outcome };
}

let undisturbed: FetchedImage;
beforeAll(async () => {
  const { outcome } = await fetchFrom({});
  if (outcome.status !== 'fetched') throw new Error(`it ended as ${outcome.status}`);
  undisturbed = outcome;
});

/** It is the image, nothing is left behind, and the servers saw nothing that clients must not do. */
function expectSame({ outcome, server, dir }: Run): void {
  if (outcome.status === 'failed') throw outcome.cause;
  expect(outcome.id).toBe(undisturbed.id);
  expect(outcome.status).toBe('fetched');
  expect(partialFiles(dir)).toEqual(new Map());
  expect([...server.violations, ...(server.cdn?.violations ?? [])]).toEqual([]);
}

const on = (
  match: string | RegExp,
  fault: Fault,
  rest: Omit<FaultRule, 'match' | 'fault'> = {},
): FaultRule => ({
  match,
  fault,
  times: 1,
  ...rest,
});
const sentBytes = (requests: readonly RecordedRequest[]): number =>
  requests.reduce((sum, request) => sum + request.sentBytes, 0);
const retriesOf = (events: readonly EngineEvent[]) => events.filter((event) => event.event === 'blob.retry');

describe.concurrent('a connection that breaks in the middle of a layer', () => {
  const plan: FaultPlan = [on(base.digest, { kind: 'drop', afterBytes: DROP_BYTES })];

  it('is made again, for the rest alone', async () => {
    const run = await fetchFrom({ faults: plan });
    expectSame(run);
    const requests = run.server.requestsTo(base.digest);
    expect(requests.map(({ range, status }) => [range, status])).toEqual([
      [undefined, 200],
      [`bytes=${DROP_BYTES}-`, 206],
    ]);
    expect(sentBytes(requests)).toBe(base.bytes.length);
    expect(sentBytes(run.server.requestsTo(top.digest))).toBe(top.bytes.length);
    expect(run.outcome).toMatchObject({ downloadedBytes: undisturbed.downloadedBytes });
    expect(retriesOf(run.events)).toMatchObject([{ image: IMAGE, blob: base.digest, attempt: 1 }]);
  });

  it('takes the whole again from a server that knows no ranges, and is not confused by it', async () => {
    const run = await fetchFrom({ faults: [...plan, on(base.digest, { kind: 'ignore-range' })] });
    expectSame(run);
    const requests = run.server.requestsTo(base.digest);
    expect(requests.map(({ status }) => status)).toEqual([200, 200]);
    expect(sentBytes(requests)).toBe(DROP_BYTES + base.bytes.length);
  });

  it('fails when the server sends another range, and keeps nothing of it', async () => {
    const empty = storeListing((await fetchFrom({ faults: [on(/./, { kind: 'status', status: 404 })] })).dir);
    const wrong = on(base.digest, { kind: 'wrong-range' });
    const run = await fetchFrom({ faults: [...plan, wrong] });
    expect(run.outcome).toMatchObject({
      status: 'failed',
      error: { code: 'ERR_HTTP_STATUS', stage: 'download' },
    });
    expect(imageRecords(run.dir)).toEqual([]);
    expect(storeListing(run.dir).filter((line) => !line.startsWith('blobs/'))).toEqual(
      empty.filter((line) => !line.startsWith('blobs/')),
    );
    expectSame(await fetchFrom({}, run.dir));
  });

  it('may break three times', async () => {
    const drop = on(base.digest, { kind: 'drop', afterBytes: 100_000 }, { times: 3 });
    const run = await fetchFrom({ faults: [drop] });
    expectSame(run);
    expect(sentBytes(run.server.requestsTo(base.digest))).toBe(base.bytes.length);
    expect(retriesOf(run.events)).toHaveLength(3);
  }, 30_000);
});

describe.concurrent('a server that is not well for a moment', () => {
  it.each([
    ['manifests', 500],
    ['manifests', 503],
    [image.configDigest, 502],
    [top.digest, 503],
    [base.digest, 429],
  ])('is asked again for %s after a %i', async (match, status) => {
    const run = await fetchFrom({ faults: [on(match, { kind: 'status', status })] });
    expectSame(run);
    expect(run.server.requestsTo(match).map((request) => request.status)).toEqual([status, 200]);
  });

  it.each(['manifests', top.digest])('gets the time that it asks for: %s', async (match) => {
    const busy: Fault = { kind: 'status', status: 429, headers: { 'retry-after': '1' } };
    const startedAt = performance.now();
    const run = await fetchFrom({ faults: [on(match, busy)] });
    expectSame(run);
    expect(performance.now() - startedAt).toBeGreaterThan(1000);
  });

  it('may drop the connection of anything once', async () => {
    const reset = (match: string): FaultRule => on(match, { kind: 'reset' });
    const drop = on('manifests', { kind: 'drop', afterBytes: 10 }, { skip: 1 });
    const faults = [
      reset('manifests'),
      drop,
      reset(image.configDigest),
      reset(base.digest),
      reset(top.digest),
    ];
    expectSame(await fetchFrom({ faults }));
  });
});

describe.concurrent('a registry that sends blobs to another host', () => {
  it('is followed there, without its token', async () => {
    const run = await fetchFrom({ blobRedirect: true, auth: 'token' });
    expectSame(run);
    expect(run.server.cdn?.requests.length).toBe(3);
  });

  it('is followed again for the rest of a layer', async () => {
    const cdnFaults = [on(base.digest, { kind: 'drop', afterBytes: DROP_BYTES })];
    const run = await fetchFrom({ blobRedirect: true, auth: 'token', cdnFaults });
    expectSame(run);
    const requests = run.server.cdn?.requestsTo(base.digest) ?? [];
    expect(requests.map(({ range }) => range)).toEqual([undefined, `bytes=${DROP_BYTES}-`]);
    expect(run.server.requestsTo(base.digest)).toHaveLength(2);
  });
});

describe.concurrent('a token that expires', () => {
  it('is replaced when a layer is answered with 401', async () => {
    const run = await fetchFrom({ auth: 'token', tokenTtlRequests: 2 });
    expectSame(run);
    for (const { digest } of image.layers) {
      expect(run.server.requestsTo(digest).map(({ status }) => status)).toEqual([401, 200]);
    }
    expect(run.server.requestsTo('/token').length).toBeLessThanOrEqual(3);
  });

  it('is replaced in the middle of a layer, of which only the rest comes again', async () => {
    const faults = [on(base.digest, { kind: 'drop', afterBytes: DROP_BYTES })];
    // Manifest, config, and both layers once.
    const run = await fetchFrom({ auth: 'token', tokenTtlRequests: 4, faults });
    expectSame(run);
    const rest = `bytes=${DROP_BYTES}-`;
    expect(run.server.requestsTo(base.digest).map(({ range, status }) => [range, status])).toEqual([
      [undefined, 200],
      [rest, 401],
      [rest, 206],
    ]);
    expect(run.server.requestsTo('/token')).toHaveLength(2);
  });
});

it.concurrent('waits for a server that is slow', async () => {
  const slow: Fault = { kind: 'slow', bytesPerSecond: 400_000 };
  const delay: Fault = { kind: 'delay', delayMs: 500 };
  expectSame(
    await fetchFrom({ faults: [on('manifests', delay), on(base.digest, slow), on(top.digest, slow)] }),
  );
});

it.concurrent('keeps nothing of a layer that was changed on the way, so that the next fetch succeeds', async () => {
  const faults = [on(top.digest, { kind: 'corrupt', atByte: 100_000 })];
  const run = await fetchFrom({ faults });
  expect(run.outcome).toMatchObject({ status: 'failed', error: { code: 'ERR_DIGEST_MISMATCH' } });
  expect([...partialFiles(run.dir).keys()].filter((path) => path.includes(top.digest.slice(7)))).toEqual([]);
  expectSame(await fetchFrom({}, run.dir));
});
