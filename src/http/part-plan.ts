/** Which bytes of a download a free connection asks for next: pure decisions over what is here and under way. */

/** From `start` up to, not including, `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A request under way: what of its span is still to come. */
export interface Transfer extends Span {
  /** When its last byte came, or when it was asked for. */
  readonly aliveAtMs: number;
  /** Of late; undefined while it is too young to tell. */
  readonly bytesPerSecond?: number | undefined;
}

export type NextPart<T extends Transfer = Transfer> =
  /** `shortened`: the transfer that shall end where `span` begins. */
  | { readonly kind: 'fetch'; readonly span: Span; readonly shortened?: T | undefined }
  /** Everything is under way, and in good hands. */
  | { readonly kind: 'wait' }
  | { readonly kind: 'done' };

/** As S3 and those who fetch from it in parts have it: fewer bytes are dearer to ask for, more are slow to end. */
export const PART_BYTES = 8 * 1024 * 1024;
/** Where less than this is missing, one connection goes on alone. */
const MIN_PARALLEL_BYTES = 2 * PART_BYTES;
/** Less than this is not worth a request of its own. */
const MIN_SPLIT_BYTES = 1024 * 1024;
/** A transfer that brings nothing for so long is fetched a second time when nothing else is left to do. */
const SLOW_MS = 2000;
const SLOW_TIMES = 4;

export interface PartPlan<T extends Transfer = Transfer> {
  readonly totalBytes: number;
  /** What is here: in order, and not touching each other. */
  readonly received: readonly Span[];
  readonly transfers: readonly T[];
  readonly nowMs: number;
  /** Bytes a second of the fastest connection so far; 0 while that is not known. */
  readonly fastest: number;
  /** Whether there is one connection, which then asks for all at once. */
  readonly isAlone: boolean;
}

/**
 * | what there is | next |
 * |---|---|
 * | nothing missing | done |
 * | a gap that nobody fetches | its first 8 MiB; for the only connection all of it |
 * | a transfer with more than two parts to come | the part after its next one; it ends there |
 * | a transfer with more than 2 MiB to come | its second half |
 * | a transfer that nobody else has and that has brought nothing for 2 s, or is four times as slow as another one was and needs 2 s more | all of it, a second time |
 * | anything else | wait |
 *
 * Parts lie on multiples of 8 MiB, and early ones come first: whoever reads the content reads it in order.
 */
export function nextPart<T extends Transfer>(plan: PartPlan<T>): NextPart<T> {
  const { totalBytes, received, transfers, nowMs, fastest, isAlone } = plan;
  if (gapIn(received, totalBytes) === undefined) return { kind: 'done' };
  const gap = gapIn([...received, ...transfers], totalBytes);
  if (gap !== undefined) return { kind: 'fetch', span: isAlone ? gap : firstPart(gap) };
  const left = transfers.filter((transfer) => isMissing(received, transfer));
  const largest = left.reduce<T | undefined>(
    (best, transfer) => (best === undefined || sizeOf(transfer) > sizeOf(best) ? transfer : best),
    undefined,
  );
  if (largest !== undefined && sizeOf(largest) > 2 * MIN_SPLIT_BYTES) {
    const { start, end } = largest;
    const size = sizeOf(largest);
    const middle = size > 2 * PART_BYTES ? partEnd(start) : start + Math.floor(size / 2);
    return { kind: 'fetch', span: firstPart({ start: middle, end }), shortened: largest };
  }
  const slow = left.find(
    (transfer) =>
      (nowMs - transfer.aliveAtMs >= SLOW_MS || isTrickle(transfer, fastest)) &&
      left.every((other) => other === transfer || !overlaps(other, transfer)),
  );
  return slow === undefined
    ? { kind: 'wait' }
    : { kind: 'fetch', span: { start: slow.start, end: slow.end } };
}

