/** Where the client sends credentials, and where it must not, on real TLS servers. */

import { describe, expect, it } from 'vitest';
import type { Credential } from '../../../src/auth/credentials.js';
import { makeCertificate, QUIET, startClient, startServer, type TestServer, textOf } from './server.js';

const CERTIFICATE = makeCertificate('a.test');
const STAGE = 'download';
const BASIC: Credential = { kind: 'basic', user: 'me', password: 'pass' };
const AWS: Credential = { kind: 'aws', accessKeyId: 'KEY', secretAccessKey: 'SECRET' };
const CREDENTIALS: readonly Credential[] = [BASIC, { kind: 'bearer', token: 'TOKEN' }, AWS];

const secure = (handler: Parameters<typeof startServer>[0]) => startServer(handler, CERTIFICATE);
const client = () => startClient({ insecureTls: true });

async function get(url: string, credential: Credential): Promise<string> {
  return textOf((await client().request(url, { credential, stage: STAGE }, QUIET)).body);
}

/** The headers of every request that tell of a credential. */
function shown(server: TestServer): string[] {
  return server.requests.flatMap(({ headers }) =>
    Object.keys(headers).filter((name) => name === 'authorization' || name.startsWith('x-amz-')),
  );
}

describe('a credential', () => {
  it('goes to the origin of the URL, and a new signature to each of its redirects', async () => {
    const home = await secure((request, response) => {
      if (request.url === '/a') response.writeHead(302, { location: '/b' }).end();
      else response.end('here');
    });
    expect(await get(`${home.origin}/a`, AWS)).toBe('here');
    const signatures = home.requests.map(({ headers }) => headers.authorization);
    expect(new Set(signatures).size).toBe(2);
    for (const signature of signatures) expect(signature).toMatch(/^AWS4-HMAC-SHA256 Credential=KEY\//);
  });

  it.each(CREDENTIALS)(
    'never follows a redirect to another origin, nor comes back: $kind',
    async (credential) => {
      const home = await secure((request, response) => {
        if (request.url === '/a') response.writeHead(307, { location: `${away.origin}/b` }).end();
        else response.end('home');
      });
      const away = await secure((_request, response) => {
        response.writeHead(307, { location: `${home.origin}/c` }).end();
      });
      expect(await get(`${home.origin}/a`, credential)).toBe('home');
      expect(shown(away)).toEqual([]);
      expect(home.requests[0]?.headers.authorization).toBeDefined();
      expect(home.requests[1]?.headers.authorization).toBeUndefined();
    },
  );

  it.each(CREDENTIALS)('never goes over plain HTTP, allowed or redirected to: $kind', async (credential) => {
    const plain = await startServer((_request, response) => void response.end('plain'));
    const home = await secure((_request, response) => {
      response.writeHead(307, { location: plain.origin }).end();
    });
    expect(await get(plain.origin, credential)).toBe('plain');
    expect(await get(home.origin, credential)).toBe('plain');
    expect(shown(plain)).toEqual([]);
  });
});

describe('a POST', () => {
  it('brings its body to the URL and to no other place', async () => {
    const bodies: string[] = [];
    const home = await secure(async (request, response) => {
      bodies.push(await textOf(request));
      response.writeHead(307, { location: `${home.origin}/again` }).end();
    });
    const request = { method: 'POST', body: 'secret=1', stage: STAGE } as const;
    const response = await client().request(`${home.origin}/a`, request, QUIET);
    await response.discard();
    expect(response.status).toBe(307);
    expect(bodies).toEqual(['secret=1']);
  });
});
