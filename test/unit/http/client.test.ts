/** The HTTP client against real servers. */

import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createHttpClient } from '../../../src/http/client.js';
import { DEFAULT_HTTP_OPTIONS } from '../../../src/http/options.js';
import { makeCertificate, QUIET, startClient, startServer, textOf } from './server.js';

const STAGE = 'download';

describe('a request', () => {
  it('hands out status, joined headers, final URL and the body as it is on the wire', async () => {
    const server = await startServer((_request, response) => {
      response.writeHead(200, { 'X-Two': ['a', 'b'], 'Content-Encoding': 'gzip' }).end('not gzip at all');
    });
    const response = await startClient().request(`${server.origin}/x?y=1#z`, { stage: STAGE }, QUIET);
    expect(response.status).toBe(200);
    expect(response.headers['x-two']).toBe('a, b');
    expect(response.url).toBe(`${server.origin}/x?y=1`);
    expect(await textOf(response.body)).toBe('not gzip at all');
  });

  it('asks for identity encoding and sends what it is told', async () => {
    const server = await startServer((_request, response) => void response.end());
    const headers = { Range: 'bytes=1-', 'Accept-Encoding': 'gzip', Authorization: 'smuggled' };
    const response = await startClient({ userAgent: 'test/1' }).request(
      server.origin,
      { headers, authorization: 'Bearer t', stage: STAGE },
      QUIET,
    );
    await response.discard();
    expect(server.requests[0]?.headers).toMatchObject({
      range: 'bytes=1-',
      'accept-encoding': 'identity',
      authorization: 'Bearer t',
      'user-agent': 'test/1',
    });
  });

  it('can be a HEAD', async () => {
    const server = await startServer((_request, response) => void response.setHeader('etag', '"1"').end());
    const response = await startClient().request(server.origin, { method: 'HEAD', stage: STAGE }, QUIET);
    expect(response.headers['etag']).toBe('"1"');
    await response.discard();
    expect(server.requests[0]?.method).toBe('HEAD');
  });

  it('hands out error statuses rather than to throw', async () => {
    const server = await startServer((_request, response) => void response.writeHead(503).end('no'));
    const response = await startClient().request(server.origin, { stage: STAGE }, QUIET);
    expect(response.status).toBe(503);
    expect(await textOf(response.body)).toBe('no');
  });

  it('refuses plain HTTP unless it is allowed', async () => {
    const client = startClient({ insecureHttp: false });
    await expect(client.request('http://127.0.0.1:1/', { stage: STAGE }, QUIET)).rejects.toMatchObject({
      code: 'ERR_INSECURE_HTTP',
    });
  });

  it('takes options that survive a structured clone', async () => {
    const server = await startServer((_request, response) => void response.end('ok'));
    const options = { ...DEFAULT_HTTP_OPTIONS, insecureHttp: true };
    const client = createHttpClient(structuredClone(options));
    onTestFinished(() => client.close());
    expect(await textOf((await client.request(server.origin, { stage: STAGE }, QUIET)).body)).toBe('ok');
  });
});

describe('redirects', () => {
  it('keep the authorization within an origin and drop it for good outside', async () => {
    const home = await startServer((request, response) => {
      const target = request.url === '/a' ? '/b' : request.url === '/b' ? `${away.origin}/c` : undefined;
      if (target === undefined) response.end('back home');
      else response.writeHead(307, { location: target }).end();
    });
    const away = await startServer((_request, response) => {
      response.writeHead(302, { location: `${home.origin}/end` }).end('x'.repeat(200_000));
    });
    const response = await startClient().request(
      `${home.origin}/a`,
      { authorization: 'Bearer secret', headers: { accept: 'x/y' }, stage: STAGE },
      QUIET,
    );
    expect(await textOf(response.body)).toBe('back home');
    expect(response.url).toBe(`${home.origin}/end`);
    const seen = [...home.requests, ...away.requests].map(({ url, headers }) => [url, headers.authorization]);
    expect(seen).toEqual([
      ['/a', 'Bearer secret'],
      ['/b', 'Bearer secret'],
      ['/end', undefined],
      ['/c', undefined],
    ]);
    expect(away.requests[0]?.headers.accept).toBe('x/y');
  });

  it('end after ten', async () => {
    const server = await startServer(
      (_request, response) => void response.writeHead(301, { location: '/' }).end(),
    );
    await expect(startClient().request(server.origin, { stage: STAGE }, QUIET)).rejects.toMatchObject({
      code: 'ERR_REDIRECT',
    });
    expect(server.requests).toHaveLength(11);
  });

  it('without a target are an error', async () => {
    const server = await startServer((_request, response) => void response.writeHead(302).end());
    await expect(startClient().request(server.origin, { stage: STAGE }, QUIET)).rejects.toMatchObject({
      code: 'ERR_REDIRECT',
    });
  });
});

