/** Whether the answer to a ranged request may be appended to what is there already (RFC 9110, section 14). */

import { FetchError, type Stage } from '../errors.js';
import { statusError } from './errors.js';

/** `bytes START-END/TOTAL`; END is the last byte, and TOTAL may be unknown. */
export interface ContentRange {
  readonly start: number;
  readonly end: number;
  readonly totalBytes: number | undefined;
}

const CONTENT_RANGE = /^bytes (\d+)-(\d+)\/(\d+|\*)$/i;

/** Undefined for anything that does not name a range of bytes, also for the `bytes *\/TOTAL` of a 416. */
export function parseContentRange(value: string | undefined): ContentRange | undefined {
  const [, startText, endText, totalText] = CONTENT_RANGE.exec(value?.trim() ?? '') ?? [];
  if (startText === undefined || endText === undefined || totalText === undefined) return undefined;
  const start = Number(startText);
  const end = Number(endText);
  const totalBytes = totalText === '*' ? undefined : Number(totalText);
  if (!Number.isSafeInteger(end) || end < start) return undefined;
  if (totalBytes !== undefined && (!Number.isSafeInteger(totalBytes) || end >= totalBytes)) return undefined;
  return { start, end, totalBytes };
}

/** The byte after the last one that an answer sends, as far as it says so. */
export function rangeEnd(headers: Readonly<Record<string, string>>): number | undefined {
  const range = parseContentRange(headers['content-range']);
  return range && range.end + 1;
}

export interface PartialAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The first byte that was asked for. */
  readonly requestedStart: number;
  /** The byte after the last one that was asked for. Default: all the rest. */
  readonly requestedEnd?: number | undefined;
  /** Size of the whole, where it is known. */
  readonly expectedTotal?: number | undefined;
  /** For messages: what is downloaded. Default `the download`. */
  readonly what?: string | undefined;
  /** Default `download`. */
  readonly stage?: Stage | undefined;
}

/** A server may send less than it was asked for (RFC 9110, 15.3.7), but not so little that there is no end of requests. */
const MIN_PIECE_BYTES = 64 * 1024;

/**
 * | status | Content-Range | |
 * |---|---|---|
 * | 206 | starts where it was asked to, ends there or, of a known size and after a fair piece, before; total and Content-Length agree | append |
 * | 206 | anything else, or none | ERR_HTTP_STATUS: the body is of no use |
 * | 200 | | restart: the server does not do ranges, the body is the whole |
 * | 416 | | restart: what is there is no prefix of what the server has; the body is an error page |
 * | else | | the error of that status |
 */
export function checkPartial(answer: PartialAnswer): 'append' | 'restart' {
  const {
    status,
    headers,
    requestedStart,
    requestedEnd,
    expectedTotal,
    what = 'the download',
    stage = 'download',
  } = answer;
  if (status === 200 || status === 416) return 'restart';
  if (status !== 206) throw statusError({ status, headers }, what, stage);

  const range = parseContentRange(headers['content-range']);
  if (range === undefined) throw rangeError(what, stage, 'without a valid Content-Range');
  if (range.start !== requestedStart) {
    throw rangeError(what, stage, `from byte ${range.start} where ${requestedStart} was asked for`);
  }
  if (expectedTotal !== undefined && range.totalBytes !== undefined && range.totalBytes !== expectedTotal) {
    throw rangeError(what, stage, `of ${range.totalBytes} bytes where there must be ${expectedTotal}`);
  }
  const lengthBytes = range.end - range.start + 1;
  const wantedEnd = requestedEnd ?? expectedTotal ?? range.totalBytes ?? range.end + 1;
  // Without a size nobody would know that something is missing.
  const mayBeShort = expectedTotal !== undefined && lengthBytes >= MIN_PIECE_BYTES;
  if (range.end >= wantedEnd || (range.end + 1 < wantedEnd && !mayBeShort)) {
    throw rangeError(what, stage, `up to byte ${range.end} where ${wantedEnd - 1} was asked for`);
  }
  const announced = headers['content-length'];
  if (announced !== undefined && Number(announced) !== lengthBytes) {
    throw rangeError(what, stage, `of ${lengthBytes} bytes and a Content-Length of another size`);
  }
  return 'append';
}

function rangeError(what: string, stage: Stage, problem: string): FetchError {
  return new FetchError('ERR_HTTP_STATUS', `${what}: the server sent a range ${problem}`, { stage });
}
