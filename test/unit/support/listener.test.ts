import { request as httpRequest } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { serveContent } from '../../support/servers/content.js';
import type { Fault } from '../../support/servers/faults.js';
import { type RunningServer, startServer } from '../../support/servers/listener.js';

const content = Buffer.from('0123456789');
let server: RunningServer;

async function serve(fault?: Fault): Promise<void> {
  server = await startServer((request) => serveContent(request, content, { etag: '"v1"' }), {
    faults: fault === undefined ? [] : [{ match: '/', fault }],
  });
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** Whether all of the announced body came. */
  readonly complete: boolean;
}

/** A client that tells how far an answer came; it gives up after 300 ms without a byte. */
function get(headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      `${server.url}/file`,
      { method, headers, agent: false, timeout: 300 },
      (response) => {
        let body = '';
        const finish = (): void =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body,
            complete: response.complete,
          });
        response.setEncoding('latin1').on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('end', finish).on('error', finish);
      },
    );
    request.on('timeout', () => request.destroy()).on('error', reject);
    request.end();
  });
}

afterEach(async () => {
  expect(server.violations).toEqual([]);
  await server.close();
});

describe('serving content', () => {
  it.each([
    ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
    ['bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['bytes=-3', 206, '789', 'bytes 7-9/10'],
    ['bytes=8-99', 206, '89', 'bytes 8-9/10'],
    ['bytes=10-', 416, '', 'bytes */10'],
    ['lines=1-2', 200, '0123456789', undefined],
  ])('answers %s with %i', async (range, status, body, contentRange) => {
    await serve();
    const answer = await get({ range });
    expect([answer.status, answer.body, answer.headers['content-range']]).toEqual([
      status,
      body,
      contentRange,
    ]);
    expect(server.requests).toMatchObject([
      { method: 'GET', path: '/file', range, status, sentBytes: body.length },
    ]);
  });

  it('gives the whole content when If-Range names another version', async () => {
    await serve();
    expect(await get({ range: 'bytes=2-4', 'if-range': '"v0"' })).toMatchObject({
      status: 200,
      body: '0123456789',
    });
    expect(await get({ range: 'bytes=2-4', 'if-range': '"v1"' })).toMatchObject({ status: 206, body: '234' });
  });

  it('answers a HEAD with the length, and a matching If-None-Match with 304', async () => {
    await serve();
    expect(await get({}, 'HEAD')).toMatchObject({
      status: 200,
      body: '',
      headers: { 'content-length': '10' },
    });
    expect(await get({ 'if-none-match': '"v1"' })).toMatchObject({ status: 304, body: '' });
    expect(await get({ 'if-none-match': '"v0"' })).toMatchObject({ status: 200 });
  });

  it('hands out a request that is yet to come, and one that was', async () => {
    await serve();
    const waiting = server.waitForRequest('/file');
    await get();
    expect(await waiting).toBe(server.requests[0]);
    expect(await server.waitForRequest(/^\/file$/)).toBe(server.requests[0]);
  });
});

describe('a fault', () => {
  it.each<[Fault, Record<string, string>, Partial<Answer>]>([
    [{ kind: 'drop', afterBytes: 4 }, {}, { status: 200, body: '0123', complete: false }],
    [{ kind: 'stall', afterBytes: 4 }, {}, { status: 200, body: '0123', complete: false }],
    [{ kind: 'truncate', afterBytes: 4 }, {}, { status: 200, body: '0123', complete: true }],
    [{ kind: 'status', status: 429, headers: { 'retry-after': '7' } }, {}, { status: 429 }],
    [{ kind: 'ignore-range' }, { range: 'bytes=2-4' }, { status: 200, body: '0123456789' }],
    [{ kind: 'corrupt', atByte: 1 }, {}, { status: 200, body: `0\xce23456789` }],
    [{ kind: 'corrupt', atByte: 3 }, { range: 'bytes=2-4' }, { status: 206, body: `2\xcc4` }],
    [{ kind: 'oversize', extraBytes: 2 }, {}, { status: 200, body: '0123456789..', complete: true }],
    [{ kind: 'oversize', extraBytes: 2, chunked: true }, {}, { body: '0123456789..', complete: true }],
    [{ kind: 'delay', delayMs: 20 }, {}, { status: 200, body: '0123456789' }],
    [{ kind: 'redirect', location: '/other' }, {}, { status: 307, body: '' }],
  ])('%j', async (fault, headers, expected) => {
    await serve(fault);
    expect(await get(headers)).toMatchObject(expected);
  });

  it('moves Content-Range by one', async () => {
    await serve({ kind: 'wrong-range' });
    const answer = await get({ range: 'bytes=2-4' });
    expect([answer.status, answer.body, answer.headers['content-range']]).toEqual([
      206,
      '234',
      'bytes 3-5/10',
    ]);
  });

  it('sends less of a range', async () => {
    await serve({ kind: 'short-range', mostBytes: 2 });
    const answer = await get({ range: 'bytes=2-4' });
    expect([answer.status, answer.body, answer.headers['content-range']]).toEqual([
      206,
      '23',
      'bytes 2-3/10',
    ]);
  });

  it('replaces headers and takes them away', async () => {
    await serve({ kind: 'headers', headers: { etag: '"v2"', 'accept-ranges': '' } });
    const { headers } = await get();
    expect([headers['etag'], headers['accept-ranges']]).toEqual(['"v2"', undefined]);
  });

  it('resets the connection before the answer', async () => {
    await serve({ kind: 'reset' });
    await expect(get()).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('spreads the bytes over the time', async () => {
    await serve({ kind: 'slow', bytesPerSecond: 50 });
    const startedAt = performance.now();
    expect(await get()).toMatchObject({ body: '0123456789', complete: true });
    expect(performance.now() - startedAt).toBeGreaterThan(120);
  });
});
