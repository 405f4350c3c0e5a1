/** Network failures and statuses as errors. */

import { describe, expect, it } from 'vitest';
import { abortedError } from '../../../src/errors.js';
import { isPlainHttpServer, networkError, readErrorText, statusError } from '../../../src/http/errors.js';

const failure = (code: string, message = code) => Object.assign(new Error(message), { code });

describe('networkError', () => {
  it.each([
    ['ECONNREFUSED', 'ERR_NETWORK'],
    ['ECONNRESET', 'ERR_NETWORK'],
    ['ENOTFOUND', 'ERR_NETWORK'],
    ['EAI_AGAIN', 'ERR_NETWORK'],
    ['EHOSTDOWN', 'ERR_NETWORK'],
    ['UND_ERR_CONNECT_TIMEOUT', 'ERR_NETWORK'],
    ['UND_ERR_HEADERS_TIMEOUT', 'ERR_NETWORK'],
    ['UND_ERR_BODY_TIMEOUT', 'ERR_NETWORK'],
    ['UND_ERR_SOCKET', 'ERR_NETWORK'],
    ['UND_ERR_HEADERS_OVERFLOW', 'ERR_LIMIT'],
    ['UND_ERR_DESTROYED', 'ERR_ABORTED'],
    ['UND_ERR_INVALID_ARG', 'ERR_INTERNAL'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'ERR_TLS'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'ERR_TLS'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'ERR_TLS'],
    ['CERT_HAS_EXPIRED', 'ERR_TLS'],
    ['CERT_SIGNATURE_FAILURE', 'ERR_TLS'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'ERR_TLS'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_TLS'],
    ['EPROTO', 'ERR_TLS'],
  ])('makes of %s an %s with its cause', (errno, code) => {
    const cause = failure(errno);
    expect(networkError(cause, 'a.test:443', 'download')).toMatchObject({
      code,
      stage: 'download',
      cause,
      message: expect.stringContaining('a.test:443'),
    });
  });

  it('says in one line what happened', () => {
    const error = networkError(failure('ECONNREFUSED'), '127.0.0.1:1', 'download');
    expect(error.message).toBe('cannot connect to 127.0.0.1:1: connection refused');
    const tls = networkError(failure('EPROTO', 'first\nsecond'), 'a.test', 'download');
    expect(tls.message).not.toContain('\n');
  });

  it('looks into the error around several addresses', () => {
    const cause = new AggregateError([failure('ECONNREFUSED'), failure('ENETUNREACH')], '');
    expect(networkError(cause, 'localhost:1', 'resolve').message).toContain('connection refused');
  });

  it('recognises a server without TLS', () => {
    const eproto = failure(
      'EPROTO',
      'write EPROTO 80:error:0A00010B:SSL routines::wrong version number:x.c:1:',
    );
    for (const cause of [eproto, failure('ERR_SSL_PACKET_LENGTH_TOO_LONG')]) {
      const error = networkError(cause, 'a.test', 'resolve');
      expect(error.hint).toContain('--insecure-options=http');
      expect(isPlainHttpServer(error)).toBe(true);
    }
    expect(isPlainHttpServer(networkError(failure('CERT_HAS_EXPIRED'), 'a.test', 'resolve'))).toBe(false);
  });

  it('lets errors of the project through, and calls others internal', () => {
    const aborted = abortedError();
    expect(networkError(aborted, 'a.test', 'resolve')).toBe(aborted);
    expect(networkError(new TypeError('x is not a function'), 'a.test', 'resolve').code).toBe('ERR_INTERNAL');
  });
});

describe('statusError', () => {
  it.each([
    [401, 'ERR_AUTH', false],
    [403, 'ERR_AUTH', false],
    [404, 'ERR_NOT_FOUND', false],
    [410, 'ERR_NOT_FOUND', false],
    [429, 'ERR_RATE_LIMITED', true],
    [500, 'ERR_SERVER', true],
    [503, 'ERR_SERVER', true],
    [400, 'ERR_HTTP_STATUS', false],
    [418, 'ERR_HTTP_STATUS', false],
    [204, 'ERR_HTTP_STATUS', false],
    [304, 'ERR_HTTP_STATUS', false],
    [600, 'ERR_HTTP_STATUS', false],
  ])('makes of %i an %s', (status, code, retryable) => {
    expect(statusError({ status, headers: {} }, 'x', 'resolve')).toMatchObject({ code, retryable });
  });

  it('carries Retry-After where waiting makes sense', () => {
    const headers = { 'retry-after': '7' };
    const waits = [429, 503, 404].map(
      (status) => statusError({ status, headers }, 'x', 'resolve').retryAfterMs,
    );
    expect(waits).toEqual([7000, 7000, undefined]);
  });

  it('quotes the message of a registry in one short line, and nothing else', () => {
    const say = (body: string) => statusError({ status: 403, headers: {} }, 'x', 'resolve', body).message;
    const plain = say('');
    expect(say(JSON.stringify({ errors: [{ code: 'DENIED', message: 'no\u001b[31m\n pull' }] }))).toContain(
      'no [31m pull',
    );
    expect(say(JSON.stringify({ errors: [{ message: 'x'.repeat(10_000) }] })).length).toBeLessThan(300);
    for (const body of ['<html>', '{', '{}', '[]', 'null', '{"errors":[]}', '{"errors":[{"message":1}]}']) {
      expect(say(body)).toBe(plain);
    }
  });
});

it('reads error pages up to a bound, and does without those that are larger', async () => {
  async function* pages(count: number) {
    for (let index = 0; index < count; index++) yield Buffer.alloc(1024, 'x');
  }
  expect(await readErrorText({ body: pages(2) })).toHaveLength(2048);
  expect(await readErrorText({ body: pages(100) })).toBeUndefined();
});