function isTrickle(transfer: Transfer, fastest: number): boolean {
  const { bytesPerSecond } = transfer;
  if (bytesPerSecond === undefined || bytesPerSecond * SLOW_TIMES >= fastest) return false;
  return sizeOf(transfer) * 1000 > bytesPerSecond * SLOW_MS;
}

/** The first bytes that none of the spans has. */
function gapIn(spans: readonly Span[], totalBytes: number): Span | undefined {
  let start = 0;
  for (const span of [...spans].sort((a, b) => a.start - b.start)) {
    if (span.start > start) return { start, end: Math.min(span.start, totalBytes) };
    start = Math.max(start, span.end);
  }
  return start < totalBytes ? { start, end: totalBytes } : undefined;
}

function isMissing(received: readonly Span[], { start, end }: Span): boolean {
  return end > start && !received.some((span) => span.start <= start && end <= span.end);
}

function firstPart({ start, end }: Span): Span {
  return { start, end: Math.min(end, partEnd(start)) };
}

/** The multiple of a part after `start` that is at least half a part away: a few kilobytes are no part. */
function partEnd(start: number): number {
  return (Math.floor((start + PART_BYTES / 2) / PART_BYTES) + 1) * PART_BYTES;
}

function sizeOf({ start, end }: Span): number {
  return end - start;
}

function overlaps(a: Span, b: Span): boolean {
  return a.start < b.end && b.start < a.end;
}

/** `spans` and `span` together: in order, merged where they touch. */
export function addSpan(spans: readonly Span[], span: Span): Span[] {
  if (span.end <= span.start) return [...spans];
  const apart = spans.filter(({ start, end }) => end < span.start || start > span.end);
  const touching = spans.filter(({ start, end }) => end >= span.start && start <= span.end);
  const merged = touching.reduce(
    (all, { start, end }) => ({ start: Math.min(all.start, start), end: Math.max(all.end, end) }),
    span,
  );
  return [...apart, merged].sort((a, b) => a.start - b.start);
}

/** What of `span` none of `spans` has. */
export function missingIn(spans: readonly Span[], { start, end }: Span): Span[] {
  const missing: Span[] = [];
  let at = start;
  for (const span of spans) {
    if (span.end <= at || span.start >= end) continue;
    if (span.start > at) missing.push({ start: at, end: span.start });
    at = Math.max(at, span.end);
  }
  if (at < end) missing.push({ start: at, end });
  return missing;
}

/** How far the content is here without a gap. */
export function prefixEnd(spans: readonly Span[]): number {
  const first = spans[0];
  return first?.start === 0 ? first.end : 0;
}

export function totalOf(spans: readonly Span[]): number {
  return spans.reduce((sum, span) => sum + sizeOf(span), 0);
}

export interface Pace {
  /** Whether there are several connections already. */
  readonly isParallel: boolean;
  /** What was here and not read at the last looks, {@link LOOK_MS} apart. */
  readonly unreadBytes: readonly number[];
  readonly missingBytes: number;
  /** Of the time since the look before the last one, the part in which the thread that receives was busy: 0 to 1. */
  readonly busyPart: number;
}

/**
 * Whether several connections shall bring the rest. A reader that has enough to do gains nothing by them, nor does one
 * whose bytes wait for the thread that receives them and not for the network.
 */
export function shallBeParallel({ isParallel, unreadBytes, missingBytes, busyPart }: Pace): boolean {
  const last = unreadBytes.slice(-STARVING_LOOKS);
  if (last.length === STARVING_LOOKS && last.every((unread) => unread < FEW_BYTES)) {
    return isParallel || (missingBytes >= MIN_PARALLEL_BYTES && busyPart < BUSY_PART);
  }
  return isParallel && (last.at(-1) ?? 0) < MANY_BYTES;
}

/** How often it is looked whether the reader of a download has to wait. */
export const LOOK_MS = 25;
const STARVING_LOOKS = 2;
const BUSY_PART = 0.9;
const FEW_BYTES = 2 * 1024 * 1024;
const MANY_BYTES = 4 * PART_BYTES;
