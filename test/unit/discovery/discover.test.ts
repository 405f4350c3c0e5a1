/** What is found on which page, by real requests. */

import { describe, expect, it } from 'vitest';
import { discoveryPage } from '../../support/servers/aci-server.js';
import { asked, discover, discoverKeysOf, startSite, TEMPLATE } from './site.js';

const LEAF = '/app/sub';

describe('an image', () => {
  it('is found on the page of its name, with the version latest when none is asked for', async () => {
    const site = await startSite();
    site.tls.putDiscovery('/app', [{ prefix: 'example.test/app', templates: [TEMPLATE] }]);
    expect(await discover(site, 'example.test/app')).toEqual({
      page: 'example.test/app',
      endpoints: [
        {
          aciUrl: 'https://example.test/example.test/app-latest-linux-amd64.aci',
          signatureUrl: 'https://example.test/example.test/app-latest-linux-amd64.aci.asc',
        },
      ],
    });
    expect(asked(site)).toEqual(['/app?ac-discovery=1']);
    expect(site.tls.requests[0]).toMatchObject({ method: 'GET', headers: { host: 'example.test' } });
  });

  it('has the labels of its reference before those of the host', async () => {
    const site = await startSite();
    const template = `${TEMPLATE}?c={channel}`;
    site.tls.putDiscovery('/app', [{ prefix: 'example.test/app', templates: [template] }]);
    const { endpoints } = await discover(site, 'example.test/app:1.2,arch=aarch64,channel=beta');
    expect(endpoints[0]?.aciUrl).toBe('https://example.test/example.test/app-1.2-linux-aarch64.aci?c=beta');
  });

  it('has its endpoints in the order of the page, without those that are not for it', async () => {
    const site = await startSite();
    site.tls.putDiscovery('/app', [
      { prefix: 'other.test', templates: ['https://h/0.{ext}'] },
      {
        prefix: 'example.test',
        templates: ['https://h/1.{ext}', 'hdfs://h/2.{ext}', 'https://h/{no}.{ext}'],
      },
      { prefix: 'example.test/ap', templates: ['https://h/3.{ext}'] },
      {
        prefix: 'example.test/app',
        templates: ['http://h/4.{ext}', 'https://h/5.{ext}'],
        keys: ['https://k'],
      },
    ]);
    const { endpoints } = await discover(site, 'example.test/app');
    expect(endpoints.map(({ aciUrl }) => aciUrl)).toEqual(['https://h/1.aci', 'https://h/5.aci']);
  });

  it.each([
    ['there is no page', undefined],
    ['a page has no tags', []],
    ['a page has keys only', [{ prefix: 'example.test', keys: ['https://k'] }]],
    ['the tags are for other names', [{ prefix: 'example.test/ap', templates: [TEMPLATE] }]],
    ['a template needs another label', [{ prefix: 'example.test', templates: ['https://h/{no}.{ext}'] }]],
    ['a template is plain HTTP', [{ prefix: 'example.test', templates: ['http://h/x.{ext}'] }]],
  ])('is looked for on the pages of the parents where %s', async (_, entries) => {
    const site = await startSite();
    site.tls.putDiscovery('/', [{ prefix: 'example.test', templates: ['https://h/x.{ext}'] }]);
    if (entries !== undefined) {
      site.tls.putDiscovery('/app/sub', entries);
      site.tls.putDiscovery('/app', entries);
    }
    const found = await discover(site, 'example.test/app/sub');
    expect(found).toMatchObject({ page: 'example.test', endpoints: [{ aciUrl: 'https://h/x.aci' }] });
    expect(asked(site)).toEqual(['/app/sub', '/app', '/'].map((path) => `${path}?ac-discovery=1`));
  });

  it.each([400, 401, 403, 404, 410, 451, 499, 204])(
    'is looked for on the parent after a %i',
    async (status) => {
      const site = await startSite({
        faults: [{ match: LEAF, fault: { kind: 'status', status } }],
      });
      site.tls.putDiscovery('/app', [{ prefix: 'example.test/app', templates: [TEMPLATE] }]);
      expect(await discover(site, 'example.test/app/sub')).toMatchObject({ page: 'example.test/app' });
    },
  );

  it.each([
    [429, 'ERR_RATE_LIMITED'],
    [500, 'ERR_SERVER'],
    [503, 'ERR_SERVER'],
    [304, 'ERR_HTTP_STATUS'],
  ])('is not looked for on the parent after a %i', async (status, code) => {
    const site = await startSite({ faults: [{ match: LEAF, fault: { kind: 'status', status } }] });
    site.tls.putDiscovery('/app', [{ prefix: 'example.test/app', templates: [TEMPLATE] }]);
    await expect(discover(site, 'example.test/app/sub')).rejects.toMatchObject({ code, stage: 'discover' });
    expect(site.tls.requests).toHaveLength(1);
  });

  it('is found after a fault that passes', async () => {
    const fault = { kind: 'status', status: 503, headers: { 'retry-after': '0' } } as const;
    const site = await startSite({ faults: [{ match: '/app', times: 2, fault }] });
    site.tls.putDiscovery('/app', [{ prefix: 'example.test/app', templates: [TEMPLATE] }]);
    const attempts: number[] = [];
    const onRetry = ({ attempt }: { attempt: number }) => attempts.push(attempt);
    await discover(site, 'example.test/app', { retries: 3, onRetry });
    expect(attempts).toEqual([1, 2]);
  });

  it('that is nowhere is not found, and the message has every page', async () => {
    const site = await startSite();
    site.tls.putDiscovery('/', [{ prefix: 'example.test/other', templates: [TEMPLATE] }]);
    await expect(discover(site, 'example.test/app')).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
      stage: 'discover',
      message: expect.stringMatching(/example\.test\/app \(HTTP 404\).*example\.test \(no tag/),
    });
  });

  it('is not asked for under a name that is no URL', async () => {
    const site = await startSite();
    await expect(discover(site, 'example.test/../app')).rejects.toMatchObject({ code: 'ERR_USAGE' });
    expect(site.tls.requests).toEqual([]);
  });
});

