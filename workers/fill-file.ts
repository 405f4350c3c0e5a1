/** Brings what is missing of a file over one connection and, where its reader has to wait for it, over more. */

import { setTimeout as sleep } from 'node:timers/promises';
import { abortedError, isFetchError, throwIfAborted } from '../src/errors.js';
import {
  LOOK_MS,
  type NextPart,
  nextPart,
  prefixEnd,
  type Span,
  shallBeParallel,
  totalOf,
} from '../src/http/part-plan.js';
import { type RetryOptions, withRetry } from '../src/http/retry.js';
import type { PartialFile } from './partial-file.js';
import type { TaskConnections } from './task-connections.js';

export interface SpanRequest {
  readonly start: number;
  /** Undefined for all the rest. */
  readonly end: number | undefined;
  /** Over the connection that the download begins and ends with; the others only help. */
  readonly isFirst: boolean;
}

/** What a body consists of. */
export interface SentSpan {
  /** Earlier than asked for when the server does not do ranges. */
  readonly start: number;
  /** Earlier than asked for when the server limits ranges; undefined for as asked for, or all. */
  readonly end: number | undefined;
}

/** The answer to a request, which is of the content that the file is of. */
export interface OpenedSpan extends SentSpan {
  readonly body: AsyncIterable<Buffer> | Iterable<Buffer>;
}

export interface Fill {
  readonly file: PartialFile;
  /** Undefined while it is not known, or never will be: then one connection brings all. */
  totalBytes(): number | undefined;
  /** Fails for what is not of this content. An error that is no FetchError is not tried again. */
  open(request: SpanRequest, signal: AbortSignal): Promise<OpenedSpan>;
  /** Whether the server sends parts of the content; undefined while that is not known. */
  doesRanges(): boolean | undefined;
  /** Bytes that are here from the beginning on and that nobody has read yet. */
  unreadBytes(): number;
  /** There are more bytes. */
  onArrival(): void;
  /** The server sends more, or less, than it may; `problem` in words. */
  wrongSize(problem: string): Error;
  readonly connections: TaskConnections;
  readonly retry: RetryOptions;
}

/** Beside the first one. */
const MAX_EXTRA = 7;
/** A server that refuses others so often, one after another, is not asked for more. */
const MAX_EXTRA_FAILURES = 3;
const BATCH_BYTES = 256 * 1024;
/** On a slow link nobody shall wait for more. */
const BATCH_MS = 20;
const SAMPLE_MS = 1000;
const CHECKPOINT_MS = 5000;
const SAVE_MS = 500;
const WAIT_MS = 100;

type Part = Extract<NextPart<Running>, { kind: 'fetch' }>;

interface Running extends Span {
  start: number;
  end: number;
  aliveAtMs: number;
  bytesPerSecond: number | undefined;
  /** Where it was when its rate was looked at. */
  sample: { readonly start: number; readonly atMs: number };
  readonly controller: AbortController;
}

