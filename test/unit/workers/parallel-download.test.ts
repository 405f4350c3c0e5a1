/** Downloads over several connections, and what becomes of each thing that a server does wrong. */

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { EngineEvent } from '../../../src/events.js';
import { takeConnections } from '../../../src/fetch/connections.js';
import { createPermits, type Permits } from '../../../src/fetch/permits.js';
import { DEFAULT_HTTP_OPTIONS } from '../../../src/http/options.js';
import { PART_BYTES } from '../../../src/http/part-plan.js';
import type { FetchLayerOutput, TaskNote } from '../../../src/tasks/contract.js';
import { newBlobCounters } from '../../../src/tasks/counters.js';
import type { Digest } from '../../../src/types.js';
import { taskConnections } from '../../../workers/task-connections.js';
import { fetchAciInto } from '../../support/aci-download.js';
import { buildAci } from '../../support/images/aci.js';
import { createRandom } from '../../support/images/random.js';
import { buildTar } from '../../support/images/tar.js';
import { inlineRunner } from '../../support/layer-assembly.js';
import { type AciServer, startAciServer } from '../../support/servers/aci-server.js';
import type { Fault, FaultPlan, FaultRule } from '../../support/servers/faults.js';
import { startServer } from '../../support/servers/listener.js';
import { tempDir } from '../../support/temp.js';

const NEVER = new AbortController().signal;
const MIB = 1024 * 1024;
const HTTP = { ...DEFAULT_HTTP_OPTIONS, insecureHttp: true, connections: 8 };
const SLOW: FaultRule = { match: '/', fault: { kind: 'slow', bytesPerSecond: 20 * MIB } };
const TOO_MANY: Fault = { kind: 'status', status: 429, headers: { 'retry-after': '1' } };

const aciOf = (seed: number, sizeBytes = 5 * PART_BYTES): Buffer =>
  buildAci({
    name: 'example.test/app',
    entries: [{ path: 'file', data: createRandom(seed).bytes(sizeBytes - 20_000) }],
  });
const ACI = aciOf(1);
const OTHER = aciOf(2);
const LAYER = buildTar([{ path: 'file', data: createRandom(3).bytes(5 * PART_BYTES) }]);

interface Download {
  readonly server: AciServer;
  readonly partialFile: string;
  readonly events: EngineEvent[];
  /** Resolves to the bytes that came. */
  fetch(signal?: AbortSignal): Promise<number>;
}

async function aciDownload(faults: FaultPlan, aci = ACI): Promise<Download> {
  const server = await startAciServer({ faults });
  onTestFinished(() => server.close());
  const folder = tempDir();
  const partialFile = join(folder, 'part');
  const request = { url: server.putAci('/app.aci', aci), http: HTTP, retries: 2 };
  const events: EngineEvent[] = [];
  return {
    server,
    partialFile,
    events,
    async fetch(signal = NEVER) {
      const source = { kind: 'url', request, partialFile, validators: {} } as const;
      const emit = (event: EngineEvent): void => void events.push(event);
      const { output, aciFile } = await fetchAciInto(folder, { source, hashes: [] }, signal, { emit });
      if (output.status !== 'fetched') throw new Error(output.status);
      const bytes = readFileSync(aciFile);
      expect(output.sha512).toBe(createHash('sha512').update(bytes).digest('hex'));
      expect(bytes.equals(ACI) || bytes.equals(OTHER)).toBe(true);
      return output.downloadedBytes;
    },
  };
}

/** A layer, by its task; `permits` are those of its connections. */
async function layerDownload(
  faults: FaultPlan,
  permits: Permits,
): Promise<Pick<Download, 'server'> & { fetch(): Promise<FetchLayerOutput> }> {
  const server = await startAciServer({ faults });
  onTestFinished(() => server.close());
  const dir = tempDir();
  const [tarFile, indexFile] = [join(dir, 'tar'), join(dir, 'index')];
  for (const file of [tarFile, indexFile]) writeFileSync(file, '');
  const url = server.putFile('/layer', LAYER);
  const counters = newBlobCounters();
  const input = {
    source: { kind: 'registry', request: { url, http: HTTP, retries: 2 }, partialFile: join(dir, 'part') },
    digest: `sha256:${createHash('sha256').update(LAYER).digest('hex')}` as Digest,
    sizeBytes: LAYER.length,
    priority: 0,
    tarFile,
    indexFile,
    counters: counters.memory,
  } as const;
  return {
    server,
    async fetch() {
      const { host } = new URL(url);
      const connections = await takeConnections(permits, { host, memoryBytes: 0 }, NEVER);
      const onNote = (note: TaskNote): void => {
        if (note.note === 'connection') connections.onNote(note, counters);
      };
      const running = inlineRunner.run('fetchLayer', input, { signal: NEVER, onNote });
      return running.finally(() => connections.end());
    },
  };
}

