/** Fetching an ACI from a file or a URL: inflated, hashed, checked and written plain, in one task. */

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { EngineEvent } from '../../../src/events.js';
import type { AciOutput } from '../../../src/fetch/aci-download.js';
import type { AciArrival } from '../../../src/fetch/aci-task.js';
import { DEFAULT_HTTP_OPTIONS } from '../../../src/http/options.js';
import { keepPartialHash } from '../../../src/store/partial-record.js';
import { type PartialHash, parsePartialRecord } from '../../../src/store/records.js';
import { createSha512 } from '../../../wasm/sha512.js';
import { fetchAciInto } from '../../support/aci-download.js';
import { aciManifest, buildAci } from '../../support/images/aci.js';
import { createRandom } from '../../support/images/random.js';
import { buildTar } from '../../support/images/tar.js';
import { leavePartial } from '../../support/partial.js';
import { type AciServer, startAciServer } from '../../support/servers/aci-server.js';
import type { FaultPlan } from '../../support/servers/faults.js';
import { tempDir } from '../../support/temp.js';

const NEVER = new AbortController().signal;
const NAME = 'example.test/app';
const ENTRIES = [{ path: 'file', data: createRandom(1).bytes(400_000) }];
const ACI = buildAci({ name: NAME, entries: ENTRIES });
const GZIP = gzipSync(ACI);
const OTHER = buildAci({ name: NAME, entries: [{ path: 'file', data: createRandom(2).bytes(400_000) }] });
const sha512 = (bytes: Buffer): string => createHash('sha512').update(bytes).digest('hex');

type Fetched = Extract<AciOutput, { status: 'fetched' }>;
type Hashes = Parameters<typeof fetchAciInto>[1]['hashes'];

interface Setup {
  readonly server: AciServer;
  readonly url: string;
  readonly partialFile: string;
  readonly events: EngineEvent[];
  fromUrl(
    validators?: { etag?: string; lastModified?: string },
    retries?: number,
    signal?: AbortSignal,
  ): Promise<AciArrival>;
  fromFile(path: string, signal?: AbortSignal): Promise<AciArrival>;
  /** What an earlier attempt left. */
  leave(bytes: Buffer, record: object): void;
}

async function setUp(bytes: Buffer = ACI, faults: FaultPlan = [], hashes: Hashes = []): Promise<Setup> {
  const server = await startAciServer({ faults });
  onTestFinished(() => server.close());
  const dir = tempDir('fetch-aci-');
  const partialFile = join(dir, 'part');
  const url = server.putAci('/app.aci', bytes);
  const events: EngineEvent[] = [];
  const emit = (event: EngineEvent): void => void events.push(event);
  const http = { ...DEFAULT_HTTP_OPTIONS, insecureHttp: true };
  return {
    server,
    url,
    partialFile,
    events,
    fromUrl(validators = {}, retries = 0, signal = NEVER) {
      const source = { kind: 'url', request: { url, http, retries }, partialFile, validators } as const;
      return fetchAciInto(dir, { source, hashes }, signal, { emit });
    },
    fromFile: (path, signal = NEVER) =>
      fetchAciInto(dir, { source: { kind: 'file', path }, hashes }, signal, { emit }),
    leave: (rest, record) => leavePartial(partialFile, rest, record),
  };
}

function expectFetched({ partialFile }: Setup, { output, aciFile }: AciArrival, aci: Buffer = ACI): Fetched {
  expect(output).toMatchObject({ status: 'fetched', sha512: sha512(aci), sizeBytes: aci.length });
  expect(readFileSync(aciFile).equals(aci)).toBe(true);
  for (const file of [partialFile, `${partialFile}.json`]) expect(existsSync(file)).toBe(false);
  return output as Fetched;
}

/** Kinds of events, with how much was there already. */
function told({ events }: Setup): unknown[] {
  return events.map((event) =>
    event.event === 'blob.started' ? [event.sizeBytes, event.resumedBytes] : event.event,
  );
}

const etagOf = (bytes: Buffer): string => `"${createHash('sha1').update(bytes).digest('hex')}"`;
const ranges = ({ server }: Setup): (string | undefined)[] => server.requests.map(({ range }) => range);