describe('keys', () => {
  it('are found on the first page that has some, for the name that was asked for', async () => {
    const site = await startSite();
    site.tls.putDiscovery('/app', [{ prefix: 'example.test/app', templates: [TEMPLATE] }]);
    site.tls.putDiscovery('/', [
      { prefix: 'example.test/ap', keys: ['https://h/0'] },
      { prefix: 'example.test', keys: ['https://h/1', 'http://h/2', 'https://h/1', '/3'] },
      { prefix: 'example.test/app', keys: ['https://h/4'] },
    ]);
    expect(await discoverKeysOf(site, 'example.test/app')).toEqual({
      page: 'example.test',
      isAuthenticated: false,
      prefix: 'example.test/app',
      urls: ['https://h/1', 'https://h/4'],
    });
  });

  it('may be at plain HTTP where that is allowed, and else are refused as such', async () => {
    const site = await startSite();
    site.tls.putDiscovery('/app', [{ prefix: 'example.test/app', keys: ['http://h/k'] }]);
    await expect(discoverKeysOf(site, 'example.test/app')).rejects.toMatchObject({
      code: 'ERR_INSECURE_HTTP',
      hint: 'try --insecure-options=http,pubkey',
    });
    expect(await discoverKeysOf(site, 'example.test/app', { insecureHttp: true })).toMatchObject({
      urls: ['http://h/k'],
    });
  });

  it('that are nowhere are not found', async () => {
    const site = await startSite();
    site.tls.putPage('/app', discoveryPage([]).replace('<body>', '<body><script><meta></script>'));
    await expect(discoverKeysOf(site, 'example.test/app')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });
});
