/** Bearer tokens for a registry (Docker registry v2 authentication, token specification). */

import { FetchError, type Stage } from '../errors.js';
import type { HttpClient } from '../http/client.js';
import { readErrorText, statusError } from '../http/errors.js';
import { readBounded } from '../http/limit.js';

const STAGE: Stage = 'resolve';
/** Tokens that name many permissions reach some 10 KiB. */
const MAX_TOKEN_BYTES = 256 * 1024;
/** What may stand in a header (RFC 6750, b68token, taken generously). */
const TOKEN = /^[\x21-\x7e]+$/;

export interface TokenRequest {
  readonly realm: string;
  readonly service?: string | undefined;
  readonly scope: string;
  /** `USER:PASSWORD`; without it the token is an anonymous one. */
  readonly basicAuth?: string | undefined;
  readonly insecureHttp: boolean;
}

/**
 * One token, not retried here. Rejects with ERR_AUTH when it is refused or the answer holds none,
 * ERR_INSECURE_HTTP when the realm is not https, and with what {@link HttpClient.request} rejects with.
 */
export async function fetchToken(
  http: HttpClient,
  request: TokenRequest,
  signal: AbortSignal,
): Promise<string> {
  const url = tokenUrl(request);
  const what = `the token service ${url.host}`;
  const authorization = request.basicAuth === undefined ? undefined : basicAuthorization(request.basicAuth);
  const response = await http.request(url.href, { authorization, stage: STAGE }, signal);
  if (response.status !== 200) {
    throw statusError(response, what, STAGE, await readErrorText(response));
  }
  return tokenOf(await readBounded(response.body, MAX_TOKEN_BYTES, `the answer of ${what}`, STAGE), what);
}

export function basicAuthorization(basicAuth: string): string {
  return `Basic ${Buffer.from(basicAuth, 'utf8').toString('base64')}`;
}

function tokenUrl({ realm, service, scope, insecureHttp }: TokenRequest): URL {
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
  if (service !== undefined) url.searchParams.set('service', service);
  url.searchParams.set('scope', scope);
  return url;
}

function tokenOf(bytes: Buffer, what: string): string {
  let body: unknown;
  let cause: unknown;
  try {
    body = JSON.parse(bytes.toString('utf8'));
  } catch {
    // The parser's error would quote the answer, and with it perhaps a token.
    cause = new SyntaxError('not JSON');
  }
  const { token, access_token: accessToken } = (
    typeof body === 'object' && body !== null ? body : {}
  ) as Record<string, unknown>;
  for (const candidate of [token, accessToken]) {
    if (typeof candidate === 'string' && TOKEN.test(candidate)) return candidate;
  }
  throw new FetchError('ERR_AUTH', `${what} sent no token`, { stage: STAGE, cause });
}
