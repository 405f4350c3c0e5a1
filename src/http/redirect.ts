/** Where a request may go next, and whether the credentials go with it. */

import { type ErrorCode, FetchError, type Stage } from '../errors.js';
import { redactUrl } from './redact.js';

/** As in curl's and browsers' order of magnitude; a CDN needs two or three. */
export const MAX_REDIRECTS = 10;

const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export interface Hop {
  /** Absolute, without user-info and fragment. */
  readonly url: string;
  /** False for good once a hop has left the origin that the credentials were given for. */
  readonly sendsAuthorization: boolean;
  /** Redirects so far. */
  readonly redirects: number;
}

export interface HopPolicy {
  /** Plain HTTP is allowed. */
  readonly insecureHttp: boolean;
  readonly stage: Stage;
}

export function isRedirect(status: number): boolean {
  return REDIRECT_STATUSES.has(status);
}

/** The request itself. Throws ERR_INSECURE_HTTP, or ERR_USAGE for what is not an http(s) URL. */
export function firstHop(text: string, policy: HopPolicy): Hop {
  const url = parse(text);
  if (url === undefined) throw refusal('ERR_USAGE', `${redactUrl(text)} is not an http(s) URL`, policy);
  checkScheme(url, `${redactUrl(url.href)} is plain HTTP`, policy);
  return { url: url.href, sendsAuthorization: true, redirects: 0 };
}

/**
 * Where `Location` leads from `hop`.
 *
 * | | |
 * |---|---|
 * | no Location, not a URL, not http(s), more than 10 | ERR_REDIRECT |
 * | http, also from http | ERR_INSECURE_HTTP, unless plain HTTP is allowed |
 * | same scheme, host and port | credentials stay |
 * | anything else | credentials are dropped, also for later hops back |
 */
export function nextHop(hop: Hop, location: string | undefined, policy: HopPolicy): Hop {
  const from = redactUrl(hop.url);
  if (hop.redirects >= MAX_REDIRECTS) {
    throw refusal('ERR_REDIRECT', `${from}: more than ${MAX_REDIRECTS} redirects`, policy);
  }
  if (location === undefined || location === '') {
    throw refusal('ERR_REDIRECT', `${from}: a redirect without a target`, policy);
  }
  const url = parse(location, hop.url);
  if (url === undefined) throw refusal('ERR_REDIRECT', `${from}: a redirect to no http(s) URL`, policy);
  checkScheme(url, `${from}: a redirect to plain HTTP`, policy);
  return {
    url: url.href,
    sendsAuthorization: hop.sendsAuthorization && url.origin === new URL(hop.url).origin,
    redirects: hop.redirects + 1,
  };
}

function parse(text: string, base?: string): URL | undefined {
  if (!URL.canParse(text, base)) return undefined;
  const url = new URL(text, base);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return undefined;
  url.username = '';
  url.password = '';
  url.hash = '';
  return url;
}

function checkScheme(url: URL, problem: string, policy: HopPolicy): void {
  if (url.protocol === 'https:' || policy.insecureHttp) return;
  throw refusal('ERR_INSECURE_HTTP', problem, policy, 'try --insecure-options=http');
}

function refusal(code: ErrorCode, message: string, policy: HopPolicy, hint?: string): FetchError {
  return new FetchError(code, message, { stage: policy.stage, hint });
}
