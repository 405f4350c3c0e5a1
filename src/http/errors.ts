/** Failures of connections and answers of servers as errors of this project. */

import { type ErrorCode, FetchError, isFetchError, type Stage } from '../errors.js';
import { readBounded } from './limit.js';
import { parseRetryAfter } from './retry.js';

/** What a person needs to know about the errors that a socket or a name lookup ends with. */
const CONNECT_REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'the network is unreachable',
  EADDRNOTAVAIL: 'the address is not available',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name server does not answer',
  ETIMEDOUT: 'connection timed out',
  UND_ERR_CONNECT_TIMEOUT: 'connection timed out',
};

const TRANSFER_REASONS: Readonly<Record<string, string>> = {
  ECONNRESET: 'connection reset',
  EPIPE: 'connection closed',
  UND_ERR_SOCKET: 'connection closed early',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the body ended early',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_BODY_TIMEOUT: 'no data for too long',
};

const TLS_REASONS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'the certificate has expired',
  CERT_NOT_YET_VALID: 'the certificate is not valid yet',
  CERT_REVOKED: 'the certificate was revoked',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the certificate is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'the certificate comes from an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT: 'the certificate comes from an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'the certificate comes from an unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the certificate comes from an unknown authority',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for another host',
  HOSTNAME_MISMATCH: 'the certificate is for another host',
};

const TLS_CODE = /^(?:ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|EPROTO$)/;
const CERTIFICATE_HINT =
  'name the CA in NODE_EXTRA_CA_CERTS, or try --insecure-options=tls to leave the check out';

/**
 * What ended a connection, as ERR_NETWORK, ERR_TLS, ERR_LIMIT (headers without end), ERR_ABORTED (the client
 * was closed) or, where it came from somewhere else, ERR_INTERNAL. A FetchError passes through.
 * @param host `HOST[:PORT]`, for the message
 */
export function networkError(cause: unknown, host: string, stage: Stage): FetchError {
  if (isFetchError(cause)) return cause;
  const inner = innermost(cause);
  const errno = codeOf(inner) ?? '';
  const make = (code: ErrorCode, message: string, hint?: string) =>
    new FetchError(code, message, { stage, cause, hint });

  if (isPlainAnswer(inner)) {
    return make('ERR_TLS', `${host} does not speak TLS`, 'try --insecure-options=http');
  }
  const tls = TLS_REASONS[errno];
  if (tls !== undefined) return make('ERR_TLS', `no trusted connection to ${host}: ${tls}`, CERTIFICATE_HINT);
  if (TLS_CODE.test(errno)) return make('ERR_TLS', `no TLS connection to ${host}: ${reasonOf(inner)}`);
  const connect = CONNECT_REASONS[errno];
  if (connect !== undefined) return make('ERR_NETWORK', `cannot connect to ${host}: ${connect}`);
  const transfer = TRANSFER_REASONS[errno];
  if (transfer !== undefined) return make('ERR_NETWORK', `transfer from ${host} failed: ${transfer}`);
  if (inner instanceof Error && inner.name === 'HTTPParserError')
    return make('ERR_NETWORK', `${host} does not answer in valid HTTP`);
  if (errno === 'UND_ERR_HEADERS_OVERFLOW')
    return make('ERR_LIMIT', `${host} sent headers that are too large`);
  if (errno === 'UND_ERR_DESTROYED' || errno === 'UND_ERR_CLOSED') {
    return make('ERR_ABORTED', `the request to ${host} was ended`);
  }
  const isLocal = errno === '' || errno.startsWith('ERR_') || errno === 'UND_ERR_INVALID_ARG';
  return make(isLocal ? 'ERR_INTERNAL' : 'ERR_NETWORK', `transfer from ${host} failed: ${reasonOf(inner)}`);
}

/** Node tries all addresses of a name and then throws one error around those of every attempt. */
function innermost(cause: unknown): unknown {
  return cause instanceof AggregateError && cause.errors.length > 0 ? innermost(cause.errors[0]) : cause;
}

function codeOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('code' in value)) return undefined;
  return typeof value.code === 'string' ? value.code : undefined;
}

