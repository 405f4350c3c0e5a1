/** One discovery page: asked for over HTTPS, or plain HTTP where that is allowed, within bounds of size and time. */

import { type FetchError, isFetchError, type Stage } from '../errors.js';
import type { HttpClient, HttpResponse } from '../http/client.js';
import type { AroundWait } from '../http/clock.js';
import { withDeadline } from '../http/deadline.js';
import { statusError } from '../http/errors.js';
import { readBounded } from '../http/limit.js';
import { type Retry, withRetry } from '../http/retry.js';
import { MAX_PAGE_BYTES, type MetaTag, parseMetaTags } from './meta-tags.js';

const STAGE: Stage = 'discover';
const PAGE_TIMEOUT_MS = 60_000;

export interface PageOptions {
  /** Plain HTTP where a page cannot be had over TLS, in redirects and in tags. The HTTP client must allow it as well. */
  readonly insecureHttp: boolean;
  /** Of each page. Default 3. */
  readonly retries?: number | undefined;
  readonly onRetry?: ((retry: Retry) => void) | undefined;
  /** For one attempt at a page from the request to its last byte, however steadily it comes. Default 60 s. */
  readonly pageTimeoutMs?: number | undefined;
}

export type Page =
  | {
      readonly tags: readonly MetaTag[];
      /** As {@link HttpResponse.isAuthenticated}. */
      readonly isAuthenticated: boolean;
    }
  | { readonly status: number };

export interface PageReader {
  /**
   * The tags of `https://PLACE?ac-discovery=1`, or the status of an answer that says there is no such page. Rejects
   * with ERR_SERVER, ERR_RATE_LIMITED, ERR_HTTP_STATUS, ERR_LIMIT, and what {@link HttpClient.request} rejects with.
   */
  read(place: string, signal: AbortSignal): Promise<Page>;
}

/** Within a deadline, for which waits do not count that the page is not to blame for. */
interface Timely {
  readonly signal: AbortSignal;
  readonly whileWaiting: AroundWait;
}

/** For the pages of one host: a scheme that it has answered over is kept. */
export function createPageReader(http: HttpClient, options: PageOptions): PageReader {
  const { insecureHttp, retries, onRetry, pageTimeoutMs = PAGE_TIMEOUT_MS } = options;
  let scheme: 'https' | 'http' | undefined;

  async function requestOver(chosen: 'https' | 'http', place: string, { whileWaiting, signal }: Timely) {
    const headers = { accept: 'text/html, */*;q=0.1' };
    const request = { headers, httpsOnly: !insecureHttp, whileWaiting, stage: STAGE };
    const response = await http.request(`${chosen}://${place}?ac-discovery=1`, request, signal);
    scheme = chosen;
    return response;
  }

  async function request(place: string, timely: Timely): Promise<HttpResponse> {
    if (scheme !== undefined) return requestOver(scheme, place, timely);
    try {
      return await requestOver('https', place, timely);
    } catch (failure) {
      if (!insecureHttp || !isConnectionFailure(failure)) throw failure;
      // The failure over TLS says more than one over plain HTTP, unless somebody answers there.
      return requestOver('http', place, timely).catch((error: unknown) => {
        throw isConnectionFailure(error) ? failure : error;
      });
    }
  }

  async function attempt(place: string, timely: Timely): Promise<Page> {
    const response = await request(place, timely);
    if (response.status === 200) {
      const html = await readBounded(response.body, MAX_PAGE_BYTES, pageName(place), STAGE);
      return { tags: await parseMetaTags(html), isAuthenticated: response.isAuthenticated };
    }
    await response.discard();
    if (saysNoSuchPage(response.status)) return { status: response.status };
    throw statusError(response, pageName(place), STAGE);
  }

  return {
    read(place, signal) {
      const deadline = { timeoutMs: pageTimeoutMs, what: pageName(place), stage: STAGE, signal };
      const run = () =>
        withDeadline(deadline, (ends, whileWaiting) => attempt(place, { signal: ends, whileWaiting }));
      return withRetry(run, { signal, retries, onRetry });
    },
  };
}

/**
 * 4xx, of which 429 says nothing about the page, and what has no page in it. A server that is broken is no reason to
 * take its answer for another name.
 */
function saysNoSuchPage(status: number): boolean {
  return (status > 200 && status < 300) || (status >= 400 && status < 500 && status !== 429);
}

function pageName(place: string): string {
  return `the discovery page ${place}`;
}

function isConnectionFailure(error: unknown): error is FetchError {
  return isFetchError(error) && (error.code === 'ERR_NETWORK' || error.code === 'ERR_TLS');
}
