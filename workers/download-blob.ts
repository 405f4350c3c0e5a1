/** Downloads a blob whose digest and size are known: what is missing of it, in parts where that is faster. */

import { FetchError } from '../src/errors.js';
import type { HttpResponse } from '../src/http/client.js';
import { statusError } from '../src/http/errors.js';
import { checkPartial, rangeEnd } from '../src/http/range.js';
import { redactUrl } from '../src/http/redact.js';
import type { BlobRequest, TaskContext } from '../src/tasks/contract.js';
import { fillFile, type OpenedSpan, type SentSpan, type SpanRequest } from './fill-file.js';
import { httpClient, overConnection, retryOptions } from './http.js';
import type { PartialFile } from './partial-file.js';
import { doesRanges, noteRanges, rangeHeader } from './ranges.js';
import { taskConnections } from './task-connections.js';

export interface BlobDownload {
  readonly request: BlobRequest;
  readonly sizeBytes: number;
  readonly partial: PartialFile;
  /** For the connections. */
  readonly counters: SharedArrayBuffer;
  onArrival(): void;
  /** Of what is here from the beginning on. */
  unreadBytes(): number;
}

/**
 * Resolves to the number of bytes that came over the network. The content is not checked here beyond its size: the
 * digest tells whether all parts are of one blob, so no ETag needs to, which servers behind one name may differ in.
 * A server that ignores the range sends the whole blob again, whose first bytes are skipped.
 * @throws FetchError ERR_SIZE_MISMATCH, those of the network
 */
export async function downloadBlob(download: BlobDownload, context: TaskContext): Promise<number> {
  const { request, sizeBytes, partial, counters, onArrival, unreadBytes } = download;
  const what = redactUrl(request.url);
  const client = await httpClient(request.http);
  const connections = taskConnections(counters, context);

  async function open(span: SpanRequest, signal: AbortSignal): Promise<OpenedSpan> {
    const { url, authorization, credential } = request;
    const headers = rangeHeader(span);
    const options = { headers, authorization, credential, ...overConnection(span, connections) };
    const response = await client.request(url, { ...options, stage: 'download' }, signal);
    try {
      return { body: response.body, ...sentSpan(response, span) };
    } catch (error) {
      await response.discard();
      throw error;
    }
  }

  function sentSpan(response: HttpResponse, { start, end, isFirst }: SpanRequest): SentSpan {
    const isRanged = start > 0 || end !== undefined;
    if (!isRanged && response.status !== 200) throw statusError(response, what, 'download');
    const answer = { ...response, requestedStart: start, requestedEnd: end, expectedTotal: sizeBytes, what };
    const isWhole = !isRanged || checkPartial(answer) === 'restart';
    if (response.status === 416) throw wrongSize(`no bytes from ${start} on`);
    noteRanges(request.url, response, isRanged);
    if (isWhole && !isFirst)
      throw new FetchError('ERR_HTTP_STATUS', `${what}: no ranges`, { stage: 'download' });
    const announced = response.headers['content-length'];
    const sent = isWhole
      ? { start: 0, end: sizeBytes }
      : { start, end: rangeEnd(response.headers) ?? sizeBytes };
    const expected = sent.end - sent.start;
    if (announced !== undefined && Number(announced) !== expected) {
      throw wrongSize(`${announced} bytes where there must be ${expected}`);
    }
    return sent;
  }

  const wrongSize = (problem: string): FetchError =>
    new FetchError('ERR_SIZE_MISMATCH', `${what}: the server sends ${problem}`, { stage: 'verify' });

  return fillFile({
    file: partial,
    totalBytes: () => sizeBytes,
    open,
    doesRanges: () => doesRanges(request.url),
    unreadBytes,
    onArrival,
    wrongSize,
    connections,
    retry: retryOptions(request, context, connections),
  });
}
