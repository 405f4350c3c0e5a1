/** Meta discovery (appc spec, discovery.md): from the name of an image to the URLs of its ACI, signature and keys. */

import { FetchError } from '../errors.js';
import type { HttpClient } from '../http/client.js';
import type { Labels, NameReference } from '../types.js';
import type { MetaTag } from './meta-tags.js';
import { isPrefixOf, pagesOf } from './name.js';
import { createPageReader, type PageOptions } from './page.js';
import { checkUrl, renderTemplate, type TemplateImage, type UrlPolicy, type UrlResult } from './template.js';

export interface DiscoveryOptions extends PageOptions {
  /** `os` and `arch` of this host in the words of appc, for a reference that does not give them. */
  readonly defaultLabels: Labels;
}

export interface Endpoint {
  readonly aciUrl: string;
  readonly signatureUrl: string;
}

export interface DiscoveredImage {
  /** The name or the parent whose page has the tags. */
  readonly page: string;
  /** At least one; to be tried in this order, which is that of the page. */
  readonly endpoints: readonly Endpoint[];
}

export interface DiscoveredKeys {
  /** The name or the parent whose page has the tags. */
  readonly page: string;
  /** What the keys were asked for and are to be trusted for, whatever prefix their tags have. */
  readonly prefix: string;
  /** At least one, in the order of the page. */
  readonly urls: readonly string[];
  /** Whether the page is from its host for sure: over HTTPS all the way, with checked certificates. */
  readonly isAuthenticated: boolean;
}

/**
 * The endpoints of the first page, from the name up, that has one for this image. A version that was not asked for is
 * `latest` in the templates. Rejects with ERR_NOT_FOUND, ERR_INSECURE_HTTP when all there is would be plain HTTP,
 * ERR_USAGE and ERR_LIMIT for names that cannot be asked for, and what a page cannot be had with.
 */
export async function discoverImage(
  http: HttpClient,
  reference: Pick<NameReference, 'name' | 'labels'>,
  options: DiscoveryOptions,
  signal: AbortSignal,
): Promise<DiscoveredImage> {
  const labels = { version: 'latest', ...options.defaultLabels, ...reference.labels };
  const image = { name: reference.name, labels };
  const search = { name: image.name, tag: 'ac-discovery', what: 'image', httpOption: 'http' } as const;
  const { page, found } = await walk(http, search, options, signal, (tag) =>
    endpointOf(tag.url, image, options),
  );
  return { page, endpoints: found };
}

/**
 * The keys of the first page, from the name up, that has some for this name. Their URLs are https, or also http where
 * `insecureHttp` is given. Rejects as {@link discoverImage} does.
 */
export async function discoverKeys(
  http: HttpClient,
  name: string,
  options: PageOptions,
  signal: AbortSignal,
): Promise<DiscoveredKeys> {
  const search = {
    name,
    tag: 'ac-discovery-pubkeys',
    what: 'signing keys',
    httpOption: 'http,pubkey',
  } as const;
  const { page, found, isAuthenticated } = await walk(http, search, options, signal, (tag) => {
    const key = checkUrl(tag.url, options);
    return 'url' in key ? { use: key.url } : key;
  });
  return { page, prefix: name, urls: [...new Set(found)], isAuthenticated };
}

type Skipped = Exclude<UrlResult, { url: string }>;
type TagResult<T> = { readonly use: T } | Skipped;

function endpointOf(template: string, image: TemplateImage, policy: UrlPolicy): TagResult<Endpoint> {
  const aci = renderTemplate(template, image, 'aci', policy);
  const signature = renderTemplate(template, image, 'aci.asc', policy);
  if (!('url' in aci)) return aci;
  if (!('url' in signature)) return signature;
  return { use: { aciUrl: aci.url, signatureUrl: signature.url } };
}

interface Search {
  readonly name: string;
  readonly tag: MetaTag['name'];
  /** For messages. */
  readonly what: string;
  /** Of `--insecure-options`, what allows plain HTTP for them. */
  readonly httpOption: string;
}

/** A page that had nothing to use, and why. */
interface Miss {
  readonly page: string;
  readonly reason: string;
  readonly skipped?: Skipped['skipped'] | undefined;
}

async function walk<T>(
  http: HttpClient,
  search: Search,
  options: PageOptions,
  signal: AbortSignal,
  evaluate: (tag: MetaTag) => TagResult<T>,
): Promise<{ page: string; found: T[]; isAuthenticated: boolean }> {
  const reader = createPageReader(http, options);
  const misses: Miss[] = [];
  for (const page of pagesOf(search.name)) {
    const answer = await reader.read(page, signal);
    if ('status' in answer) {
      misses.push({ page, reason: `HTTP ${answer.status}` });
      continue;
    }
    const results = answer.tags
      .filter(({ name, prefix }) => name === search.tag && isPrefixOf(prefix, search.name))
      .map(evaluate);
    const found = results.flatMap((result) => ('use' in result ? [result.use] : []));
    if (found.length > 0) return { page, found, isAuthenticated: answer.isAuthenticated };
    misses.push({ page, ...missOf(results) });
  }
  throw nothingFound(search, misses);
}

/** Plain HTTP is told rather than another reason: it is the one that a flag changes. */
function missOf<T>(results: readonly TagResult<T>[]): Omit<Miss, 'page'> {
  const skips = results.flatMap((result) => ('skipped' in result ? [result] : []));
  const skip = skips.find(({ skipped }) => skipped === 'http') ?? skips[0];
  if (skip === undefined) return { reason: 'no tag for it' };
  return { reason: `its tag ${skip.reason}`, skipped: skip.skipped };
}

function nothingFound({ name, what, httpOption }: Search, misses: readonly Miss[]): FetchError {
  const tried = misses.map(({ page, reason }) => `${page} (${reason})`).join(', ');
  const isRefused = misses.some(({ skipped }) => skipped === 'http');
  const hint = isRefused
    ? `try --insecure-options=${httpOption}`
    : misses.some(({ skipped }) => skipped === 'label')
      ? 'give the label with the name: NAME,LABEL=VALUE'
      : undefined;
  const code = isRefused ? 'ERR_INSECURE_HTTP' : 'ERR_NOT_FOUND';
  return new FetchError(code, `${name}: discovery found no ${what} at ${tried}`, { stage: 'discover', hint });
}
