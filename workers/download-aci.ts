/** Downloads an ACI from a URL: conditionally, and going on where an earlier attempt at the same content ended. */

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { FetchError, toFetchError } from '../src/errors.js';
import type { HttpResponse } from '../src/http/client.js';
import { statusError } from '../src/http/errors.js';
import { type CacheHeaders, cacheHeadersOf, conditionalHeaders } from '../src/http/freshness.js';
import { checkPartial } from '../src/http/range.js';
import { redactUrl } from '../src/http/redact.js';
import { withRetry } from '../src/http/retry.js';
import { bootId } from '../src/store/owner.js';
import { type PartialRecord, parsePartialRecord } from '../src/store/records.js';
import type { FetchAciInput, TaskContext } from '../src/tasks/contract.js';
import type { AciTarget, Arrival } from './aci-target.js';
import { httpClient } from './http.js';
import { openPartialFile, replay } from './partial-file.js';

type UrlSource = Extract<FetchAciInput['source'], { kind: 'url' }>;

/** @throws FetchError of the network, ERR_NOT_FOUND, ERR_AUTH, ERR_SIZE_MISMATCH, and what `target` throws */
export async function downloadAci(
  source: UrlSource,
  target: AciTarget,
  context: TaskContext,
): Promise<Arrival | { readonly unchanged: CacheHeaders }> {
  const { request, partialFile, validators } = source;
  const what = redactUrl(request.url);
  const recordFile = `${partialFile}.json`;
  const client = await httpClient(request.http);
  const partial = openPartialFile(partialFile);
  let record = readRecord(recordFile);
  let downloadedBytes = 0;
  let isReplayed = false;
  let headersOfAnswer: CacheHeaders = {};

  const take = (chunk: Buffer): Promise<void> => target.take(chunk, partial.size());

  async function attempt(): Promise<'done' | 'unchanged'> {
    if (record === undefined || record.bootId !== bootId() || resumeValidator(record) === undefined)
      await forget();
    const start = partial.size();
    if (start > 0 && !isReplayed) await replay(partial, take, context.signal);
    isReplayed = true;
    const isWhole = start > 0 && start === record?.totalBytes;
    const headers =
      start === 0
        ? conditionalHeaders(validators)
        : isWhole
          ? conditionalHeaders(record)
          : rangeHeaders(start, record);
    const { url, authorization, credential } = request;
    const response = await client.request(
      url,
      { headers, authorization, credential, stage: 'download' },
      context.signal,
    );
    headersOfAnswer = cacheHeadersOf(response.headers);
    if (response.status === 304 && (start === 0 || isWhole)) {
      await response.discard();
      return isWhole ? 'done' : 'unchanged';
    }
    await accept(response, start);
    context.note({ note: 'opened', sizeBytes: record?.totalBytes, resumedBytes: partial.size() });
    for await (const chunk of response.body) {
      downloadedBytes += chunk.length;
      partial.append(chunk);
      await take(chunk);
    }
    const total = record?.totalBytes;
    if (total !== undefined && partial.size() !== total) {
      const problem = `${partial.size()} of the announced ${total} bytes`;
      throw new FetchError('ERR_NETWORK', `${what}: the server sent ${problem}`, { stage: 'download' });
    }
    return 'done';
  }

  /** Prepares for the body: appends to what is there, or begins again. */
  async function accept(response: HttpResponse, start: number): Promise<void> {
    try {
      if (start > 0 && canAppend(response, start)) return;
      if (start > 0 && response.status !== 200) {
        await forget();
        throw new FetchError('ERR_NETWORK', `${what}: changed while it was downloaded`, {
          stage: 'download',
        });
      }
      if (response.status !== 200) throw statusError(response, what, 'download');
      await forget();
      record = recordOf(response.headers);
      writeFileSync(recordFile, JSON.stringify(record));
    } catch (error) {
      await response.discard();
      throw error;
    }
  }

  function canAppend(response: HttpResponse, start: number): boolean {
    if (response.status === 416) return false;
    const answer = checkPartial({
      ...response,
      requestedStart: start,
      expectedTotal: record?.totalBytes,
      what,
    });
    return answer === 'append' && isSameContent(response.headers, record);
  }

  function removeFiles(): void {
    partial.remove();
    rmSync(recordFile, { force: true });
  }

  async function forget(): Promise<void> {
    record = undefined;
    if (partial.size() === 0) return;
    partial.clear();
    if (isReplayed) await target.restart();
  }

  try {
    const outcome = await withRetry(attempt, {
      signal: context.signal,
      retries: request.retries,
      onRetry: ({ attempt: number, delayMs, error }) =>
        context.note({ note: 'retry', attempt: number, delayMs, reason: error.message }),
    });
    if (outcome === 'unchanged') {
      removeFiles();
      return { unchanged: headersOfAnswer };
    }
    // A 304 or a 206 need not repeat the validators of the 200 before it.
    const headers = { etag: record?.etag, 'last-modified': record?.lastModified, ...headersOfAnswer };
    return { facts: { downloadedBytes, headers }, settle: removeFiles };
  } catch (error) {
    // After a 404 there is nothing to go on with, and malformed content does not get better.
    if (partial.size() === 0 || toFetchError(error).exitCode === 7) removeFiles();
    throw error;
  } finally {
    partial.close();
  }
}

function readRecord(path: string): PartialRecord | undefined {
  try {
    return parsePartialRecord(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

function recordOf(headers: HttpResponse['headers']): PartialRecord {
  const length = Number(headers['content-length'] ?? Number.NaN);
  return {
    etag: headers['etag'],
    lastModified: headers['last-modified'],
    bootId: bootId(),
    totalBytes: Number.isSafeInteger(length) ? length : undefined,
  };
}

/** What If-Range may hold: a strong ETag or else the time (RFC 9110, 13.1.5). */
function resumeValidator(record: PartialRecord): string | undefined {
  return strongEtag(record) ?? record.lastModified;
}

function strongEtag({ etag }: PartialRecord): string | undefined {
  return etag?.startsWith('W/') ? undefined : etag;
}

/**
 * A server that knows ranges but not If-Range sends a part of whatever it has now; a 206 carries the validator that
 * a 200 would have (RFC 9110, 15.3.7).
 */
function isSameContent(headers: HttpResponse['headers'], record: PartialRecord = {}): boolean {
  const etag = strongEtag(record);
  if (etag !== undefined) return headers['etag'] === etag;
  const { lastModified } = record;
  return lastModified !== undefined && (headers['last-modified'] ?? lastModified) === lastModified;
}

function rangeHeaders(start: number, record: PartialRecord | undefined): Record<string, string> {
  const validator = record === undefined ? undefined : resumeValidator(record);
  return { range: `bytes=${start}-`, ...(validator === undefined ? {} : { 'if-range': validator }) };
}
