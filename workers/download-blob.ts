/** Downloads a blob whose digest and size are known, going on where an earlier attempt ended. */

import { FetchError } from '../src/errors.js';
import type { HttpResponse } from '../src/http/client.js';
import { statusError } from '../src/http/errors.js';
import { checkPartial } from '../src/http/range.js';
import { redactUrl } from '../src/http/redact.js';
import { withRetry } from '../src/http/retry.js';
import type { BlobRequest, TaskContext } from '../src/tasks/contract.js';
import { httpClient } from './http.js';
import type { PartialFile } from './partial-file.js';

export interface BlobDownload {
  readonly request: BlobRequest;
  readonly sizeBytes: number;
  /** Gets every byte that arrives; what it has already is not asked for again. */
  readonly partial: PartialFile;
  onChunk(chunk: Buffer): Promise<void>;
}

/**
 * Resolves to the number of bytes that came over the network. The content is not checked here beyond its size:
 * a server that ignores the range sends the whole blob again, whose first bytes are skipped.
 * @throws FetchError ERR_SIZE_MISMATCH, those of the network, and what `onChunk` throws
 */
export async function downloadBlob(download: BlobDownload, context: TaskContext): Promise<number> {
  const { request, sizeBytes, partial, onChunk } = download;
  const what = redactUrl(request.url);
  const client = await httpClient(request.http);
  let downloadedBytes = 0;

  async function attempt(): Promise<void> {
    const start = partial.size();
    if (start === sizeBytes) return;
    const headers: Record<string, string> = start > 0 ? { range: `bytes=${start}-` } : {};
    const { url, authorization, credential } = request;
    const response = await client.request(
      url,
      { headers, authorization, credential, stage: 'download' },
      context.signal,
    );
    let skip = await bytesToSkip(response, start);
    for await (const chunk of response.body) {
      downloadedBytes += chunk.length;
      const fresh = chunk.subarray(Math.min(skip, chunk.length));
      skip -= chunk.length - fresh.length;
      if (fresh.length === 0) continue;
      if (partial.size() + fresh.length > sizeBytes)
        throw sizeError(`more than the announced ${sizeBytes} bytes`);
      partial.append(fresh);
      await onChunk(fresh);
    }
    if (partial.size() < sizeBytes) throw sizeError(`${partial.size()} of the announced ${sizeBytes} bytes`);
  }

  /** Bytes of the answer that are here already. */
  async function bytesToSkip(response: HttpResponse, start: number): Promise<number> {
    try {
      if (start === 0 && response.status !== 200) throw statusError(response, what, 'download');
      const whole = start === 0 || checkPartial({ ...response, requestedStart: start, what }) === 'restart';
      if (response.status === 416) throw sizeError(`no bytes from ${start} on`);
      const announced = response.headers['content-length'];
      const expected = whole ? sizeBytes : sizeBytes - start;
      if (announced !== undefined && Number(announced) !== expected) {
        throw sizeError(`${announced} bytes where there must be ${expected}`);
      }
      return whole ? start : 0;
    } catch (error) {
      await response.discard();
      throw error;
    }
  }

  const sizeError = (problem: string): FetchError =>
    new FetchError('ERR_SIZE_MISMATCH', `${what}: the server sends ${problem}`, { stage: 'verify' });

  await withRetry(attempt, {
    signal: context.signal,
    retries: request.retries,
    onRetry: ({ attempt: number, delayMs, error }) =>
      context.note({ note: 'retry', attempt: number, delayMs, reason: error.message }),
  });
  return downloadedBytes;
}