/** Resolves to the number of bytes that came. @throws what `open` throws, FetchError ERR_ABORTED, exit code 8 */
export async function fillFile(fill: Fill): Promise<number> {
  const { file, connections, retry } = fill;
  const { signal } = retry;
  const running = new Set<Running>();
  const extras = new Set<Promise<void>>();
  const batches = new Set<Batch>();
  /** Bytes a second of the fastest connection so far. */
  let fastest = 0;
  let unreadBytes: readonly number[] = [];
  const keepNotes = noteKeeper(file, signal);
  let downloadedBytes = 0;
  let extraFailures = 0;
  let isParallel = false;
  let isOver = false;
  let defect: unknown;

  function next(): NextPart<Running> {
    const totalBytes = fill.totalBytes();
    const received = file.received();
    if (totalBytes === undefined) {
      return { kind: 'fetch', span: { start: prefixEnd(received), end: Number.POSITIVE_INFINITY } };
    }
    const nowMs = performance.now();
    const transfers = [...running];
    return nextPart({ totalBytes, received, transfers, nowMs, fastest, isAlone: !isParallel });
  }

  async function transfer({ span: { start, end }, shortened }: Part, isFirst: boolean): Promise<void> {
    const shorten = (): void => {
      if (shortened !== undefined) shortened.end = start;
    };
    // A server that has not shown yet that it does ranges must not cost the first connection its request.
    const isProbe = fill.doesRanges() !== true;
    if (!isProbe) shorten();
    const nowMs = performance.now();
    const current: Running = {
      start,
      end,
      aliveAtMs: nowMs,
      bytesPerSecond: undefined,
      sample: { start, atMs: nowMs },
      controller: new AbortController(),
    };
    const onAbort = (): void => current.controller.abort(abortedError(signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
    running.add(current);
    try {
      throwIfAborted(signal);
      const isBounded = end < (fill.totalBytes() ?? end);
      const request = { start, end: isBounded ? end : undefined, isFirst };
      const opened = await fill.open(request, current.controller.signal);
      if (isProbe) shorten();
      await receive(current, end, opened);
      for (const other of running) if (isHere(other)) other.controller.abort();
    } catch (error) {
      // The slower one of two that fetch the same.
      if (!current.controller.signal.aborted || !isHere(current)) throw error;
    } finally {
      running.delete(current);
      signal.removeEventListener('abort', onAbort);
    }
  }

  async function receive(
    current: Running,
    askedEnd: number,
    { body, start, end }: OpenedSpan,
  ): Promise<void> {
    const totalBytes = fill.totalBytes() ?? Number.POSITIVE_INFINITY;
    const isWhole = start < current.start;
    const announcedEnd = isWhole ? totalBytes : Math.min(askedEnd, totalBytes, end ?? totalBytes);
    // It may have been shortened while its answer was waited for.
    current.end = isWhole ? totalBytes : Math.min(current.end, announcedEnd);
    let at = start;
    const batch = createBatch(file, (writtenTo) => {
      // Not before: what is neither in the file nor under way would be asked for again.
      current.start = writtenTo;
      fill.onArrival();
      keepNotes();
    });
    batches.add(batch);
    try {
      for await (const chunk of body) {
        downloadedBytes += chunk.length;
        const [from, to] = [Math.max(0, current.start - at), Math.min(chunk.length, current.end - at)];
        if (from < to) {
          batch.add(chunk.subarray(from, to), at + from);
          current.aliveAtMs = performance.now();
        }
        at += chunk.length;
        if (at >= current.end && current.end < announcedEnd) break;
        if (at > current.end) throw fill.wrongSize(`more than the announced ${current.end} bytes`);
      }
    } finally {
      batches.delete(batch);
      batch.flush();
    }
    if (current.end !== Number.POSITIVE_INFINITY && current.start < current.end) {
      throw fill.wrongSize(`${current.start} of the announced ${current.end} bytes`);
    }
  }

  function isHere({ start, end }: Span): boolean {
    return file.received().some((span) => span.start <= start && end <= span.end);
  }

  /** Returns whether all is here. */
  async function firstStep(): Promise<boolean> {
    const part = next();
    if (part.kind === 'wait') await sleep(WAIT_MS);
    if (part.kind !== 'fetch') return part.kind === 'done';
    await transfer(part, true);
    return fill.totalBytes() === undefined || totalOf(file.received()) === fill.totalBytes();
  }

  async function first(): Promise<void> {
    while (!(await withRetry(firstStep, retry)));
  }

  function mayHaveMore(): boolean {
    return fill.doesRanges() !== false && extraFailures < MAX_EXTRA_FAILURES;
  }

  /** What it cannot bring is left to the first connection. */
  async function extra(): Promise<void> {
    const isNotWanted = (): boolean => isOver || !isParallel || !mayHaveMore();
    while (!isNotWanted() && (await connections.takeExtra(() => isOver))) {
      try {
        const part = isNotWanted() ? undefined : next();
        if (part === undefined || part.kind === 'done') return;
        if (part.kind === 'wait') await sleep(WAIT_MS);
        else {
          await transfer(part, false);
          extraFailures = 0;
        }
      } catch (error) {
        if (!isFetchError(error)) defect = error;
        extraFailures += 1;
      } finally {
        connections.giveBackExtra();
      }
    }
  }

  const busyPart = busyPartOfThread();
  function look(): void {
    const nowMs = performance.now();
    for (const batch of batches) batch.flushOld(nowMs);
    for (const one of running) fastest = Math.max(fastest, sampleRate(one, nowMs));
    const totalBytes = fill.totalBytes();
    // Before there is something, nobody knows what the others are to bring the rest of.
    if (totalBytes === undefined || file.received().length === 0) return;
    unreadBytes = [...unreadBytes.slice(-1), fill.unreadBytes()];
    const missingBytes = totalBytes - totalOf(file.received());
    isParallel = shallBeParallel({ isParallel, unreadBytes, missingBytes, busyPart: busyPart() });
    const most = fill.doesRanges() === true ? MAX_EXTRA : 1;
    while (isParallel && mayHaveMore() && extras.size < most) {
      const one: Promise<void> = extra().finally(() => extras.delete(one));
      extras.add(one);
    }
  }

  const timer = setInterval(look, LOOK_MS);
  try {
    await first();
    if (defect !== undefined) throw defect;
    return downloadedBytes;
  } finally {
    isOver = true;
    clearInterval(timer);
    for (const { controller } of running) controller.abort();
    await Promise.all(extras);
    await keepNotes.end();
  }
}

/** Of the time between the call before the last one and now. */
function busyPartOfThread(): () => number {
  let [before, last] = [performance.eventLoopUtilization(), performance.eventLoopUtilization()];
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    [before, last] = [last, now];
    return utilization;
  };
}

interface Batch {
  add(chunk: Buffer, at: number): void;
  flush(): void;
  /** Writes what waits for more that does not come. Does not fail: what comes next does. */
  flushOld(nowMs: number): void;
}

/** Looks at the rate of a transfer once a second, and returns the last one. */
function sampleRate(one: Running, nowMs: number): number {
  const { start, atMs } = one.sample;
  if (nowMs - atMs >= SAMPLE_MS) {
    one.bytesPerSecond = ((one.start - start) * 1000) / (nowMs - atMs);
    one.sample = { start: one.start, atMs: nowMs };
  }
  return one.bytesPerSecond ?? 0;
}

/** Chunks that follow each other, written together: those of TLS have 16 KiB, and many writes cost more than one. */
function createBatch(file: PartialFile, onWritten: (writtenTo: number) => void): Batch {
  let chunks: Buffer[] = [];
  let start = 0;
  let sizeBytes = 0;
  let sinceMs = 0;
  let failure: unknown;
  function flush(): void {
    if (failure !== undefined) throw failure;
    if (sizeBytes === 0) return;
    const [written, end] = [chunks, start + sizeBytes];
    chunks = [];
    sizeBytes = 0;
    file.write(written, start);
    onWritten(end);
  }
  function add(chunk: Buffer, at: number): void {
    const nowMs = performance.now();
    if (sizeBytes === 0) [start, sinceMs] = [at, nowMs];
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes >= BATCH_BYTES || nowMs - sinceMs >= BATCH_MS) flush();
  }
  function flushOld(nowMs: number): void {
    if (sizeBytes === 0 || nowMs - sinceMs < BATCH_MS) return;
    try {
      flush();
    } catch (error) {
      failure = error;
    }
  }
  return { add, flush, flushOld };
}

/** Notes now and then what is there: in a process that is killed no more than half a second's worth is lost. */
function noteKeeper(file: PartialFile, signal: AbortSignal) {
  let savedAtMs = performance.now();
  let syncedAtMs = savedAtMs;
  let syncing: Promise<void> | undefined;
  function keepNotes(): void {
    const nowMs = performance.now();
    if (nowMs - savedAtMs >= SAVE_MS) {
      file.save();
      savedAtMs = nowMs;
    }
    if (syncing !== undefined || nowMs - syncedAtMs < CHECKPOINT_MS) return;
    // Beside the download. What keeps it from the disk, the end of the download meets too.
    syncing = file
      .checkpoint(() => !signal.aborted)
      .catch(() => undefined)
      .then(() => {
        syncing = undefined;
        syncedAtMs = performance.now();
      });
  }
  async function end(): Promise<void> {
    // Whoever aborted does not wait for the disk, and the file may be another's then.
    if (signal.aborted) file.save();
    await syncing;
    if (!signal.aborted) file.save();
  }
  return Object.assign(keepNotes, { end });
}
