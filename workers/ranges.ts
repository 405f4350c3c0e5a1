/** Requests for a part of something, and which servers are known to answer them with all of it. */

import type { HttpResponse } from '../src/http/client.js';
import type { SpanRequest } from './fill-file.js';

/** By host: whether an answer has shown that its server does ranges, or that it ignores them. */
const known = new Map<string, boolean>();

export function rangeHeader({ start, end }: SpanRequest): Record<string, string> {
  if (start === 0 && end === undefined) return {};
  return { range: `bytes=${start}-${end === undefined ? '' : end - 1}` };
}

/** Undefined where nothing is known yet. */
export function doesRanges(url: string): boolean | undefined {
  return known.get(new URL(url).host);
}

/** Remembers what an answer tells about its server; `isRanged`: to a request with a range. */
export function noteRanges(
  url: string,
  { status, headers }: Pick<HttpResponse, 'status' | 'headers'>,
  isRanged: boolean,
): void {
  if (status === 206) known.set(new URL(url).host, true);
  else if (status === 200 && (isRanged || headers['accept-ranges'] === 'none')) {
    known.set(new URL(url).host, false);
  }
}
