/** Downloading a layer, checking it and converting it, in one task. */

import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DEFAULT_HTTP_OPTIONS } from '../../../src/http/options.js';
import type {
  FetchLayerInput,
  FetchLayerOutput,
  LocalLayer,
  RegistryLayer,
  TaskNote,
} from '../../../src/tasks/contract.js';
import { blobCounters, newBlobCounters } from '../../../src/tasks/counters.js';
import type { Digest } from '../../../src/types.js';
import { createRandom } from '../../support/images/random.js';
import { buildTar } from '../../support/images/tar.js';
import { convertLayer, inlineRunner } from '../../support/layer-assembly.js';
import { leavePartial } from '../../support/partial.js';
import { type AciServer, startAciServer } from '../../support/servers/aci-server.js';
import type { FaultPlan } from '../../support/servers/faults.js';
import { tempDir } from '../../support/temp.js';

const NEVER = new AbortController().signal;
const ENTRIES = [
  { path: 'd', type: 'directory' },
  { path: 'd/file', data: createRandom(1).bytes(400_000) },
  { path: '.wh.gone' },
  { path: 'd/link', type: 'symlink', linkname: 'file' },
] as const;
const LAYER = gzipSync(buildTar(ENTRIES));
const CONVERTED = convertLayer(ENTRIES);

interface Setup {
  readonly server: AciServer;
  readonly input: FetchLayerInput;
  readonly source: RegistryLayer;
  readonly notes: TaskNote[];
  run(fields?: Partial<FetchLayerInput>, signal?: AbortSignal): Promise<FetchLayerOutput>;
}

async function setUp(bytes: Buffer = LAYER, faults: FaultPlan = []): Promise<Setup> {
  const server = await startAciServer({ faults });
  onTestFinished(() => server.close());
  const dir = tempDir('fetch-layer-');
  const [tarFile, indexFile] = [join(dir, 'tar'), join(dir, 'index')];
  for (const file of [tarFile, indexFile]) writeFileSync(file, '');
  const http = { ...DEFAULT_HTTP_OPTIONS, insecureHttp: true };
  const source: RegistryLayer = {
    kind: 'registry',
    request: { url: server.putFile('/layer', bytes), http, retries: 0 },
    partialFile: join(dir, 'part'),
  };
  const input: FetchLayerInput = {
    source,
    digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest,
    sizeBytes: bytes.length,
    priority: 0,
    tarFile,
    indexFile,
    counters: newBlobCounters().memory,
  };
  const notes: TaskNote[] = [];
  const run: Setup['run'] = (fields = {}, signal = NEVER) => {
    const whole = { ...input, ...fields };
    const onNote = (note: TaskNote): void => {
      if (note.note !== 'connection') notes.push(note);
      // As a coordinator does that has no other task.
      else if (note.isFirst && note.change > 0) blobCounters(whole.counters).grant('first');
    };
    return inlineRunner.run('fetchLayer', whole, { signal, onNote });
  };
  return { server, input, source, notes, run };
}

function expectConverted({ input, source }: Setup): void {
  expect(readFileSync(input.tarFile).equals(CONVERTED.tar)).toBe(true);
  expect(readFileSync(input.indexFile).equals(CONVERTED.index)).toBe(true);
  const counters = blobCounters(input.counters);
  expect(counters.state()).toBe('complete');
  expect(counters.read('wireBytes')).toBe(input.sizeBytes);
  expect(counters.read('tarBytes')).toBe(CONVERTED.tar.length);
  expect(counters.read('indexBytes')).toBe(CONVERTED.index.length);
  expect(existsSync(source.partialFile)).toBe(false);
}

