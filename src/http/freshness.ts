/** How long an answer may be used without asking again, and how to ask (RFC 9111, for a private cache). */

import { parseHttpDate } from './date.js';

/** Names in lower case, several values of one name joined with `, `. */
export type CacheHeaders = Readonly<Record<string, string | undefined>>;
type Headers = CacheHeaders;

const CACHE_HEADERS = ['etag', 'last-modified', 'cache-control', 'expires', 'vary', 'age', 'date'] as const;

/** Those of an answer that matter here. */
export function cacheHeadersOf(headers: Headers): CacheHeaders {
  return Object.fromEntries(
    CACHE_HEADERS.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])),
  );
}

/** What is of use here; every other directive is ignored. */
export interface CacheControl {
  readonly noStore: boolean;
  readonly noCache: boolean;
  readonly mustRevalidate: boolean;
  /** The smallest of several; 0 for one that is no number; undefined where there is none. */
  readonly maxAgeSeconds: number | undefined;
}

const DIRECTIVES = /(?:[^,"]|"[^"]*"|")+/g;

/** The directives in whatever order; what is malformed counts as the more careful meaning. */
export function parseCacheControl(value: string | undefined): CacheControl {
  const directives = (value?.match(DIRECTIVES) ?? []).map((directive) => {
    const [name = '', ...argument] = directive.split('=');
    return { name: name.trim().toLowerCase(), argument: argument.join('=') };
  });
  const has = (wanted: string): boolean => directives.some(({ name }) => name === wanted);
  const ages = directives.filter(({ name }) => name === 'max-age').map(({ argument }) => parseAge(argument));
  return {
    noStore: has('no-store'),
    // Also of single fields (`no-cache="set-cookie"`), as RFC 9111, 5.2.2.4 allows.
    noCache: has('no-cache'),
    mustRevalidate: has('must-revalidate'),
    maxAgeSeconds: ages.length === 0 ? undefined : Math.min(...ages.map((age) => age ?? 0)),
  };
}

/** Seconds, plain or quoted; undefined for anything else. */
function parseAge(text: string): number | undefined {
  const digits = /^(?:"(\d+)"|(\d+))$/.exec(text.trim());
  return digits === null ? undefined : Number(digits[1] ?? digits[2]);
}

export interface Freshness {
  /** False: use it now and remember nothing of it, neither until when it is fresh nor its validators. */
  readonly storable: boolean;
  /** `nowMs` for what is never fresh; at most a year later. */
  readonly freshUntilMs: number;
  /** What is no longer fresh may not be used where the server cannot be asked. */
  readonly mustRevalidate: boolean;
}

const MAX_FRESH_MS = 365 * 24 * 60 * 60 * 1000;

/**
 * Of the headers of a 200 that has just come.
 *
 * | headers | fresh for |
 * |---|---|
 * | `no-store` | not storable |
 * | `no-cache`, whatever else there is | 0 |
 * | `Vary: *` or `Authorization` (the one header of ours that may be another next time) | 0 |
 * | `max-age=N` | N seconds, less the age; 0 when N is no number |
 * | `Expires`, without `max-age` | from `Date` until then, less the age; 0 when it is no date |
 * | none of these | 0: nothing is guessed from Last-Modified |
 *
 * The age is that of the header `Age`, or by `Date` and this host's clock if that is more (4.2.3).
 */
export function freshnessOf(headers: Headers, nowMs: number): Freshness {
  const control = parseCacheControl(headers['cache-control']);
  const mustRevalidate = control.mustRevalidate || control.noCache;
  if (control.noStore) return { storable: false, freshUntilMs: nowMs, mustRevalidate: true };
  const isNeverFresh = control.noCache || variesByRequest(headers['vary']);
  const freshMs = isNeverFresh ? 0 : lifetimeMs(control, headers, nowMs) - ageMs(headers, nowMs);
  const freshUntilMs = nowMs + Math.min(Math.max(freshMs, 0), MAX_FRESH_MS);
  return { storable: true, freshUntilMs, mustRevalidate };
}

function lifetimeMs({ maxAgeSeconds }: CacheControl, headers: Headers, nowMs: number): number {
  if (maxAgeSeconds !== undefined) return maxAgeSeconds * 1000;
  const expiresMs = parseHttpDate(headers['expires']);
  return expiresMs === undefined ? 0 : expiresMs - (parseHttpDate(headers['date']) ?? nowMs);
}

function ageMs(headers: Headers, nowMs: number): number {
  // Of a list the first; what is no number is ignored (5.1).
  const toldMs = (parseAge(headers['age']?.split(',', 1)[0] ?? '') ?? 0) * 1000;
  return Math.max(toldMs, nowMs - (parseHttpDate(headers['date']) ?? nowMs));
}

function variesByRequest(vary: string | undefined): boolean {
  const names = vary?.split(',').map((name) => name.trim().toLowerCase()) ?? [];
  return names.includes('*') || names.includes('authorization');
}

/** By what a server can tell whether what it has is still the same. */
export interface Validators {
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
}

/** What is kept of an answer: plain data, for the JSON of the store. */
export interface CachedAnswer extends Validators {
  readonly answeredAtMs: number;
  readonly freshUntilMs: number;
  readonly mustRevalidate: boolean;
  /** As they came, for the 304 that does not repeat them. */
  readonly cacheControl?: string | undefined;
  readonly expires?: string | undefined;
  readonly vary?: string | undefined;
}

/** Of a 200 that came at `nowMs`; undefined for what may not be remembered. */
export function cachedAnswerOf(headers: Headers, nowMs: number): CachedAnswer | undefined {
  const { storable, freshUntilMs, mustRevalidate } = freshnessOf(headers, nowMs);
  if (!storable) return undefined;
  return {
    answeredAtMs: nowMs,
    freshUntilMs,
    mustRevalidate,
    etag: headers['etag'],
    lastModified: headers['last-modified'],
    cacheControl: headers['cache-control'],
    expires: headers['expires'],
    vary: headers['vary'],
  };
}

/**
 * What is kept after a 304 at `nowMs`: its headers take the place of those kept, which hold where it has none, and
 * what they say counts from now (RFC 9111, 4.3.4). Undefined when it forbids to remember.
 */
export function refresh(record: CachedAnswer, headers304: Headers, nowMs: number): CachedAnswer | undefined {
  const kept: Headers = {
    etag: record.etag,
    'last-modified': record.lastModified,
    'cache-control': record.cacheControl,
    expires: record.expires,
    vary: record.vary,
  };
  return cachedAnswerOf({ ...kept, ...headers304 }, nowMs);
}

/** Whether it may be used without asking. One from the future is not: the clock was set back, by who knows how much. */
export function isFresh(record: CachedAnswer, nowMs: number): boolean {
  const { answeredAtMs, freshUntilMs } = record;
  return answeredAtMs <= nowMs && nowMs < freshUntilMs && freshUntilMs <= answeredAtMs + MAX_FRESH_MS;
}

/** The headers that ask for an answer only if it is another one; none without validators. */
export function conditionalHeaders({ etag, lastModified }: Validators = {}): Record<string, string> {
  if (etag !== undefined) return { 'if-none-match': etag };
  return lastModified === undefined ? {} : { 'if-modified-since': lastModified };
}