const permitsFor = (connectionsPerHost: number): Permits =>
  createPermits({ connections: 16, connectionsPerHost, memoryBytes: 2 ** 30 });

/** What each request asked for, as `START-END`. */
const rangesOf = ({ server }: Pick<Download, 'server'>): (string | undefined)[] =>
  server.requests.map(({ range }) => range?.replace('bytes=', ''));

describe('a download that is slower than its reader', () => {
  it('goes over several connections, in parts that nobody fetches twice', async () => {
    const download = await aciDownload([SLOW]);
    const downloadedBytes = await download.fetch();
    expect(download.server.peakConnections).toBeGreaterThan(3);
    expect(download.server.peakConnections).toBeLessThanOrEqual(9);
    // What the first connection had asked for, and what was on its way when it was shortened.
    expect(downloadedBytes).toBeLessThan(ACI.length + 2 * MIB);
    const [first, ...others] = rangesOf(download);
    expect(first).toBeUndefined();
    expect(others.length).toBeGreaterThan(3);
    expect(new Set(others).size).toBe(others.length);
    const etag = `"${createHash('sha1').update(ACI).digest('hex')}"`;
    for (const { headers } of download.server.requests.slice(1)) expect(headers['if-range']).toBe(etag);
  });

  it('stays on one connection when it is small', async () => {
    const download = await aciDownload([SLOW]);
    const small = aciOf(1, PART_BYTES);
    download.server.putAci('/app.aci', small);
    await download.fetch().catch(() => undefined);
    expect(download.server.requests).toHaveLength(1);
  });

  it('has no more connections than the engine allows, and gives them back', async () => {
    const permits = permitsFor(4);
    const release = await permits.acquire({ memoryBytes: 0 }, NEVER);
    const lent = { now: 0, peak: 0 };
    const counting: Permits = {
      ...permits,
      async acquire(request, signal) {
        const giveBack = await permits.acquire(request, signal);
        lent.now += 1;
        lent.peak = Math.max(lent.peak, lent.now);
        return () => {
          lent.now -= 1;
          giveBack();
        };
      },
    };
    const download = await layerDownload([SLOW], counting);
    const { downloadedBytes } = await download.fetch();
    expect(lent).toEqual({ now: 0, peak: 4 });
    expect(download.server.peakConnections).toBeGreaterThan(2);
    expect(downloadedBytes).toBeLessThan(LAYER.length + 2 * MIB);
    const all = Array.from({ length: 4 }, () =>
      permits.acquire({ host: download.server.host, memoryBytes: 0 }, AbortSignal.timeout(1000)),
    );
    for (const give of await Promise.all(all)) give();
    release();
  });

  it('makes room for a task that has no connection yet', async () => {
    const permits = permitsFor(2);
    const download = await layerDownload([SLOW], permits);
    const { host } = download.server;
    const fetching = download.fetch();
    while (download.server.peakConnections < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    // The second connection of the download comes back with the end of its part.
    const second = await permits.acquire({ host, memoryBytes: 0 }, NEVER);
    expect(download.server.peakConnections).toBeLessThanOrEqual(3);
    await fetching;
    second();
  });
});

it('what has come is there for the reader, also when nothing follows', async () => {
  const download = await aciDownload([{ match: '/', fault: { kind: 'stall', afterBytes: 100_000 } }]);
  const ending = new AbortController();
  const fetching = download.fetch(ending.signal);
  const arrived = (): number => {
    const [started] = download.events.filter(({ event }) => event === 'blob.started');
    return started?.event === 'blob.started' ? started.readBytes() : 0;
  };
  await expect.poll(arrived, { timeout: 5000 }).toBe(100_000);
  ending.abort();
  await expect(fetching).rejects.toMatchObject({ code: 'ERR_ABORTED' });
});

describe('a download that is to wait', () => {
  it.each<[string, FaultRule]>([
    ['for a busy server', { match: '/', times: 1, fault: TOO_MANY }],
    ['before it tries again', { match: '/', times: 1, fault: { kind: 'reset' } }],
  ])('%s does so without its connection, and has it again afterwards', async (_, rule) => {
    const permits = permitsFor(1);
    const download = await layerDownload([rule], permits);
    const { host, requests } = download.server;
    const fetching = download.fetch();
    while (requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const other = await permits.acquire({ host, memoryBytes: 0 }, AbortSignal.timeout(400));
    // Longer than the download would wait.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(requests).toHaveLength(1);
    other();
    await fetching;
    expect(requests).toHaveLength(2);
    (await permits.acquire({ host, memoryBytes: 0 }, AbortSignal.timeout(400)))();
  });

  it('gives nothing back twice when it is ended meanwhile', async () => {
    const permits = permitsFor(1);
    const counters = newBlobCounters();
    const task = await takeConnections(permits, { host: 'a', memoryBytes: 0 }, NEVER);
    task.onNote({ note: 'connection', change: -1, isFirst: true }, counters);
    const other = await permits.acquire({ host: 'a', memoryBytes: 0 }, NEVER);
    task.end();
    await expect(permits.acquire({ host: 'a', memoryBytes: 0 }, AbortSignal.timeout(50))).rejects.toThrow();
    other();
  });
});

describe('connections that were lent', () => {
  it('come back also when they are granted in the moment in which the task ends', async () => {
    const permits = permitsFor(1);
    const counters = newBlobCounters();
    const task = await takeConnections(permits, { host: 'a', memoryBytes: 0 }, NEVER);
    task.onNote({ note: 'connection', change: -1, isFirst: true }, counters);
    const other = await permits.acquire({ host: 'a', memoryBytes: 0 }, NEVER);
    task.onNote({ note: 'connection', change: 1 }, counters);
    task.onNote({ note: 'connection', change: 1, isFirst: true }, counters);
    other();
    task.end();
    const release = await permits.acquire({ host: 'a', memoryBytes: 0 }, AbortSignal.timeout(1000));
    release();
  });

  it('are not those of an attempt before', async () => {
    const counters = newBlobCounters();
    counters.grant('extra');
    const { takeExtra } = taskConnections(counters.memory, { signal: NEVER, note: () => {} });
    const endsAtMs = performance.now() + 200;
    expect(await takeExtra(() => performance.now() > endsAtMs)).toBe(false);
    counters.grant('extra');
    expect(await takeExtra(() => false)).toBe(true);
  });
});

describe('a server that', () => {
  it.each<[string, FaultRule[]]>([
    ['breaks a part off', [{ match: '/', skip: 2, times: 2, fault: { kind: 'drop', afterBytes: MIB } }]],
    [
      'sends no more than a megabyte of a range',
      [{ match: '/', fault: { kind: 'short-range', mostBytes: MIB } }],
    ],
    ['sends another range than it was asked for', [{ match: '/', times: 2, fault: { kind: 'wrong-range' } }]],
    [
      'refuses further connections',
      [{ match: '/', skip: 1, times: 4, fault: { kind: 'status', status: 429 } }],
    ],
    [
      'has nothing at that place',
      [{ match: '/', skip: 2, times: 1, fault: { kind: 'status', status: 416 } }],
    ],
    ['answers late', [{ match: '/', skip: 2, times: 3, fault: { kind: 'delay', delayMs: 700 } }]],
    ['resets connections', [{ match: '/', skip: 1, times: 2, fault: { kind: 'reset' } }]],
  ])('%s gives the content all the same', async (_, faults) => {
    const download = await aciDownload([...faults, SLOW]);
    const downloadedBytes = await download.fetch();
    // Only the part that failed is asked for again.
    expect(downloadedBytes).toBeLessThan(ACI.length + 4 * MIB);
  });

  it('ignores ranges is noticed on the first answer, and remembered', async () => {
    const ignore: FaultRule = { match: '/', fault: { kind: 'ignore-range' } };
    const download = await aciDownload([ignore, SLOW]);
    await download.fetch();
    expect(rangesOf(download)).toEqual([undefined, expect.stringMatching(/^\d+-\d+$/)]);
    expect(await download.fetch()).toBe(ACI.length);
    expect(rangesOf(download).slice(2)).toEqual([undefined]);
  });

  it('says that it has no ranges is not asked for any', async () => {
    const server = await aciDownload([SLOW]);
    server.server.putAci('/app.aci', ACI, { headers: { 'accept-ranges': 'none' } });
    expect(await server.fetch()).toBe(ACI.length);
    expect(rangesOf(server)).toEqual([undefined]);
  });

  it('changes the content between two parts gives all of the new one', async () => {
    const download = await aciDownload([SLOW]);
    const fetching = download.fetch();
    await download.server.waitForRequest('/app.aci');
    while (download.server.requests.length < 3) await new Promise((resolve) => setTimeout(resolve, 10));
    download.server.putAci('/app.aci', OTHER);
    await fetching;
    expect(existsSync(download.partialFile)).toBe(false);
  });

  it('begins with a few bytes and a pause is not asked to begin by another connection', async () => {
    const starts: string[] = [];
    const server = createServer(async ({ headers: { range = '' } }, response) => {
      if (range === '') starts.push('all');
      const [, start = '0', last = `${ACI.length - 1}`] = /bytes=(\d+)-(\d+)?/.exec(range) ?? [];
      const body = ACI.subarray(Number(start), Number(last) + 1);
      const ranged = { 'content-range': `bytes ${start}-${last}/${ACI.length}` };
      response.writeHead(range === '' ? 200 : 206, {
        etag: '"a"',
        'content-length': body.length,
        ...(range !== '' && ranged),
      });
      response.write(body.subarray(0, 14_000));
      await new Promise((resolve) => setTimeout(resolve, 300));
      response.end(body.subarray(14_000));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const folder = tempDir();
    const { port } = server.address() as AddressInfo;
    const request = { url: `http://127.0.0.1:${port}/app.aci`, http: HTTP, retries: 0 };
    const source = { kind: 'url', request, partialFile: join(folder, 'part'), validators: {} } as const;
    const { aciFile } = await fetchAciInto(folder, { source, hashes: [] }, NEVER);
    expect(readFileSync(aciFile).equals(ACI)).toBe(true);
    expect(starts).toEqual(['all']);
  });

  it('stops in the middle of a part is not waited for', async () => {
    const stall: FaultRule = { match: '/', skip: 3, times: 1, fault: { kind: 'stall', afterBytes: 3 * MIB } };
    const download = await aciDownload([stall, SLOW]);
    const startedAt = performance.now();
    const downloadedBytes = await download.fetch();
    expect(performance.now() - startedAt).toBeLessThan(HTTP.stallTimeoutMs / 2);
    expect(downloadedBytes).toBeLessThan(ACI.length + 6 * MIB);
  });

  it('redirects to places that are good for one request is asked for a new one each time', async () => {
    let tickets = 0;
    const used = new Set<string>();
    const content = await aciDownload([SLOW]);
    const target = new URL(content.server.putAci('/app.aci', ACI));
    const gate = await startServer(({ path, query }) => {
      if (path === '/app.aci') {
        tickets += 1;
        return { status: 307, headers: { location: `/ticket?n=${tickets}` } };
      }
      const ticket = query.get('n') ?? '';
      if (used.has(ticket)) return { status: 403, body: Buffer.from('expired') };
      used.add(ticket);
      return { status: 307, headers: { location: target.href } };
    });
    onTestFinished(() => gate.close());
    const folder = tempDir();
    const request = { url: `${gate.url}/app.aci`, http: HTTP, retries: 0 };
    const source = { kind: 'url', request, partialFile: join(folder, 'part'), validators: {} } as const;
    const { aciFile } = await fetchAciInto(folder, { source, hashes: [] }, NEVER);
    expect(readFileSync(aciFile).equals(ACI)).toBe(true);
    expect(used.size).toBeGreaterThan(3);
  });
});

describe('a download in parts that was interrupted', () => {
  it('asks for what is missing, and nothing else', async () => {
    const download = await aciDownload([SLOW]);
    const controller = new AbortController();
    const fetching = download.fetch(controller.signal);
    const sentBytes = (): number => download.server.requests.reduce((sum, one) => sum + one.sentBytes, 0);
    while (sentBytes() < ACI.length / 2) await new Promise((resolve) => setTimeout(resolve, 10));
    controller.abort();
    await expect(fetching).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    const record = JSON.parse(readFileSync(`${download.partialFile}.json`, 'utf8'));
    expect(record.received.length).toBeGreaterThan(1);
    const keptBytes = record.received.reduce(
      (sum: number, { start, end }: { start: number; end: number }) => sum + end - start,
      0,
    );
    // Much of what was sent may still have been in the sockets. So much must have been kept that asking for it again shows.
    const overlapBytes = 2 * MIB;
    expect(keptBytes).toBeGreaterThan(2 * overlapBytes);
    expect(await download.fetch()).toBeLessThan(ACI.length - keptBytes + overlapBytes);
  });
});
