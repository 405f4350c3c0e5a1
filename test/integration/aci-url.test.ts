/** ACIs by URL and by file: conditional requests, resumed downloads, redirects, and what must stay secret. */

import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { storeLayout } from '../../src/store/layout.js';
import { bootId } from '../../src/store/owner.js';
import { buildAci, imageIdOf } from '../support/images/aci.js';
import { createRandom } from '../support/images/random.js';
import { runAci, runTool } from '../support/process.js';
import { type AciServer, startAciServer } from '../support/servers/aci-server.js';
import { tempDir } from '../support/temp.js';
import { withEngine } from './support/engine.js';

const DATA_BYTES = 3_000_000;
const aciOf = (seed: number, gzip = false): Buffer =>
  buildAci({
    name: 'example.test/app',
    labels: { version: '1.0.0' },
    entries: [{ path: 'data', data: createRandom(seed).bytes(DATA_BYTES) }],
    gzip,
  });
const first = aciOf(1);
const second = aciOf(2);

let server: AciServer;
beforeAll(async () => {
  server = await startAciServer();
});
afterAll(() => server.close());
afterEach(() => {
  expect(server.violations).toEqual([]);
  server.setFaults([]);
  server.requests.length = 0;
});

const fetchInto = (storeDir: string, image: string) =>
  withEngine({ storeDir }, (engine) => engine.fetch({ image }));
const bytesServed = (): number => server.requests.reduce((sum, { sentBytes }) => sum + sentBytes, 0);