describe('fetchLayer', () => {
  it('writes the layer converted, and its index', async () => {
    const setup = await setUp();
    expect(await setup.run()).toEqual({ downloadedBytes: LAYER.length, resumedBytes: 0 });
    expectConverted(setup);
    expect(setup.notes).toEqual([{ note: 'opened', sizeBytes: LAYER.length, resumedBytes: 0 }]);
  });

  it('leaves the holes of a sparse file what they are', async () => {
    const realBytes = 800 * 1024 * 1024;
    const sparse = { pax: { 'GNU.sparse.size': String(realBytes), 'GNU.sparse.map': '0,1' }, data: 'x' };
    const setup = await setUp(gzipSync(buildTar([{ path: 'lastlog', ...sparse }, { path: 'after' }])));
    await setup.run();
    const { size, blocks } = statSync(setup.input.tarFile);
    expect(size).toBe(512 + realBytes + 512);
    expect(blocks * 512).toBeLessThan(1024 * 1024);
    expect(blobCounters(setup.input.counters).read('tarBytes')).toBe(size);
    expect(readFileSync(setup.input.indexFile, 'utf8')).toContain(`["f","after",${512 + realBytes},512,0]`);
  });

  it('takes a digest of sha512, and a layer that is not compressed', async () => {
    const tar = buildTar(ENTRIES);
    const setup = await setUp(tar);
    const digest = `sha512:${createHash('sha512').update(tar).digest('hex')}` as Digest;
    await setup.run({ digest });
    expectConverted(setup);
  });

  it('goes on where an attempt before it ended', async () => {
    const setup = await setUp();
    leavePartial(setup.source.partialFile, LAYER.subarray(0, 100_000));
    expect(await setup.run()).toEqual({ downloadedBytes: LAYER.length - 100_000, resumedBytes: 100_000 });
    expect(setup.server.requests.map(({ range }) => range)).toEqual(['bytes=100000-']);
    expectConverted(setup);
  });

  it('asks for nothing when all of it is here', async () => {
    const setup = await setUp();
    leavePartial(setup.source.partialFile, LAYER);
    expect(await setup.run()).toEqual({ downloadedBytes: 0, resumedBytes: LAYER.length });
    expect(setup.server.requests).toEqual([]);
    expectConverted(setup);
  });

  it('begins again when more is here than there can be', async () => {
    const setup = await setUp();
    leavePartial(setup.source.partialFile, Buffer.concat([LAYER, Buffer.from('x')]));
    expect(await setup.run()).toEqual({ downloadedBytes: LAYER.length, resumedBytes: 0 });
    expectConverted(setup);
  });

  it('skips what it has when the server sends everything', async () => {
    const setup = await setUp(LAYER, [{ match: '/layer', fault: { kind: 'ignore-range' } }]);
    leavePartial(setup.source.partialFile, LAYER.subarray(0, 100_000));
    expect(await setup.run()).toEqual({ downloadedBytes: LAYER.length, resumedBytes: 100_000 });
    expectConverted(setup);
  });

  it('takes what a server sends of the rest, piece by piece', async () => {
    const bytes = Buffer.concat([LAYER, randomBytes(400_000)]);
    const setup = await setUp(gzipSync(buildTar([{ path: 'f', data: bytes }])), [
      { match: '/layer', times: 1, fault: { kind: 'drop', afterBytes: 100_000 } },
      { match: '/layer', fault: { kind: 'short-range', mostBytes: 100_000 } },
    ]);
    const source = { ...setup.source, request: { ...setup.source.request, retries: 1 } };
    await setup.run({ source });
    expect(setup.server.requests.length).toBeGreaterThanOrEqual(4);
    expect(blobCounters(setup.input.counters).state()).toBe('complete');
  });

  it('goes on after a connection that broke, and tells so', async () => {
    const setup = await setUp(LAYER, [
      { match: '/layer', times: 1, fault: { kind: 'drop', afterBytes: 150_000 } },
    ]);
    const request = { ...setup.source.request, retries: 1 };
    expect(await setup.run({ source: { ...setup.source, request } })).toMatchObject({
      downloadedBytes: LAYER.length,
    });
    expect(setup.notes.map(({ note }) => note)).toEqual(['opened', 'retry']);
    expectConverted(setup);
  });

  it('keeps what came of a download that failed', async () => {
    const setup = await setUp(LAYER, [{ match: '/layer', fault: { kind: 'drop', afterBytes: 150_000 } }]);
    await expect(setup.run()).rejects.toMatchObject({ code: 'ERR_NETWORK', stage: 'download' });
    const rest = readFileSync(setup.source.partialFile);
    expect(rest.length).toBeGreaterThan(0);
    expect(rest.equals(LAYER.subarray(0, rest.length))).toBe(true);
    expect(blobCounters(setup.input.counters).state()).toBe('running');
  });

  it.each<[string, FaultPlan, string]>([
    [
      'another content',
      [{ match: '/layer', fault: { kind: 'corrupt', atByte: 200_000 } }],
      'ERR_DIGEST_MISMATCH',
    ],
    [
      'less than is announced',
      [{ match: '/layer', fault: { kind: 'truncate', afterBytes: 1000 } }],
      'ERR_SIZE_MISMATCH',
    ],
    [
      'more than is announced',
      [{ match: '/layer', fault: { kind: 'oversize', extraBytes: 10 } }],
      'ERR_SIZE_MISMATCH',
    ],
    [
      'more than is announced, without saying so',
      [{ match: '/layer', fault: { kind: 'oversize', extraBytes: 10, chunked: true } }],
      'ERR_SIZE_MISMATCH',
    ],
    ['an error', [{ match: '/layer', fault: { kind: 'status', status: 403 } }], 'ERR_AUTH'],
    ['nothing of that name', [{ match: '/layer', fault: { kind: 'status', status: 404 } }], 'ERR_NOT_FOUND'],
  ])('refuses %s', async (_, faults, code) => {
    const setup = await setUp(LAYER, faults);
    await expect(setup.run()).rejects.toMatchObject({ code });
    expect(blobCounters(setup.input.counters).state()).not.toBe('complete');
    if (code === 'ERR_DIGEST_MISMATCH') expect(existsSync(setup.source.partialFile)).toBe(false);
  });

  it('finds a rest bad that is not of this layer', async () => {
    const setup = await setUp();
    leavePartial(setup.source.partialFile, Buffer.alloc(1000, 'x'));
    await expect(setup.run()).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
    expect(existsSync(setup.source.partialFile)).toBe(false);
    expect(await setup.run()).toMatchObject({ downloadedBytes: LAYER.length });
    expectConverted(setup);
  });

  it.each<[string, Buffer, string]>([
    ['no tar', Buffer.from('this is no archive at all, but text '.repeat(100)), 'ERR_TAR_INVALID'],
    ['compressed text', gzipSync('text '.repeat(1000)), 'ERR_TAR_INVALID'],
    ['a tar that ends early', gzipSync(buildTar(ENTRIES).subarray(0, 5000)), 'ERR_TAR_INVALID'],
    ['compressed data that ends early', LAYER.subarray(0, 100_000), 'ERR_COMPRESSION'],
    ['an entry that leaves the root', gzipSync(buildTar([{ path: '../x' }])), 'ERR_UNSAFE_PATH'],
  ])('tells of %s only when it is what the image names', async (_, bytes, code) => {
    const right = await setUp(bytes);
    await expect(right.run()).rejects.toMatchObject({ code });
    const wrong = await setUp(bytes);
    await expect(wrong.run({ digest: `sha256:${'0'.repeat(64)}` as Digest })).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
    });
  });

  it('ends soon after an abort, in the download and before it', async () => {
    const setup = await setUp(LAYER, [{ match: '/layer', fault: { kind: 'stall', afterBytes: 1000 } }]);
    const controller = new AbortController();
    const running = setup.run({}, controller.signal);
    await setup.server.waitForRequest('/layer');
    const startedAt = performance.now();
    controller.abort();
    await expect(running).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await expect(setup.run({}, controller.signal)).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });

  it('cannot write where there are no files for it', async () => {
    const setup = await setUp();
    const running = setup.run({ tarFile: join(tempDir(), 'none') });
    await expect(running).rejects.toMatchObject({ code: 'ERR_IO', exitCode: 8 });
  });

  it('takes an empty layer', async () => {
    const setup = await setUp(gzipSync(buildTar([])));
    await setup.run();
    expect(readFileSync(setup.input.tarFile).length).toBe(0);
    expect(blobCounters(setup.input.counters).state()).toBe('complete');
  });
});

