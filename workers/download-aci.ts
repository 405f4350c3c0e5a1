/** The task that downloads an ACI into a file that a reader follows: conditionally, in parts, going on with what is there. */

import { FetchError, toFetchError } from '../src/errors.js';
import type { HttpResponse } from '../src/http/client.js';
import { parseHttpDate } from '../src/http/date.js';
import { statusError } from '../src/http/errors.js';
import { type CacheHeaders, cacheHeadersOf, conditionalHeaders } from '../src/http/freshness.js';
import { takesUnauthenticated } from '../src/http/options.js';
import { totalOf } from '../src/http/part-plan.js';
import { checkPartial, rangeEnd } from '../src/http/range.js';
import { redactUrl } from '../src/http/redact.js';
import { withRetry } from '../src/http/retry.js';
import type { TaskHandler } from '../src/tasks/contract.js';
import { blobCounters } from '../src/tasks/counters.js';
import { fillFile, type OpenedSpan, type SentSpan, type SpanRequest } from './fill-file.js';
import { httpClient, overConnection, retryOptions } from './http.js';
import { openPartialFile, type PartialFacts } from './partial-file.js';
import { doesRanges, noteRanges, rangeHeader } from './ranges.js';
import { taskConnections } from './task-connections.js';

/** What the server has now is not what the bytes are of that are here. */
class ContentChanged extends Error {}

const ALL: SentSpan = { start: 0, end: undefined };

/** Readers are told of so much at once. */
const PUBLISH_BYTES = 512 * 1024;

/** @throws FetchError of the network, ERR_NOT_FOUND, ERR_AUTH, those of exit code 8 */
export const downloadAci: TaskHandler<'downloadAci'> = async (input, context) => {
  const { request, validators } = input;
  const what = redactUrl(request.url);
  const client = await httpClient(request.http);
  const counters = blobCounters(input.counters);
  const partial = openPartialFile(input.partialFile);
  const connections = taskConnections(input.counters, context);
  const retry = retryOptions(request, context, connections);
  let publishedBytes = 0;
  let downloadedBytes = 0;
  let headers: CacheHeaders | undefined;
  let isUnchanged = false;
  let isAuthenticated = true;

  async function ask(
    extra: Record<string, string>,
    signal: AbortSignal,
    connection: Pick<SpanRequest, 'isFirst'>,
  ): Promise<HttpResponse> {
    const { url, authorization, credential } = request;
    const asked = {
      headers: extra,
      authorization,
      credential,
      ...overConnection(connection, connections),
    };
    const response = await client.request(url, { ...asked, stage: 'download' }, signal);
    if (!response.isAuthenticated) {
      isAuthenticated = false;
      partial.noteUnauthenticated();
    }
    return response;
  }

  async function open(span: SpanRequest, signal: AbortSignal): Promise<OpenedSpan> {
    const isNew = partial.received().length === 0;
    // Only the first connection begins: another one would begin under its feet.
    if (isNew && !span.isFirst) throw noRanges();
    const validator = resumeValidator(partial.facts());
    if (!isNew && validator === undefined) throw new ContentChanged(what);
    const condition = isNew ? conditionalHeaders(validators) : { 'if-range': validator as string };
    const response = await ask({ ...(isNew ? {} : rangeHeader(span)), ...condition }, signal, span);
    try {
      const sent = isNew ? beginWith(response) : sentSpan(response, span);
      headers ??= cacheHeadersOf(response.headers);
      if (isUnchanged) await response.discard();
      else if (span.isFirst) tellOpened();
      return { body: isUnchanged ? [] : response.body, ...sent };
    } catch (error) {
      await response.discard();
      throw error;
    }
  }

  function beginWith(response: HttpResponse): SentSpan {
    isUnchanged = response.status === 304;
    if (isUnchanged) return ALL;
    if (response.status !== 200) throw statusError(response, what, 'download');
    noteRanges(request.url, response, false);
    partial.begin({ ...factsOf(response.headers), isAuthenticated });
    return ALL;
  }

  /** A server that ignores ranges sends all of the same. */
  function sentSpan(response: HttpResponse, { start, end, isFirst }: SpanRequest): SentSpan {
    const facts = partial.facts();
    const { status } = response;
    const isOfOther = (status === 200 || status === 206) && !isSameContent(response, facts);
    if (isOfOther || status === 412 || status === 416) throw isFirst ? new ContentChanged(what) : changed();
    noteRanges(request.url, response, true);
    const answer = {
      ...response,
      requestedStart: start,
      requestedEnd: end,
      expectedTotal: facts?.totalBytes,
      what,
    };
    if (checkPartial(answer) === 'append') return { start, end: rangeEnd(response.headers) };
    if (isFirst) return ALL;
    throw noRanges();
  }

  const noRanges = (): FetchError =>
    new FetchError('ERR_HTTP_STATUS', `${what}: no ranges`, { stage: 'download' });

  const changed = (): FetchError =>
    new FetchError('ERR_NETWORK', `${what}: changed while it was downloaded`, { stage: 'download' });

  function tellOpened(): void {
    const resumedBytes = totalOf(partial.received());
    const sizeBytes = partial.facts()?.totalBytes;
    context.note({ note: 'opened', sizeBytes, resumedBytes, prefixBytes: partial.size() });
    publish();
  }

  function publish(): void {
    publishedBytes = partial.size();
    counters.set('wireBytes', totalOf(partial.received()));
    counters.set('prefixBytes', publishedBytes);
    counters.publish();
  }

  /** An image without a signature is what its connections are: bytes of others would pass for the host's. */
  function mayGoOn(): boolean {
    const isOfHost = partial.received().length === 0 || partial.facts()?.isAuthenticated === true;
    return isOfHost || takesUnauthenticated(request.url, request.http);
  }

  /** Whether all of it is here since an earlier run, and still what the server has. */
  async function isComplete(): Promise<boolean> {
    const facts = partial.facts();
    if (facts?.totalBytes === undefined || facts.totalBytes !== partial.size()) return false;
    if (facts.totalBytes === 0 || resumeValidator(facts) === undefined) throw new ContentChanged(what);
    const response = await withRetry(async () => {
      const answer = await ask(conditionalHeaders(facts), context.signal, { isFirst: true });
      await answer.discard();
      if (answer.status === 200 || answer.status === 412) throw new ContentChanged(what);
      if (answer.status !== 304) throw statusError(answer, what, 'download');
      return answer;
    }, retry);
    headers = cacheHeadersOf(response.headers);
    tellOpened();
    return true;
  }

  async function download(): Promise<void> {
    if ((partial.received().at(-1)?.end ?? 0) > (partial.facts()?.totalBytes ?? Number.POSITIVE_INFINITY)) {
      throw new ContentChanged(what);
    }
    if (!mayGoOn()) throw new ContentChanged(what);
    if (await isComplete()) return;
    downloadedBytes += await fillFile({
      file: partial,
      totalBytes: () => (isUnchanged ? 0 : partial.facts()?.totalBytes),
      open,
      // Without a validator nothing tells whether two parts are of one content.
      doesRanges: () => resumeValidator(partial.facts()) !== undefined && doesRanges(request.url),
      unreadBytes: () => partial.size() - counters.read('readBytes'),
      onArrival() {
        counters.set('wireBytes', totalOf(partial.received()));
        if (partial.size() - publishedBytes >= PUBLISH_BYTES) publish();
      },
      wrongSize: (problem) =>
        new FetchError('ERR_NETWORK', `${what}: the server sent ${problem}`, { stage: 'download' }),
      connections,
      retry,
    });
  }

  async function downloadCurrent(): Promise<void> {
    for (let left = request.retries + 1; ; left -= 1) {
      try {
        return await download();
      } catch (error) {
        if (!(error instanceof ContentChanged)) throw error;
        if (left === 0) throw changed();
        // Readers first, so that they do not meet bytes of both.
        counters.restart();
        partial.begin(undefined);
        publishedBytes = 0;
        headers = undefined;
      }
    }
  }

  try {
    await downloadCurrent();
    if (isUnchanged) {
      partial.remove();
      return { status: 'unchanged', headers: headers ?? {}, isAuthenticated };
    }
    publish();
    counters.setState('complete');
    // A 304 or a 206 need not repeat the validators of the 200 before it.
    const { etag, lastModified, isAuthenticated: isAllOfHost = false } = partial.facts() ?? {};
    const known = { etag, 'last-modified': lastModified, ...headers };
    return { status: 'downloaded', downloadedBytes, headers: known, isAuthenticated: isAllOfHost };
  } catch (error) {
    // After a 404 there is nothing to go on with.
    if (partial.received().length === 0) partial.remove();
    throw toFetchError(error);
  } finally {
    partial.close();
  }
};

