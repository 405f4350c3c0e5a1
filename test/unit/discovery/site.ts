/** A discovery site for one test, and discovery with a client that is led there. */

import { onTestFinished } from 'vitest';
import { type DiscoveryOptions, discoverImage, discoverKeys } from '../../../src/discovery/discover.js';
import { createHttpClient } from '../../../src/http/client.js';
import { DEFAULT_HTTP_OPTIONS, type HttpOptions } from '../../../src/http/options.js';
import { parseNameReference } from '../../../src/reference/name.js';
import { createCertificate } from '../../support/certificates.js';
import {
  type DiscoverySite,
  type DiscoverySiteOptions,
  startDiscoverySite,
} from '../../support/servers/discovery-site.js';

export const TEMPLATE = 'https://example.test/{name}-{version}-{os}-{arch}.{ext}';

const certificate = createCertificate(['example.test', 'pages.test']);

/** Runs until the test is over. */
export async function startSite(options: DiscoverySiteOptions = {}): Promise<DiscoverySite> {
  const site = await startDiscoverySite({ certificate: await certificate, ...options });
  onTestFinished(() => site.close());
  return site;
}

export type TestOptions = Partial<DiscoveryOptions> & { readonly http?: Partial<HttpOptions> };

function setUp(site: DiscoverySite, { http, ...options }: TestOptions = {}) {
  const insecureHttp = options.insecureHttp ?? false;
  // This process cannot be told of a CA any more; one test has a process of its own for that.
  const tls = { insecureTls: true, resolve: site.resolve, insecureHttp };
  const client = createHttpClient({ ...DEFAULT_HTTP_OPTIONS, ...tls, ...http });
  onTestFinished(() => client.close());
  const defaultLabels = { os: 'linux', arch: 'amd64' };
  return { client, options: { insecureHttp, retries: 0, defaultLabels, ...options } };
}

export function discover(
  site: DiscoverySite,
  image: string,
  testOptions: TestOptions = {},
  signal: AbortSignal = new AbortController().signal,
) {
  const { client, options } = setUp(site, testOptions);
  return discoverImage(client, parseNameReference(image), options, signal);
}

export function discoverKeysOf(site: DiscoverySite, name: string, testOptions: TestOptions = {}) {
  const { client, options } = setUp(site, testOptions);
  return discoverKeys(client, name, options, new AbortController().signal);
}

/** What the TLS server was asked for. */
export const asked = (site: DiscoverySite): string[] =>
  site.tls.requests.map(({ path, query }) => path + query);