describe('fetchLayer of a local file', () => {
  const diffId = `sha256:${createHash('sha256').update(buildTar(ENTRIES)).digest('hex')}` as Digest;

  async function localSetup(digestOf: LocalLayer['digestOf']) {
    const setup = await setUp();
    const path = join(tempDir('local-layer-'), 'archive');
    writeFileSync(path, Buffer.concat([Buffer.alloc(700, 'a'), LAYER, Buffer.alloc(10_000, 'z')]));
    const source: LocalLayer = {
      kind: 'file',
      file: { path, offset: 700, sizeBytes: LAYER.length },
      digestOf,
    };
    return { setup, source, path };
  }

  it.each(['blob', 'content'] as const)(
    'reads a range of it, checks the digest of the %s, and leaves it alone',
    async (digestOf) => {
      const { setup, source, path } = await localSetup(digestOf);
      const before = readFileSync(path);
      const digest = digestOf === 'blob' ? setup.input.digest : diffId;
      expect(await setup.run({ source, digest })).toEqual({ downloadedBytes: 0, resumedBytes: 0 });
      expectConverted(setup);
      expect(setup.server.requests).toEqual([]);
      expect(readFileSync(path).equals(before)).toBe(true);
    },
  );

  it.each(['blob', 'content'] as const)('refuses another digest of the %s', async (digestOf) => {
    const { setup, source } = await localSetup(digestOf);
    const digest = digestOf === 'blob' ? diffId : setup.input.digest;
    await expect(setup.run({ source, digest })).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
    expect(blobCounters(setup.input.counters).state()).not.toBe('complete');
  });

  it('tells when the file has become shorter, or is gone', async () => {
    const { setup, source, path } = await localSetup('blob');
    writeFileSync(path, Buffer.alloc(5000));
    await expect(setup.run({ source })).rejects.toMatchObject({ code: 'ERR_IO' });
    const file = { ...source.file, path: `${path}.none` };
    await expect(setup.run({ source: { ...source, file } })).rejects.toMatchObject({ code: 'ERR_IO' });
  });

  it('ends soon after an abort', async () => {
    const { setup, source } = await localSetup('content');
    const running = setup.run({ source, digest: diffId }, AbortSignal.abort());
    await expect(running).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});