function factsOf(headers: HttpResponse['headers']): PartialFacts {
  const length = Number(headers['content-length'] ?? Number.NaN);
  return {
    etag: headers['etag'],
    lastModified: isStrongTime(headers) ? headers['last-modified'] : undefined,
    totalBytes: Number.isSafeInteger(length) ? length : undefined,
  };
}

/** What changed within the second in which it was sent may have changed again in it (RFC 9110, 8.8.2.2). */
function isStrongTime(headers: HttpResponse['headers']): boolean {
  const [modifiedMs, sentMs] = [parseHttpDate(headers['last-modified']), parseHttpDate(headers['date'])];
  return modifiedMs !== undefined && sentMs !== undefined && sentMs - modifiedMs >= 1000;
}

/** What If-Range may hold: a strong ETag or else the time (RFC 9110, 13.1.5). */
function resumeValidator(facts: PartialFacts = {}): string | undefined {
  return strongEtag(facts) ?? facts.lastModified;
}

function strongEtag({ etag }: PartialFacts): string | undefined {
  return etag?.startsWith('W/') ? undefined : etag;
}

/**
 * A server that knows ranges but not If-Range sends a part of whatever it has now; a 206 carries the validator that
 * a 200 would have (RFC 9110, 15.3.7).
 */
function isSameContent({ status, headers }: HttpResponse, facts: PartialFacts = {}): boolean {
  const { etag, lastModified } = facts;
  if (strongEtag(facts) !== undefined) return headers['etag'] === etag;
  if (etag !== undefined && headers['etag'] !== undefined && headers['etag'] !== etag) return false;
  const modified = headers['last-modified'] ?? (status === 206 ? lastModified : undefined);
  return lastModified !== undefined && modified === lastModified;
}