describe('an ACI from a file', () => {
  it.each([
    ['plain', ACI],
    ['compressed', GZIP],
  ])('reads one that is %s', async (_, bytes) => {
    const setup = await setUp();
    const path = join(tempDir(), 'app.aci');
    writeFileSync(path, bytes);
    const { manifest, downloadedBytes } = expectFetched(setup, await setup.fromFile(path));
    expect(JSON.parse(manifest.text)).toEqual(aciManifest({ name: NAME }));
    expect(ACI.toString('utf8', manifest.offset, manifest.offset + manifest.sizeBytes)).toBe(manifest.text);
    expect(downloadedBytes).toBe(0);
    expect(told(setup)).toEqual([[bytes.length, 0], 'blob.done']);
    expect(setup.events[0]).toMatchObject({ isLocal: true });
    expect(setup.events[1]).toMatchObject({ sizeBytes: bytes.length });
  });

  it('leaves the file as it is', async () => {
    const setup = await setUp();
    const path = join(tempDir(), 'app.aci');
    writeFileSync(path, GZIP);
    await setup.fromFile(path);
    expect(readFileSync(path).equals(GZIP)).toBe(true);
  });

  it.each<[string, Buffer, string]>([
    ['a file of text', Buffer.from('text '.repeat(300)), 'ERR_TAR_INVALID'],
    ['an empty file', Buffer.alloc(0), 'ERR_TAR_INVALID'],
    ['an archive without a manifest', buildTar([{ path: 'rootfs', type: 'directory' }]), 'ERR_TAR_INVALID'],
    ['a file that is cut off', ACI.subarray(0, 100_000), 'ERR_TAR_INVALID'],
    ['a compressed file that is cut off', GZIP.subarray(0, 100_000), 'ERR_COMPRESSION'],
    ['an archive that leaves its root', buildTar([{ path: '../x' }]), 'ERR_UNSAFE_PATH'],
  ])('refuses %s', async (_, bytes, code) => {
    const setup = await setUp();
    const path = join(tempDir(), 'app.aci');
    writeFileSync(path, bytes);
    await expect(setup.fromFile(path)).rejects.toMatchObject({ code, exitCode: 7 });
  });

  it('finds no file, or none that can be read', async () => {
    const setup = await setUp();
    const dir = tempDir();
    await expect(setup.fromFile(join(dir, 'none'))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    mkdirSync(join(dir, 'folder'));
    await expect(setup.fromFile(join(dir, 'folder'))).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });

  it('ends after an abort', async () => {
    const setup = await setUp();
    const path = join(tempDir(), 'app.aci');
    writeFileSync(path, ACI);
    await expect(setup.fromFile(path, AbortSignal.abort())).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

describe('an ACI from a URL', () => {
  it('downloads it, with what the server says about it', async () => {
    const setup = await setUp(GZIP);
    const output = expectFetched(setup, await setup.fromUrl());
    expect(output).toMatchObject({ downloadedBytes: GZIP.length, headers: { etag: etagOf(GZIP) } });
    expect(output.headers['last-modified']).toMatch(/GMT$/);
    expect(told(setup)).toEqual([[GZIP.length, 0], 'blob.done']);
  });

  it('says when it has not changed', async () => {
    const setup = await setUp();
    expect((await setup.fromUrl({ etag: etagOf(ACI) })).output).toMatchObject({
      status: 'unchanged',
      headers: { etag: etagOf(ACI) },
    });
    const lastModified = new Date(Date.now() + 10_000).toUTCString();
    expect((await setup.fromUrl({ lastModified })).output).toMatchObject({
      status: 'unchanged',
      headers: { etag: etagOf(ACI) },
    });
    expect(existsSync(setup.partialFile)).toBe(false);
    expectFetched(setup, await setup.fromUrl({ etag: '"another"', lastModified }));
  });

  it('goes on where an earlier run ended', async () => {
    const setup = await setUp();
    setup.leave(ACI.subarray(0, 150_000), { etag: etagOf(ACI), totalBytes: ACI.length });
    const { downloadedBytes } = expectFetched(setup, await setup.fromUrl());
    expect(downloadedBytes).toBe(ACI.length - 150_000);
    expect(ranges(setup)).toEqual(['bytes=150000-']);
    expect(setup.server.requests[0]?.headers['if-range']).toBe(etagOf(ACI));
    expect(told(setup)).toEqual([[ACI.length, 150_000], 'blob.done']);
  });

  it('begins again when the content is another one now', async () => {
    const setup = await setUp(OTHER);
    setup.leave(ACI.subarray(0, 150_000), { etag: etagOf(ACI), totalBytes: ACI.length });
    expectFetched(setup, await setup.fromUrl(), OTHER);
  });

  it.each<[string, object]>([
    ['nothing', {}],
    ['a weak tag', { etag: 'W/"x"', totalBytes: ACI.length }],
  ])('begins again with a rest of which %s is known', async (_, record) => {
    const setup = await setUp();
    setup.leave(OTHER.subarray(0, 150_000), record);
    expectFetched(setup, await setup.fromUrl());
    expect(ranges(setup)).toEqual([undefined]);
  });

  it('asks only whether a rest that is complete is still right', async () => {
    const setup = await setUp();
    setup.leave(ACI, { etag: etagOf(ACI), totalBytes: ACI.length });
    const { downloadedBytes } = expectFetched(setup, await setup.fromUrl());
    expect([downloadedBytes, setup.server.requests.length]).toEqual([0, 1]);
    const changed = await setUp(OTHER);
    changed.leave(ACI, { etag: etagOf(ACI), totalBytes: ACI.length });
    expectFetched(changed, await changed.fromUrl(), OTHER);
  });

  it('goes on after a connection that broke', async () => {
    const fault = { kind: 'drop', afterBytes: 150_000 } as const;
    const setup = await setUp(ACI, [{ match: '/app.aci', times: 1, fault }]);
    const { downloadedBytes } = expectFetched(setup, await setup.fromUrl({}, 1));
    expect(downloadedBytes).toBe(ACI.length);
    expect(ranges(setup)[1]).toMatch(/^bytes=\d+-$/);
    expect(told(setup)).toEqual([[ACI.length, 0], 'blob.retry', 'blob.done']);
  });

  it('begins again when the content changes between two tries', async () => {
    const fault = { kind: 'drop', afterBytes: 150_000 } as const;
    const setup = await setUp(ACI, [{ match: '/app.aci', times: 1, fault }]);
    const fetching = setup.fromUrl({}, 1);
    await setup.server.waitForRequest('/app.aci');
    setup.server.putAci('/app.aci', OTHER);
    expectFetched(setup, await fetching, OTHER);
  });

  it('keeps what came of a download that failed, and says what it is of', async () => {
    const setup = await setUp(ACI, [{ match: '/app.aci', fault: { kind: 'drop', afterBytes: 150_000 } }]);
    await expect(setup.fromUrl()).rejects.toMatchObject({ code: 'ERR_NETWORK' });
    const rest = readFileSync(setup.partialFile);
    expect(rest.equals(ACI.subarray(0, rest.length))).toBe(true);
    const record: unknown = JSON.parse(readFileSync(`${setup.partialFile}.json`, 'utf8'));
    expect(record).toMatchObject({ etag: etagOf(ACI), totalBytes: ACI.length });
  });

  it.each<[string, FaultPlan, string]>([
    ['nothing at that place', [{ match: '/', fault: { kind: 'status', status: 404 } }], 'ERR_NOT_FOUND'],
    ['an answer that needs a password', [{ match: '/', fault: { kind: 'status', status: 401 } }], 'ERR_AUTH'],
    ['a teapot', [{ match: '/', fault: { kind: 'status', status: 418 } }], 'ERR_HTTP_STATUS'],
    ['an error of the server', [{ match: '/', fault: { kind: 'status', status: 503 } }], 'ERR_SERVER'],
    [
      'content that is cut off',
      [{ match: '/', fault: { kind: 'truncate', afterBytes: 100_000 } }],
      'ERR_TAR_INVALID',
    ],
  ])('fails for %s, and leaves nothing', async (_, faults, code) => {
    const setup = await setUp(ACI, faults);
    await expect(setup.fromUrl()).rejects.toMatchObject({ code });
    expect([existsSync(setup.partialFile), existsSync(`${setup.partialFile}.json`)]).toEqual([false, false]);
  });
});

describe('a download that goes on after what was hashed', () => {
  const MIB = 1024 * 1024;
  const big = (seed: number): Buffer =>
    buildAci({ name: NAME, entries: [{ path: 'file', data: createRandom(seed).bytes(3 * MIB) }] });
  const [BIG, BIG_GZIP, BIG_OTHER] = [big(3), gzipSync(big(3), { level: 1 }), big(4)];

  /** An attempt that is ended after 2 MiB, with the state of the hash that it leaves. */
  async function interrupted(bytes = BIG): Promise<Setup & { hashed(): PartialHash }> {
    const stall = { match: '/app.aci', times: 1, fault: { kind: 'stall', afterBytes: 2 * MIB } } as const;
    const setup = await setUp(bytes, [stall]);
    const controller = new AbortController();
    const fetching = setup.fromUrl({}, 0, controller.signal);
    const hashed = (): PartialHash => {
      const record = parsePartialRecord(readFileSync(`${setup.partialFile}.json`, 'utf8'));
      return record?.hashed ?? { hashedBytes: 0, wireBytes: 0, state: '' };
    };
    setTimeout(() => controller.abort(), 1000);
    await expect(fetching).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(hashed().hashedBytes).toBeGreaterThan(MIB);
    return { ...setup, hashed };
  }
  /** As if other bytes had been hashed: the result shows whether they were used. */
  async function forge({ partialFile, hashed }: Awaited<ReturnType<typeof interrupted>>): Promise<string> {
    const { hashedBytes, wireBytes } = hashed();
    const hash = await createSha512();
    hash.update(BIG_OTHER.subarray(0, hashedBytes));
    const state = Buffer.from(hash.save()).toString('base64');
    await keepPartialHash(partialFile, { hashedBytes, wireBytes, state });
    hash.update(BIG.subarray(hashedBytes));
    return hash.digestHex();
  }

  it.each([
    ['plain', BIG],
    ['compressed', BIG_GZIP],
  ])('has the right ID when it is %s', async (_, bytes) => {
    const setup = await interrupted(bytes);
    expectFetched(setup, await setup.fromUrl(), BIG);
  });

  it('does not hash it again', async () => {
    const setup = await interrupted();
    const forged = await forge(setup);
    expect((await setup.fromUrl()).output).toMatchObject({ sha512: forged });
  });

  it('hashes it again when anything has written to the bytes', async () => {
    const setup = await interrupted();
    await forge(setup);
    const bytes = readFileSync(setup.partialFile);
    writeFileSync(setup.partialFile, bytes);
    expectFetched(setup, await setup.fromUrl(), BIG);
  });

  it('hashes again what is not on the disk any more', async () => {
    const setup = await interrupted();
    await forge(setup);
    const recordFile = `${setup.partialFile}.json`;
    const record = JSON.parse(readFileSync(recordFile, 'utf8')) as object;
    // As after a loss of power: of all that came, a little had been synced.
    const synced = [{ start: 0, end: 1000 }];
    writeFileSync(recordFile, JSON.stringify({ ...record, bootId: 'another', synced }));
    expectFetched(setup, await setup.fromUrl(), BIG);
  });

  it('hashes from the beginning when the content is another one now', async () => {
    const setup = await interrupted();
    await forge(setup);
    setup.server.putAci('/app.aci', BIG_OTHER);
    expectFetched(setup, await setup.fromUrl(), BIG_OTHER);
  });

  it('hashes from the beginning when the state is of another version, or damaged', async () => {
    const setup = await interrupted();
    await keepPartialHash(setup.partialFile, { hashedBytes: 1000, wireBytes: 1000, state: 'AAAA' });
    expectFetched(setup, await setup.fromUrl(), BIG);
  });
});

describe('the hashes for signatures', () => {
  const trailer = Buffer.from('signed fields');
  const salt = Buffer.from('salt');
  const requests: Hashes = [
    { algorithm: 'sha512', trailers: [trailer.toString('base64')] },
    { algorithm: 'sha256', trailers: [trailer.toString('base64')] },
    { algorithm: 'sha512', salt: salt.toString('base64'), trailers: [trailer.toString('base64')] },
  ];
  const digestOf = (algorithm: string, ...parts: Uint8Array[]): string =>
    createHash(algorithm).update(Buffer.concat(parts)).digest('hex');

  it.each([
    ['plain', ACI],
    ['compressed', GZIP],
  ])('are over a %s ACI as it comes', async (_, bytes) => {
    const setup = await setUp(bytes, [], requests);
    const { hashes } = expectFetched(setup, await setup.fromUrl());
    expect(hashes.map(({ algorithm, digests }) => [algorithm, digests[0]?.digest])).toEqual([
      ['sha512', digestOf('sha512', bytes, trailer)],
      ['sha256', digestOf('sha256', bytes, trailer)],
      ['sha512', digestOf('sha512', salt, bytes, trailer)],
    ]);
    expect(hashes.map(({ state }) => state !== undefined)).toEqual([true, false, true]);
  });

  it('are over the bytes of the last attempt, when the content changed in between', async () => {
    const setup = await setUp(GZIP, [], requests.slice(0, 1));
    setup.leave(GZIP.subarray(0, 1000), { etag: '"other"', totalBytes: GZIP.length });
    const { hashes } = expectFetched(setup, await setup.fromUrl());
    expect(hashes[0]?.digests[0]?.digest).toBe(digestOf('sha512', GZIP, trailer));
  });

  it('keep the state of a plain ACI also where nobody asked', async () => {
    const setup = await setUp();
    const { hashes } = expectFetched(setup, await setup.fromUrl());
    expect(hashes).toMatchObject([{ algorithm: 'sha512', digests: [] }]);
    const compressed = await setUp(GZIP);
    expect(expectFetched(compressed, await compressed.fromUrl()).hashes).toEqual([]);
  });

  it('count a file of a few bytes too', async () => {
    const setup = await setUp(ACI, [], requests);
    const path = join(tempDir(), 'tiny');
    writeFileSync(path, 'x');
    await expect(setup.fromFile(path)).rejects.toMatchObject({ code: 'ERR_TAR_INVALID' });
  });
});
