/** The size of a blob that no descriptor tells: asked of the registry, without downloading it. */

import { type ErrorCode, FetchError, isFetchError } from '../errors.js';
import type { HttpResponse } from '../http/client.js';
import { parseContentRange } from '../http/range.js';
import type { Connection } from './connection.js';

/**
 * What servers answer that only do GET: storage behind a redirect refuses a HEAD to a URL that was signed for GET. The
 * GET that follows tells what is really wrong.
 */
const HEAD_REFUSED: ReadonlySet<ErrorCode> = new Set([
  'ERR_AUTH',
  'ERR_HTTP_STATUS',
  'ERR_NOT_FOUND',
  'ERR_SERVER',
]);

/**
 * From a HEAD, or from a GET of the first byte where that is refused or comes without a length. Not retried here.
 * Rejects as {@link Connection.get} does, and with ERR_HTTP_STATUS where the answers do not tell.
 * @param path below `/v2/`
 * @param what for messages
 */
export async function readBlobSize(
  connection: Connection,
  path: string,
  what: string,
  signal: AbortSignal,
): Promise<number> {
  const head = await connection.get(path, { method: 'HEAD', what }, signal).catch((error: unknown) => {
    if (isFetchError(error) && HEAD_REFUSED.has(error.code)) return undefined;
    throw error;
  });
  await head?.discard();
  const announced = head === undefined ? undefined : contentLengthOf(head);
  // No layer is empty: a server says 0 when it means that there is no body to this answer.
  if (announced !== undefined && announced > 0) return announced;

  const first = await connection.get(path, { range: 'bytes=0-0', what }, signal);
  await first.discard();
  const total =
    first.status === 206
      ? parseContentRange(first.headers['content-range'])?.totalBytes
      : contentLengthOf(first);
  if (total !== undefined) return total;
  throw new FetchError('ERR_HTTP_STATUS', `${what}: the registry does not tell how large it is`, {
    stage: 'resolve',
  });
}

function contentLengthOf({ headers }: HttpResponse): number | undefined {
  const text = headers['content-length'] ?? '';
  const length = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(length) ? length : undefined;
}