describe('failures', () => {
  it('of the connection are network errors that name the host', async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as { port: number };
    await new Promise((resolve) => closed.close(resolve));
    await expect(
      startClient().request(`http://127.0.0.1:${port}/`, { stage: STAGE }, QUIET),
    ).rejects.toMatchObject({
      code: 'ERR_NETWORK',
      stage: STAGE,
      message: expect.stringContaining(`127.0.0.1:${port}`),
      cause: { code: 'ECONNREFUSED' },
    });
  });

  it.each([
    ['a body that ends before its Content-Length', { 'content-length': '100' }],
    ['a chunked body that is cut off', {}],
  ])('of %s surface while it is read', async (_title, headers) => {
    const server = await startServer((_request, response) => {
      response.writeHead(200, headers);
      response.write('some', () => setTimeout(() => response.destroy(), 20));
    });
    const response = await startClient().request(server.origin, { stage: STAGE }, QUIET);
    await expect(textOf(response.body)).rejects.toMatchObject({ code: 'ERR_NETWORK', stage: STAGE });
  });

  it('of a body that stalls surface after the stall timeout', async () => {
    const server = await startServer((_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('some');
    });
    const response = await startClient({ stallTimeoutMs: 100 }).request(
      server.origin,
      { stage: STAGE },
      QUIET,
    );
    await expect(textOf(response.body)).rejects.toMatchObject({ code: 'ERR_NETWORK' });
  });

  it('do not come from a reader that takes its time', async () => {
    const size = 4 * 1024 * 1024;
    const server = await startServer((_request, response) => void response.end(Buffer.alloc(size)));
    const response = await startClient({ stallTimeoutMs: 100 }).request(
      server.origin,
      { stage: STAGE },
      QUIET,
    );
    let readBytes = 0;
    for await (const chunk of response.body) {
      if (readBytes === 0) await sleep(400);
      readBytes += chunk.length;
    }
    expect(readBytes).toBe(size);
  });

  it('of a server that does not answer surface after the headers timeout', async () => {
    const server = await startServer(() => undefined);
    const client = startClient({ headersTimeoutMs: 100 });
    await expect(client.request(server.origin, { stage: STAGE }, QUIET)).rejects.toMatchObject({
      code: 'ERR_NETWORK',
    });
  });

  it('of something that is not HTTP are network errors', async () => {
    const other = createServer((socket) => void socket.end('SSH-2.0-hello\r\n'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void other.close());
    const { port } = other.address() as { port: number };
    await expect(
      startClient().request(`http://127.0.0.1:${port}/`, { stage: STAGE }, QUIET),
    ).rejects.toMatchObject({ code: 'ERR_NETWORK' });
  });
});

