/** How a discovery page is had, from real servers. */

import { describe, expect, it } from 'vitest';
import { createPace, newPaceMemory } from '../../../src/http/pace.js';
import { runTool } from '../../support/process.js';
import { projectDir } from '../../support/project.js';
import { asked, discover, startSite, TEMPLATE } from './site.js';

describe('a page', () => {
  it('may be on another host, over HTTPS', async () => {
    const other = await startSite({ hostName: 'pages.test' });
    const site = await startSite({
      faults: [
        { match: '/app', fault: { kind: 'redirect', location: 'https://pages.test/x?ac-discovery=1' } },
      ],
    });
    other.tls.putDiscovery('/x', [{ prefix: 'example.test/app', templates: [TEMPLATE] }]);
    const resolve = [...site.resolve, ...other.resolve];
    expect(await discover(site, 'example.test/app', { http: { resolve } })).toMatchObject({
      page: 'example.test/app',
    });
  });

  it('may not redirect to plain HTTP, even where the client allows it', async () => {
    const site = await startSite({
      faults: [
        { match: '/app', fault: { kind: 'redirect', location: 'http://example.test/app?ac-discovery=1' } },
      ],
    });
    site.plain.putDiscovery('/app', [{ prefix: 'example.test/app', templates: [TEMPLATE] }]);
    site.tls.putDiscovery('/', [{ prefix: 'example.test', templates: [TEMPLATE] }]);
    const http = { insecureHttp: true };
    await expect(discover(site, 'example.test/app', { http })).rejects.toMatchObject({
      code: 'ERR_INSECURE_HTTP',
    });
    expect(site.plain.requests).toEqual([]);
    expect(await discover(site, 'example.test/app', { insecureHttp: true })).toMatchObject({
      page: 'example.test/app',
    });
  });

  it('that redirects for ever is an error', async () => {
    const site = await startSite({
      faults: [{ match: 'ac-discovery', fault: { kind: 'redirect', location: '/app?ac-discovery=1' } }],
    });
    await expect(discover(site, 'example.test/app')).rejects.toMatchObject({ code: 'ERR_REDIRECT' });
    expect(site.tls.requests).toHaveLength(11);
  });

  it('that does not end is given up after 1 MiB', async () => {
    const fault = { kind: 'oversize', extraBytes: 16 * 1024 * 1024, chunked: true } as const;
    const site = await startSite({ faults: [{ match: '/app', fault }] });
    site.tls.putDiscovery('/app', [{ prefix: 'example.test/app', templates: [TEMPLATE] }]);
    await expect(discover(site, 'example.test/app')).rejects.toMatchObject({ code: 'ERR_LIMIT' });
    expect(site.tls.requests[0]?.sentBytes).toBeLessThan(16 * 1024 * 1024);
  });

  it('is not to blame for what was waited for before it was asked for', async () => {
    const site = await startSite();
    site.tls.putDiscovery('/app', [{ prefix: 'example.test/app', templates: [TEMPLATE] }]);
    const memory = newPaceMemory();
    createPace({ memory }).hold('example.test', 600);
    const options = { pageTimeoutMs: 400, http: { pace: { memory } } };
    expect(await discover(site, 'example.test/app', options)).toMatchObject({ page: 'example.test/app' });
  });

  it.each([
    ['stops', { kind: 'stall', afterBytes: 100 }, { http: { stallTimeoutMs: 200 } }],
    ['drips', { kind: 'slow', bytesPerSecond: 100 }, { pageTimeoutMs: 300 }],
    ['does not begin', { kind: 'delay', delayMs: 5000 }, { pageTimeoutMs: 300 }],
    ['breaks off', { kind: 'drop', afterBytes: 100 }, {}],
  ] as const)(
    'that %s is a failure of the network, and the parent is not asked',
    async (_, fault, options) => {
      const site = await startSite({ faults: [{ match: '/app', fault }] });
      for (const path of ['/app', '/']) {
        site.tls.putDiscovery(path, [{ prefix: 'example.test', templates: [TEMPLATE] }]);
      }
      await expect(discover(site, 'example.test/app', options)).rejects.toMatchObject({
        code: 'ERR_NETWORK',
      });
      expect(site.tls.requests).toHaveLength(1);
    },
  );

  it('is waited for only until the signal', async () => {
    const site = await startSite({ faults: [{ match: '/app', fault: { kind: 'stall', afterBytes: 10 } }] });
    site.tls.putDiscovery('/app', [{ prefix: 'example.test/app', templates: [TEMPLATE] }]);
    const controller = new AbortController();
    const outcome = discover(site, 'example.test/app', {}, controller.signal);
    await site.tls.waitForRequest('/app');
    controller.abort();
    await expect(outcome).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });

  it('may say of itself that it is something else than HTML', async () => {
    const headers = { 'content-type': 'text/plain; charset=iso-8859-1' };
    const site = await startSite({ faults: [{ match: '/app', fault: { kind: 'headers', headers } }] });
    site.tls.putDiscovery('/app', [{ prefix: 'example.test/app', templates: [TEMPLATE] }]);
    expect(await discover(site, 'example.test/app')).toMatchObject({ page: 'example.test/app' });
  });
});

