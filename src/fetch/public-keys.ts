/** Public keys from where they are: files, URLs, and what discovery says of a prefix. */

import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { discoverKeys } from '../discovery/discover.js';
import { errnoOf, FetchError, isFetchError, retold, storageError } from '../errors.js';
import type { HttpClient } from '../http/client.js';
import type { AroundWait } from '../http/clock.js';
import { withDeadline } from '../http/deadline.js';
import { statusError } from '../http/errors.js';
import { readBounded } from '../http/limit.js';
import { redactUrl } from '../http/redact.js';
import { withRetry } from '../http/retry.js';
import { KEYS_MAX_BYTES, type PublicKeyFacts, readKeys } from '../trust/read-keys.js';
import { readLocalFile } from './local-file.js';

export interface KeyAccess {
  /** Must itself allow plain HTTP where `insecureHttp` does. */
  readonly http: HttpClient;
  /** Plain HTTP is allowed for keys and for the pages that lead to them. */
  readonly insecureHttp: boolean;
  /** Further tries of every request. */
  readonly retries: number;
}

export interface DiscoveredKey {
  /** The URL of the key. */
  readonly location: string;
  readonly key: PublicKeyFacts;
  /** Whether page and key are from their hosts for sure: over HTTPS all the way, with checked certificates. */
  readonly isAuthenticated: boolean;
}

export type KeyLocation =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'url'; readonly url: string };

const STAGE = 'discover';
/** For one attempt at a file of keys. */
const KEYS_TIMEOUT_MS = 60_000;
const HTTP_HINT = 'try --insecure-options=http,pubkey';

/**
 * What the location of a key means.
 *
 * | location | plain HTTP refused | plain HTTP allowed |
 * |---|---|---|
 * | `https://…` | asked for; a redirect to plain HTTP is refused | asked for |
 * | `http://…` | ERR_INSECURE_HTTP | asked for |
 * | a URL with a user name or password in it | ERR_USAGE | ERR_USAGE |
 * | another `scheme://` but for `file://` | ERR_USAGE | ERR_USAGE |
 * | anything else | a file | a file |
 */
export function parseKeyLocation(location: string, insecureHttp: boolean, cwd: string): KeyLocation {
  const shown = redactUrl(location);
  if (location === '' || location.includes('\0')) throw usage(`${JSON.stringify(location)} is not a file`);
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(location)?.[1]?.toLowerCase();
  if (scheme === undefined) return { kind: 'file', path: resolve(cwd, location) };
  if (scheme === 'file') return { kind: 'file', path: pathOfUrl(location) };
  if (scheme !== 'https' && scheme !== 'http') {
    throw usage(`${shown}: keys are files, or come from https:// URLs`);
  }
  if (!URL.canParse(location)) throw usage(`${shown} is not a valid URL`);
  const url = new URL(location);
  if (url.username !== '' || url.password !== '') throw usage(`${shown} has a user name or password in it`);
  if (scheme === 'http' && !insecureHttp) throw plainHttp(`the key ${shown} would come over plain HTTP`);
  url.hash = '';
  return { kind: 'url', url: url.href };
}

/**
 * Every key of a file or URL; credentials are not sent. Rejects with ERR_KEY_INVALID for what is not public keys,
 * ERR_INSECURE_HTTP, ERR_USAGE, and what a file cannot be read or a URL cannot be had with.
 */
export async function readPublicKeysFrom(
  access: KeyAccess,
  location: string,
  signal: AbortSignal,
): Promise<PublicKeyFacts[]> {
  return (await readLocation(access, location, signal)).keys;
}

/**
 * The keys that discovery has for a prefix, in the order of the page; none is trusted by it. A location that cannot be
 * had fails them all. Rejects as {@link discoverKeys} and {@link readPublicKeysFrom} do.
 */
export async function discoverPublicKeys(
  access: KeyAccess,
  prefix: string,
  signal: AbortSignal,
): Promise<DiscoveredKey[]> {
  const { insecureHttp, retries } = access;
  const page = await discoverKeys(access.http, prefix, { insecureHttp, retries }, signal);
  const found: DiscoveredKey[] = [];
  for (const location of page.urls) {
    const { keys, isAuthenticated } = await readLocation(access, location, signal);
    const isSure = page.isAuthenticated && isAuthenticated;
    found.push(...keys.map((key) => ({ location, key, isAuthenticated: isSure })));
  }
  return found;
}

async function readLocation(access: KeyAccess, location: string, signal: AbortSignal) {
  const place = parseKeyLocation(location, access.insecureHttp, process.cwd());
  const { bytes, isAuthenticated } =
    place.kind === 'url'
      ? await download(access, place.url, signal)
      : { bytes: await readFileBounded(place.path, signal), isAuthenticated: false };
  const keys = await readKeys(bytes).catch((cause: unknown) => {
    if (!isFetchError(cause)) throw cause;
    throw retold(cause, { message: `${redactUrl(location)}: ${cause.message}` });
  });
  return { keys, isAuthenticated };
}

async function download({ http, insecureHttp, retries }: KeyAccess, url: string, signal: AbortSignal) {
  const what = `the key ${redactUrl(url)}`;
  const attempt = async (ends: AbortSignal, whileWaiting: AroundWait) => {
    const request = { httpsOnly: !insecureHttp, whileWaiting, stage: STAGE } as const;
    const response = await http.request(url, request, ends);
    if (response.status === 200) {
      const bytes = await readBounded(response.body, KEYS_MAX_BYTES, what, STAGE);
      return { bytes, isAuthenticated: response.isAuthenticated };
    }
    await response.discard();
    throw statusError(response, what, STAGE);
  };
  const deadline = { timeoutMs: KEYS_TIMEOUT_MS, what, stage: STAGE, signal } as const;
  try {
    return await withRetry(() => withDeadline(deadline, attempt), { signal, retries });
  } catch (error) {
    // What allows plain HTTP for images does not allow it for keys.
    if (isFetchError(error) && error.code === 'ERR_INSECURE_HTTP') throw plainHttp(error.message, error);
    throw error;
  }
}

async function readFileBounded(path: string, signal: AbortSignal): Promise<Buffer> {
  try {
    return await readLocalFile({ path, maxBytes: KEYS_MAX_BYTES, stage: 'store' }, signal);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') {
      throw new FetchError('ERR_NOT_FOUND', `no such file: ${path}`, { stage: 'store', cause: error });
    }
    throw storageError(error, `cannot read the key ${path}`);
  }
}

function pathOfUrl(location: string): string {
  try {
    return fileURLToPath(location);
  } catch (cause) {
    throw usage(`${redactUrl(location)} is not a valid file URL`, cause);
  }
}

function plainHttp(message: string, cause?: unknown): FetchError {
  return new FetchError('ERR_INSECURE_HTTP', message, { stage: STAGE, hint: HTTP_HINT, cause });
}

function usage(message: string, cause?: unknown): FetchError {
  return new FetchError('ERR_USAGE', message, { stage: 'usage', cause });
}