describe('an abort', () => {
  it('before the request makes none', async () => {
    const server = await startServer((_request, response) => void response.end());
    await expect(
      startClient().request(server.origin, { stage: STAGE }, AbortSignal.abort()),
    ).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(server.requests).toHaveLength(0);
  });

  it('ends the wait for an answer', async () => {
    const aborter = new AbortController();
    const server = await startServer(() => aborter.abort());
    await expect(
      startClient().request(server.origin, { stage: STAGE }, aborter.signal),
    ).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    });
  });

  it('ends the read of a body', async () => {
    const aborter = new AbortController();
    const server = await startServer((_request, response) => void response.write('some'));
    const response = await startClient().request(server.origin, { stage: STAGE }, aborter.signal);
    const reading = (async () => {
      for await (const _chunk of response.body) aborter.abort('enough');
    })();
    await expect(reading).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: 'enough' });
  });

  it('of a body that nobody reads harms nobody', async () => {
    const aborter = new AbortController();
    const server = await startServer((_request, response) => void response.write('some'));
    const response = await startClient().request(server.origin, { stage: STAGE }, aborter.signal);
    aborter.abort();
    await sleep(20);
    await expect(textOf(response.body)).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

describe('giving up a body', () => {
  it('keeps the connection when little is left, and frees it when much is', async () => {
    const server = await startServer((request, response) => {
      if (request.url === '/big') response.end(Buffer.alloc(8 * 1024 * 1024));
      else if (request.url === '/stall') response.write('some');
      else response.end('small');
    });
    const client = startClient({ connections: 1 });
    for (const path of ['/', '/big', '/stall', '/']) {
      const response = await client.request(server.origin + path, { stage: STAGE }, QUIET);
      await response.discard();
      await response.discard();
    }
    expect(server.requests).toHaveLength(4);
    expect(server.requests[1]?.socket).toBe(server.requests[0]?.socket);
    expect(server.requests[2]?.socket).not.toBe(server.requests[0]?.socket);
  });

  it('happens when a reader stops early', async () => {
    const server = await startServer(
      (_request, response) => void response.end(Buffer.alloc(8 * 1024 * 1024)),
    );
    const client = startClient({ connections: 1 });
    for (let round = 0; round < 3; round++) {
      const response = await client.request(server.origin, { stage: STAGE }, QUIET);
      for await (const chunk of response.body) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
    }
    expect(server.requests).toHaveLength(3);
  });
});

it('ends what is under way when it is closed', async () => {
  const server = await startServer(() => undefined);
  const client = createHttpClient({ ...DEFAULT_HTTP_OPTIONS, insecureHttp: true });
  const pending = client.request(server.origin, { stage: STAGE }, QUIET);
  const settled = expect(pending).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  while (server.requests.length === 0) await sleep(5);
  await client.close();
  await settled;
});

describe('--resolve', () => {
  it('changes address and port, but not the Host header', async () => {
    const server = await startServer((_request, response) => void response.end('here'));
    const resolve = [{ host: 'images.test', port: 80, address: '127.0.0.1', addressPort: server.port }];
    const response = await startClient({ resolve }).request('http://images.test/a', { stage: STAGE }, QUIET);
    expect(await textOf(response.body)).toBe('here');
    expect(server.requests[0]?.headers.host).toBe('images.test');
  });

  it('is for its port only', async () => {
    const other = await startServer((_request, response) => void response.end('other'));
    const server = await startServer((_request, response) => void response.end('server'));
    const resolve = [{ host: '127.0.0.1', port: 1, address: '127.0.0.1', addressPort: other.port }];
    const client = startClient({ resolve });
    const bodies = [];
    for (const url of ['http://127.0.0.1:1/', server.origin]) {
      bodies.push(await textOf((await client.request(url, { stage: STAGE }, QUIET)).body));
    }
    expect(bodies).toEqual(['other', 'server']);
  });
});

describe('TLS', () => {
  it('names the host of the URL to the server, also with --resolve', async () => {
    const server = await startServer(
      (_request, response) => void response.end('secure'),
      makeCertificate('images.test'),
    );
    const resolve = [{ host: 'images.test', port: 443, address: '127.0.0.1', addressPort: server.port }];
    const client = startClient({ resolve, insecureTls: true, insecureHttp: false });
    const response = await client.request('https://images.test/a', { stage: STAGE }, QUIET);
    expect(await textOf(response.body)).toBe('secure');
    expect(server.requests[0]?.socket).toMatchObject({ servername: 'images.test' });
    expect(server.requests[0]?.headers.host).toBe('images.test');
  });

  it('refuses a certificate of an unknown authority', async () => {
    const server = await startServer(
      (_request, response) => void response.end(),
      makeCertificate('images.test'),
    );
    await expect(startClient().request(server.origin, { stage: STAGE }, QUIET)).rejects.toMatchObject({
      code: 'ERR_TLS',
    });
    expect(server.requests).toHaveLength(0);
  });

  it('says what to try when the server speaks plain HTTP', async () => {
    const server = await startServer((_request, response) => void response.end());
    await expect(
      startClient().request(`https://${server.host}/`, { stage: STAGE }, QUIET),
    ).rejects.toMatchObject({ code: 'ERR_TLS', hint: expect.stringContaining('--insecure-options=http') });
  });

  it('refuses a redirect to plain HTTP', async () => {
    const server = await startServer(
      (_request, response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
      makeCertificate('images.test'),
    );
    const client = startClient({ insecureHttp: false, insecureTls: true });
    await expect(client.request(server.origin, { stage: STAGE }, QUIET)).rejects.toMatchObject({
      code: 'ERR_INSECURE_HTTP',
    });
  });
});