describe('TLS', () => {
  it('is checked, and its failure is not one that a parent could mend', async () => {
    const site = await startSite();
    site.tls.putDiscovery('/app', [{ prefix: 'example.test/app', templates: [TEMPLATE] }]);
    site.plain.putDiscovery('/app', [{ prefix: 'example.test/app', templates: [TEMPLATE] }]);
    const http = { insecureTls: false };
    await expect(discover(site, 'example.test/app', { http })).rejects.toMatchObject({ code: 'ERR_TLS' });
    expect([...site.tls.requests, ...site.plain.requests]).toEqual([]);
  });

  it('is trusted with the CA in NODE_EXTRA_CA_CERTS, for the host of the certificate', async () => {
    const site = await startSite();
    const template = 'https://example.test/{name}.{ext}';
    site.tls.putDiscovery('/app', [{ prefix: 'example.test/app', templates: [template] }]);
    const resolve = [...site.resolve, { ...site.resolve[0], host: 'other.test' }];
    const script = `
      import { createHttpClient } from './dist/src/http/client.js';
import { DEFAULT_HTTP_OPTIONS } from './dist/src/http/options.js';
      import { discoverImage } from './dist/src/discovery/discover.js';
      const http = createHttpClient({ ...DEFAULT_HTTP_OPTIONS, resolve: ${JSON.stringify(resolve)} });
      const options = { insecureHttp: false, retries: 0, defaultLabels: {} };
      for (const name of ['example.test/app', 'other.test/app']) {
        const outcome = await discoverImage(http, { name, labels: {} }, options, new AbortController().signal)
          .then(({ page }) => page, ({ code }) => code);
        console.log(outcome);
      }
      await http.close();`;
    const { stdout } = await runTool(process.execPath, ['--input-type=module', '-e', script], {
      cwd: projectDir,
      env: { ...process.env, ...site.environment },
    });
    expect(stdout.trim().split('\n')).toEqual(['example.test/app', 'ERR_TLS']);
  });
});

describe('plain HTTP', () => {
  it('is not spoken unless it is allowed', async () => {
    const site = await startSite();
    site.plain.putDiscovery('/app', [{ prefix: 'example.test/app', templates: [TEMPLATE] }]);
    await site.tls.close();
    await expect(discover(site, 'example.test/app')).rejects.toMatchObject({ code: 'ERR_NETWORK' });
    expect(site.plain.requests).toEqual([]);
  });

  it('is spoken where HTTPS cannot be had, for pages and templates, once it is allowed', async () => {
    const site = await startSite();
    site.plain.putDiscovery('/', [{ prefix: 'example.test', templates: ['http://h/x.{ext}'] }]);
    await site.tls.close();
    expect(await discover(site, 'example.test/app', { insecureHttp: true })).toMatchObject({
      page: 'example.test',
      endpoints: [{ aciUrl: 'http://h/x.aci' }],
    });
    expect(site.plain.requests).toHaveLength(2);
  });

  it('is not spoken to a host that answers over HTTPS', async () => {
    const site = await startSite();
    site.plain.putDiscovery('/app', [{ prefix: 'example.test/app', templates: [TEMPLATE] }]);
    await expect(discover(site, 'example.test/app', { insecureHttp: true })).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
    });
    expect(site.plain.requests).toEqual([]);
  });

  it('is not spoken to a host that has answered over HTTPS, when that breaks', async () => {
    const site = await startSite({ faults: [{ match: /^\/\?/, fault: { kind: 'reset' } }] });
    site.plain.putDiscovery('/', [{ prefix: 'example.test', templates: [TEMPLATE] }]);
    await expect(discover(site, 'example.test/app', { insecureHttp: true })).rejects.toMatchObject({
      code: 'ERR_NETWORK',
    });
    expect(asked(site)).toHaveLength(2);
    expect(site.plain.requests).toEqual([]);
  });

  it('leaves the failure over HTTPS to be told when nobody answers', async () => {
    const site = await startSite();
    await site.plain.close();
    const options = { insecureHttp: true, http: { insecureTls: false } };
    await expect(discover(site, 'example.test/app', options)).rejects.toMatchObject({ code: 'ERR_TLS' });
  });

  it('as all that templates offer is refused as such', async () => {
    const site = await startSite();
    site.tls.putDiscovery('/app', [
      { prefix: 'example.test/app', templates: ['https://h/{no}.{ext}', 'http://h/x.{ext}'] },
    ]);
    await expect(discover(site, 'example.test/app')).rejects.toMatchObject({
      code: 'ERR_INSECURE_HTTP',
      hint: 'try --insecure-options=http',
    });
  });
});