describe('an ACI at a URL', () => {
  it.each([
    ['plain', first, first],
    ['gzip', aciOf(3, true), aciOf(3)],
  ])('has the ID of its uncompressed bytes: %s', async (name, served, plain) => {
    const url = server.putAci(`/${name}.aci`, served);
    const result = await fetchInto(tempDir(), url);
    expect(result).toMatchObject({ id: imageIdOf(plain), status: 'fetched', downloadedBytes: served.length });
    expect(result).toMatchObject({ name: 'example.test/app', labels: { version: '1.0.0' } });
  });

  it.each([
    ['ETag', 'last-modified', 'if-none-match'],
    ['Last-Modified', 'etag', 'if-modified-since'],
  ])('is not downloaded again while its %s is the same', async (_, absent, condition) => {
    const storeDir = tempDir();
    const url = server.putAci('/same.aci', first);
    server.setFaults([{ match: '/same.aci', fault: { kind: 'headers', headers: { [absent]: '' } } }]);
    await fetchInto(storeDir, url);
    server.requests.length = 0;
    const again = await fetchInto(storeDir, url);
    expect(again).toMatchObject({ status: 'cached', downloadedBytes: 0, id: imageIdOf(first) });
    expect(server.requests.map(({ status, headers }) => [status, condition in headers])).toEqual([
      [304, true],
    ]);
    expect(readdirSync(storeLayout(storeDir).ingestDir)).toEqual([]);
  });

  it('is downloaded again when it has changed', async () => {
    const storeDir = tempDir();
    const url = server.putAci('/changes.aci', first);
    await fetchInto(storeDir, url);
    server.putAci('/changes.aci', second);
    expect(await fetchInto(storeDir, url)).toMatchObject({ status: 'fetched', id: imageIdOf(second) });
  });

  it('is found behind redirects', async () => {
    const url = server.putAci('/target.aci', first);
    server.setFaults([{ match: '/moved.aci', fault: { kind: 'redirect', location: url } }]);
    expect(await fetchInto(tempDir(), `${server.url}/moved.aci`)).toMatchObject({ id: imageIdOf(first) });
  });

  it('keeps the secrets of its URL to itself', async () => {
    const home = tempDir();
    const url = `${server.putAci('/signed.aci', first)}?X-Signature=s3cret-of-the-url`;
    const { code, stdout, stderr } = await runAci(
      [
        'fetch',
        '--insecure-options=image,http',
        '--json',
        '--progress=json',
        url,
        `${url}-missing`.replace('/signed', '/no'),
      ],
      { home },
    );
    expect(code).toBe(9);
    expect(stdout + stderr).toContain('signed.aci');
    expect(stdout + stderr).not.toContain('s3cret');
    const files = readdirSync(home, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    const leaks = files.filter((file) => readFileSync(join(file.parentPath, file.name)).includes('s3cret'));
    expect(leaks.map(({ name }) => name)).toEqual([]);
  });
});

describe('an interrupted download of a URL', () => {
  /** Leaves `partBytes` in the ingest folder, as a process leaves it that was killed. */
  function leavePartial(url: string, partBytes: number, facts: object, content = first): string {
    const storeDir = tempDir();
    const layout = storeLayout(storeDir);
    mkdirSync(layout.ingestDir, { recursive: true });
    writeFileSync(layout.partialFile(url), content.subarray(0, partBytes));
    writeFileSync(
      `${layout.partialFile(url)}.json`,
      JSON.stringify({ totalBytes: content.length, bootId: bootId(), ...facts }),
    );
    return storeDir;
  }

  it('goes on where it was while the ETag is the same', async () => {
    const url = server.putAci('/resume.aci', first, { etag: '"strong"' });
    const storeDir = leavePartial(url, 2_000_000, { etag: '"strong"' });
    const result = await fetchInto(storeDir, url);
    expect(result).toMatchObject({ id: imageIdOf(first), downloadedBytes: first.length - 2_000_000 });
    expect(server.requests.map(({ status, headers }) => [status, headers['if-range']])).toEqual([
      [206, '"strong"'],
    ]);
    expect(readdirSync(storeLayout(storeDir).ingestDir)).toEqual([]);
  });

  it('begins again when the content has changed', async () => {
    const url = server.putAci('/resume.aci', second, { etag: '"new"' });
    const storeDir = leavePartial(url, 2_000_000, { etag: '"old"' });
    const result = await fetchInto(storeDir, url);
    expect(result).toMatchObject({ id: imageIdOf(second), downloadedBytes: second.length });
  });

  it.each([
    ['a weak ETag', { etag: 'W/"weak"' }],
    ['nothing to compare', {}],
    ['bytes of before the machine was started anew', { etag: '"strong"', bootId: 'another' }],
  ])('begins again with %s', async (_, facts) => {
    const url = server.putAci('/weak.aci', first, facts);
    const storeDir = leavePartial(url, 2_000_000, facts);
    expect(await fetchInto(storeDir, url)).toMatchObject({
      id: imageIdOf(first),
      downloadedBytes: first.length,
    });
  });

  it('is asked about before what is whole already is used', async () => {
    const url = server.putAci('/whole.aci', first, { etag: '"whole"' });
    const storeDir = leavePartial(url, first.length, { etag: '"whole"' });
    expect(await fetchInto(storeDir, url)).toMatchObject({ id: imageIdOf(first), downloadedBytes: 0 });
    expect(server.requests.map(({ status }) => status)).toEqual([304]);
  });

  it('is asked about again where the server is unavailable for a moment', async () => {
    const url = server.putAci('/whole.aci', first, { etag: '"whole"' });
    const storeDir = leavePartial(url, first.length, { etag: '"whole"' });
    server.setFaults([{ match: '/whole.aci', times: 1, fault: { kind: 'status', status: 503 } }]);
    expect(await fetchInto(storeDir, url)).toMatchObject({ id: imageIdOf(first), downloadedBytes: 0 });
    server.setFaults([]);
    expect(server.requests.map(({ status }) => status)).toEqual([503, 304]);
  });

  const TIME = new Date('2026-01-01T00:00:00Z');
  it.each([
    ['the answer has no time any more', {}, { etag: undefined, lastModified: undefined }],
    ['a weak ETag is another one', { etag: 'W/"1"' }, { etag: 'W/"2"', lastModified: TIME }],
  ])('begins again when %s', async (_, old, current) => {
    const url = server.putAci('/modified.aci', second, current);
    const storeDir = leavePartial(url, 2_000_000, { ...old, lastModified: TIME.toUTCString() });
    expect(await fetchInto(storeDir, url)).toMatchObject({ id: imageIdOf(second) });
  });

  it('begins again when what is there is longer than the content', async () => {
    const url = server.putAci('/long.aci', first, { etag: '"long"' });
    const storeDir = leavePartial(url, first.length, { etag: '"long"' });
    appendFileSync(storeLayout(storeDir).partialFile(url), 'too much');
    expect(await fetchInto(storeDir, url)).toMatchObject({ id: imageIdOf(first) });
  });

  it.each([
    ['gzip', aciOf(1, true)],
    ['a header of the archive', first],
  ])('begins again when what is there is damaged, as %s shows', async (_, content) => {
    const url = server.putAci('/damaged.aci', content, { etag: '"damaged"' });
    const damaged = Buffer.from(content);
    damaged.fill(0xff, 100, 200);
    const storeDir = leavePartial(url, 2_000_000, { etag: '"damaged"' }, damaged);
    expect(await fetchInto(storeDir, url)).toMatchObject({ id: imageIdOf(first) });
    expect(bytesServed()).toBeGreaterThanOrEqual(content.length);
    expect(readdirSync(storeLayout(storeDir).ingestDir)).toEqual([]);
  });

  it('goes on within one run after the connection has broken', async () => {
    const url = server.putAci('/drop.aci', first, { etag: '"drop"' });
    server.setFaults([{ match: '/drop.aci', times: 1, fault: { kind: 'drop', afterBytes: 1_000_000 } }]);
    expect(await fetchInto(tempDir(), url)).toMatchObject({ id: imageIdOf(first) });
    expect(server.requests.map(({ status }) => status)).toEqual([200, 206]);
    expect(bytesServed()).toBeLessThan(first.length + 200_000);
  });

  it('never appends a part of other content, whose server does not know If-Range', async () => {
    const url = server.putAci('/mixed.aci', first, { etag: '"one"' });
    const storeDir = leavePartial(url, 2_000_000, { etag: '"one"' });
    server.setFaults([
      { match: '/mixed.aci', times: 1, fault: { kind: 'headers', headers: { etag: '"two"' } } },
    ]);
    expect(await fetchInto(storeDir, url)).toMatchObject({ id: imageIdOf(first) });
    expect(server.requests.map(({ status }) => status)).toEqual([206, 200]);
  });

  it('never appends the wrong range', async () => {
    const url = server.putAci('/wrong.aci', first, { etag: '"wrong"' });
    const storeDir = leavePartial(url, 1_000_000, { etag: '"wrong"' });
    server.setFaults([{ match: '/wrong.aci', fault: { kind: 'wrong-range' } }]);
    await expect(fetchInto(storeDir, url)).rejects.toMatchObject({ code: 'ERR_HTTP_STATUS', exitCode: 4 });
    server.setFaults([]);
    expect(await fetchInto(storeDir, url)).toMatchObject({ id: imageIdOf(first) });
  });
});

describe('an ACI in a file', () => {
  it('is no pipe, whose opening could not be ended', async () => {
    const fifo = join(tempDir(), 'fifo');
    await runTool('mkfifo', [fifo]);
    await expect(fetchInto(tempDir(), fifo)).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });

  it('comes by path and by file:// URL, plain and gzip, with one ID', async () => {
    const folder = tempDir();
    writeFileSync(join(folder, 'plain.aci'), first);
    writeFileSync(join(folder, 'packed.aci'), aciOf(1, true));
    const storeDir = tempDir();
    const ids = new Set<string>();
    for (const image of [join(folder, 'plain.aci'), `file://${folder}/packed.aci`]) {
      ids.add((await fetchInto(storeDir, image)).id);
    }
    expect([...ids]).toEqual([imageIdOf(first)]);
  });

  it('is written with --output as it is without compression', async () => {
    const folder = tempDir();
    writeFileSync(join(folder, 'packed.aci'), aciOf(1, true));
    const output = join(folder, 'out.aci');
    await withEngine({}, (engine) => engine.fetch({ image: join(folder, 'packed.aci'), output }));
    expect(existsSync(output) && readFileSync(output).equals(first)).toBe(true);
  });

  it('is written into a pipe, and leaves it a pipe', async () => {
    const folder = tempDir();
    const [file, fifo, copy] = ['in.aci', 'fifo', 'copy'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(file, first);
    await runTool('mkfifo', [fifo]);
    const reading = runTool('cp', [fifo, copy]);
    await withEngine({}, (engine) => engine.fetch({ image: file, output: fifo }));
    await reading;
    expect(statSync(fifo).isFIFO()).toBe(true);
    expect(readFileSync(copy).equals(first)).toBe(true);
  });

  it('replaces the file behind a symbolic link, not the link', async () => {
    const folder = tempDir();
    writeFileSync(join(folder, 'in.aci'), first);
    writeFileSync(join(folder, 'target'), 'old');
    symlinkSync('target', join(folder, 'link'));
    await withEngine({}, (engine) =>
      engine.fetch({ image: join(folder, 'in.aci'), output: join(folder, 'link') }),
    );
    expect(lstatSync(join(folder, 'link')).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(folder, 'target')).equals(first)).toBe(true);
  });
});