/** Whether `error` came about because the server speaks plain HTTP where TLS was tried. */
export function isPlainHttpServer(error: FetchError): boolean {
  return error.code === 'ERR_TLS' && isPlainAnswer(innermost(error.cause));
}

/** Whether no connection came about at all, so that another scheme on the same port has no better chance. */
export function isUnreachable(error: FetchError): boolean {
  return error.code === 'ERR_NETWORK' && (codeOf(innermost(error.cause)) ?? '') in CONNECT_REASONS;
}

/** OpenSSL reads the first bytes of an HTTP answer as the version, or the length, of a TLS record. */
function isPlainAnswer(cause: unknown): boolean {
  const errno = codeOf(cause);
  if (errno === 'ERR_SSL_WRONG_VERSION_NUMBER' || errno === 'ERR_SSL_PACKET_LENGTH_TOO_LONG') return true;
  return errno === 'EPROTO' && /wrong version number|packet length too long/.test(reasonOf(cause));
}

function reasonOf(value: unknown): string {
  const message = value instanceof Error ? value.message : String(value);
  return message.split('\n', 1)[0]?.trim() ?? '';
}

/** The parts of an answer that say why it is not the expected one. */
export interface StatusAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * An answer with an unexpected status: 401 and 403 ERR_AUTH, 404 and 410 ERR_NOT_FOUND, 429 ERR_RATE_LIMITED,
 * 5xx ERR_SERVER, everything else ERR_HTTP_STATUS. 429 and 5xx carry the server's `Retry-After`.
 * @param what what was asked for, without secrets
 * @param bodyText the body, of which only the message of a registry's JSON error (OCI distribution
 *   specification, error codes) is used
 */
export function statusError(answer: StatusAnswer, what: string, stage: Stage, bodyText?: string): FetchError {
  const { status, headers } = answer;
  const { code, summary } = statusFacts(status);
  const retryAfterMs =
    code === 'ERR_RATE_LIMITED' || code === 'ERR_SERVER'
      ? parseRetryAfter(headers['retry-after'], Date.now())
      : undefined;
  const said = registryMessage(bodyText);
  const message = `${what}: ${summary} (HTTP ${status}${said === undefined ? '' : `, ${said}`})`;
  return new FetchError(code, message, { stage, retryAfterMs });
}

function statusFacts(status: number): { code: ErrorCode; summary: string } {
  if (status === 401 || status === 403) return { code: 'ERR_AUTH', summary: 'access denied' };
  if (status === 404 || status === 410) return { code: 'ERR_NOT_FOUND', summary: 'not found' };
  if (status === 429) return { code: 'ERR_RATE_LIMITED', summary: 'too many requests' };
  if (status >= 500 && status <= 599) return { code: 'ERR_SERVER', summary: 'the server failed' };
  return { code: 'ERR_HTTP_STATUS', summary: 'unexpected answer' };
}

const MAX_ERROR_BODY_BYTES = 64 * 1024;

/** The body of an answer that is an error, for {@link statusError}; undefined when it is large or breaks off. */
export async function readErrorText(response: {
  readonly body: AsyncIterable<Uint8Array>;
}): Promise<string | undefined> {
  try {
    const bytes = await readBounded(response.body, MAX_ERROR_BODY_BYTES, 'an error page', 'internal');
    return bytes.toString('utf8');
  } catch (error) {
    if (isFetchError(error) && error.code === 'ERR_ABORTED') throw error;
    return undefined;
  }
}

const MAX_MESSAGE_LENGTH = 200;

function registryMessage(bodyText: string | undefined): string | undefined {
  if (bodyText === undefined || !bodyText.trimStart().startsWith('{')) return undefined;
  let body: unknown;
  try {
    body = JSON.parse(bodyText);
  } catch {
    return undefined;
  }
  const errors = isRecord(body) && Array.isArray(body['errors']) ? body['errors'] : [];
  const first: unknown = errors[0];
  if (!isRecord(first) || typeof first['message'] !== 'string') return undefined;
  const line = first['message'].replace(/[\s\p{Cc}\p{Cf}]+/gu, ' ').trim();
  return line === '' ? undefined : line.slice(0, MAX_MESSAGE_LENGTH);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
