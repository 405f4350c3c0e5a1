/** Bearer tokens for a registry (Docker registry v2 authentication, token specification and its OAuth2 form). */

import { basicAuthorization } from '../auth/authorization.js';
import type { IdentityCredential, RegistryCredential } from '../auth/credentials.js';
import { FetchError, type Stage } from '../errors.js';
import type { HttpClient, HttpRequest, HttpResponse } from '../http/client.js';
import { readErrorText, statusError } from '../http/errors.js';
import { readBounded } from '../http/limit.js';

const STAGE: Stage = 'resolve';
/** Tokens that name many permissions reach some 10 KiB. */
const MAX_TOKEN_BYTES = 256 * 1024;
/** What may stand in a header (RFC 6750, b68token, taken generously). */
const TOKEN = /^[\x21-\x7e]+$/;
const CLIENT_ID = 'acifetch';

export interface TokenRequest {
  /** As {@link parseRealm} returns it. */
  readonly realm: URL;
  readonly service?: string | undefined;
  readonly scope: string;
  /** Without it the token is an anonymous one. */
  readonly credential?: RegistryCredential | undefined;
  /** For the error when the service refuses. */
  readonly hint: string;
}

export interface Token {
  readonly token: string;
  /** How long it holds from its arrival. */
  readonly lifetimeMs: number;
  /** In place of the one that was used, where the service wants that. */
  readonly refreshToken?: string | undefined;
}

/** The token service that a registry names. Throws ERR_AUTH, or ERR_INSECURE_HTTP when it is plain HTTP. */
export function parseRealm(realm: string, insecureHttp: boolean): URL {
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new FetchError('ERR_AUTH', 'the registry names no valid token service', { stage: STAGE });
  }
  if (url.protocol === 'http:' && !insecureHttp) {
    throw new FetchError('ERR_INSECURE_HTTP', `the token service ${url.host} is plain HTTP`, {
      stage: STAGE,
      hint: 'try --insecure-options=http',
    });
  }
  return url;
}

/**
 * One token, not retried here. A refresh token is posted (RFC 6749, 6); a service that does not know that gets it as
 * the password of its user, if it has one. Rejects with ERR_AUTH when it is refused or the answer holds no token,
 * and with what {@link HttpClient.request} rejects with.
 */
export async function fetchToken(
  http: HttpClient,
  request: TokenRequest,
  signal: AbortSignal,
): Promise<Token> {
  const { realm, credential } = request;
  const what = `the token service ${realm.host}`;
  const response = await askForToken(http, request, signal);
  if (response.status !== 200) {
    const failure = statusError(response, what, STAGE, await readErrorText(response));
    // OAuth2 says 400 where it refuses a refresh token (RFC 6749, 5.2).
    const isRefusal =
      failure.code === 'ERR_AUTH' || (credential?.kind === 'identity' && response.status === 400);
    if (!isRefusal) throw failure;
    throw new FetchError('ERR_AUTH', failure.message, { stage: STAGE, hint: request.hint, cause: failure });
  }
  const bytes = await readBounded(response.body, MAX_TOKEN_BYTES, `the answer of ${what}`, STAGE);
  return tokenOf(bytes, response.headers['date'], what);
}

async function askForToken(
  http: HttpClient,
  request: TokenRequest,
  signal: AbortSignal,
): Promise<HttpResponse> {
  const { realm, credential } = request;
  if (credential?.kind === 'identity') {
    const response = await http.request(realm.href, refreshRequest(request, credential), signal);
    if (!hasNoOauth(response.status) || credential.user === '') return response;
    await response.discard();
  }
  const password = credential?.kind === 'identity' ? credential.refreshToken : credential?.password;
  const authorization =
    credential === undefined || password === undefined
      ? undefined
      : basicAuthorization({ user: credential.user, password });
  const url = new URL(realm);
  for (const [name, value] of parametersOf(request)) url.searchParams.set(name, value);
  return http.request(url.href, { authorization, stage: STAGE }, signal);
}

function refreshRequest(request: TokenRequest, { refreshToken }: IdentityCredential): HttpRequest {
  const form = new URLSearchParams([
    ['grant_type', 'refresh_token'],
    ...parametersOf(request),
    ['client_id', CLIENT_ID],
    ['refresh_token', refreshToken],
  ]);
  return {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
    stage: STAGE,
  };
}

function parametersOf({ service, scope }: TokenRequest): [string, string][] {
  return [...(service === undefined ? [] : ([['service', service]] as [string, string][])), ['scope', scope]];
}

function hasNoOauth(status: number): boolean {
  return status === 404 || status === 405 || status === 501;
}

function tokenOf(bytes: Buffer, date: string | undefined, what: string): Token {
  let body: unknown;
  let cause: unknown;
  try {
    body = JSON.parse(bytes.toString('utf8'));
  } catch {
    // The parser's error would quote the answer, and with it perhaps a token.
    cause = new SyntaxError('not JSON');
  }
  const fields = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const token = [fields['token'], fields['access_token']].find(isToken);
  if (token === undefined) throw new FetchError('ERR_AUTH', `${what} sent no token`, { stage: STAGE, cause });
  const refreshToken = fields['refresh_token'];
  return {
    token,
    lifetimeMs: tokenLifetimeMs({
      expiresIn: fields['expires_in'],
      issuedAt: fields['issued_at'],
      date,
      nowMs: Date.now(),
    }),
    refreshToken: isToken(refreshToken) ? refreshToken : undefined,
  };
}

function isToken(value: unknown): value is string {
  return typeof value === 'string' && TOKEN.test(value);
}

/** What the token specification has where the service says nothing. */
const DEFAULT_LIFETIME_SECONDS = 60;

export interface TokenDates {
  /** Seconds from `issuedAt`. */
  readonly expiresIn: unknown;
  /** RFC 3339; default: now. */
  readonly issuedAt: unknown;
  /** The `Date` header: what the clock of the service says. */
  readonly date: string | undefined;
  readonly nowMs: number;
}

/**
 * How long a token holds that has just come. Its age is taken by the clock of the service where that is known; an age
 * beyond the whole lifetime tells of wrong clocks and counts as none.
 */
export function tokenLifetimeMs({ expiresIn, issuedAt, date, nowMs }: TokenDates): number {
  const seconds = typeof expiresIn === 'number' && expiresIn > 0 ? expiresIn : DEFAULT_LIFETIME_SECONDS;
  const lifetimeMs = seconds * 1000;
  const serviceNowMs = timeOf(date) ?? nowMs;
  const ageMs = Math.max(0, serviceNowMs - (timeOf(issuedAt) ?? serviceNowMs));
  return ageMs < lifetimeMs ? lifetimeMs - ageMs : lifetimeMs;
}

function timeOf(value: unknown): number | undefined {
  const atMs = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(atMs) ? undefined : atMs;
}
