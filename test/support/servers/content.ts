/** Serving bytes as a static file server does: validators, ranges, HEAD; pure functions over plain data. */

import type { Reply, ServerRequest } from './listener.js';

export interface ContentFacts {
  /** With its quotes. */
  readonly etag?: string | undefined;
  readonly lastModified?: Date | undefined;
  readonly contentType?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** Answers GET and HEAD for `bytes`: 200, 206, 304 or 416 (RFC 9110, sections 13 and 14; one range only). */
export function serveContent(request: ServerRequest, bytes: Uint8Array, facts: ContentFacts = {}): Reply {
  const headers: Record<string, string> = {
    'content-type': facts.contentType ?? 'application/octet-stream',
    'accept-ranges': 'bytes',
    ...facts.headers,
  };
  if (facts.etag !== undefined) headers['etag'] = facts.etag;
  if (facts.lastModified !== undefined) headers['last-modified'] = facts.lastModified.toUTCString();

  if (isUnchanged(request, facts)) return { status: 304, headers };
  const range =
    request.method === 'GET' && ifRangeHolds(request, facts) ? request.headers['range'] : undefined;
  const asked = parseRange(range, bytes.length);
  if (asked === undefined) return { status: 200, headers, body: bytes };
  if (asked === 'unsatisfiable') {
    return { status: 416, headers: { ...headers, 'content-range': `bytes */${bytes.length}` } };
  }
  headers['content-range'] = `bytes ${asked.start}-${asked.end - 1}/${bytes.length}`;
  return { status: 206, headers, body: bytes.subarray(asked.start, asked.end) };
}

/** Start and end (exclusive) of a single range; undefined for none or one to be ignored. */
export function parseRange(
  header: string | undefined,
  sizeBytes: number,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (match === null || (match[1] === '' && match[2] === '')) return undefined;
  const start = match[1] === '' ? Math.max(0, sizeBytes - Number(match[2])) : Number(match[1]);
  const last = match[1] === '' || match[2] === '' ? sizeBytes - 1 : Math.min(Number(match[2]), sizeBytes - 1);
  if (start >= sizeBytes) return 'unsatisfiable';
  return last < start ? undefined : { start, end: last + 1 };
}

function isUnchanged(request: ServerRequest, facts: ContentFacts): boolean {
  const noneMatch = request.headers['if-none-match'];
  if (noneMatch !== undefined) {
    return (
      facts.etag !== undefined && noneMatch.split(',').some((tag) => weak(tag) === weak(facts.etag ?? ''))
    );
  }
  const since = request.headers['if-modified-since'];
  return (
    since !== undefined &&
    facts.lastModified !== undefined &&
    toSeconds(facts.lastModified) <= toSeconds(since)
  );
}

function ifRangeHolds(request: ServerRequest, facts: ContentFacts): boolean {
  const condition = request.headers['if-range'];
  if (condition === undefined) return true;
  if (condition.startsWith('"')) return condition === facts.etag;
  return facts.lastModified !== undefined && toSeconds(condition) === toSeconds(facts.lastModified);
}

function weak(tag: string): string {
  return tag.trim().replace(/^W\//, '');
}

function toSeconds(date: Date | string): number {
  return Math.floor(new Date(date).getTime() / 1000);
}
