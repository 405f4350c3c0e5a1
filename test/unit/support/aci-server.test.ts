import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AciServer, startAciServer } from '../../support/servers/aci-server.js';

let server: AciServer;
beforeEach(async () => {
  server = await startAciServer();
});
afterEach(() => server.close());

describe('the ACI server', () => {
  it('has the signature beside the image', async () => {
    const url = server.putAci('/app-1.0.aci', Buffer.from('aci'), { signature: 'armored' });
    expect(url).toBe(`${server.url}/app-1.0.aci`);
    expect(await (await fetch(url)).text()).toBe('aci');
    expect(await (await fetch(`${url}.asc`)).text()).toBe('armored');
  });

  it('has validators that change with the content', async () => {
    const url = server.putAci('/a.aci', Buffer.from('one'), { cacheControl: 'max-age=60' });
    const first = await fetch(url);
    const etag = first.headers.get('etag') ?? '';
    expect([first.headers.get('cache-control'), first.headers.has('last-modified')]).toEqual([
      'max-age=60',
      true,
    ]);
    const conditional = { headers: { 'if-none-match': etag } };
    expect((await fetch(url, conditional)).status).toBe(304);
    server.putAci('/a.aci', Buffer.from('two'));
    expect((await fetch(url, conditional)).status).toBe(200);
  });

  it('answers a discovery request, and only that, with the meta tags', async () => {
    server.putDiscovery('/app', [
      {
        prefix: 'example.test/app',
        templates: ['https://example.test/{name}-{version}.{ext}'],
        keys: ['https://k?a&b'],
      },
    ]);
    const page = await (await fetch(`${server.url}/app?ac-discovery=1`)).text();
    expect(page.match(/<meta name="ac-[^>]*>/g)).toEqual([
      '<meta name="ac-discovery" content="example.test/app https://example.test/{name}-{version}.{ext}">',
      '<meta name="ac-discovery-pubkeys" content="example.test/app https://k?a&amp;b">',
    ]);
    expect((await fetch(`${server.url}/app`)).status).toBe(404);
    expect((await fetch(`${server.url}/?ac-discovery=1`)).status).toBe(404);
  });
});
