/** What became of many images together. */

import {
  type EventSink,
  type FailedImage,
  type FetchedImage,
  type FetchOutcome,
  type FetchRequest,
  type PlannedBlob,
  type PlannedImage,
  requestKey,
} from '../index.js';
import { formatBytes, formatDuration } from './format.js';
import { abortedError } from './render-error.js';

export interface BatchSummary {
  readonly images: number;
  readonly fetched: number;
  readonly cached: number;
  readonly failed: number;
  readonly downloadedBytes: number;
  /** Of layers that were needed and not downloaded: the store had them, or another image brought them. */
  readonly sharedBytes: number;
  readonly durationMs: number;
}

/** What the events tell of a batch, and its outcomes do not. */
export interface BatchFacts {
  readonly onEvent: EventSink;
  /** Of the images that have what they need: a layer that another one was to bring may never have come. */
  sharedBytes(): number;
  /** Also of an image that ended after an interruption, for which nobody waits any more. */
  endOf(request: FetchRequest): FetchOutcome | undefined;
}

export function createBatchFacts(): BatchFacts {
  /** Of images under way: the sizes of their blobs that the store or another image has, 0 for what they bring themselves. */
  const shared = new Map<string, Map<string, number>>();
  const ends = new Map<string, FetchOutcome>();
  let sharedBytes = 0;
  return {
    onEvent(event) {
      if (event.event === 'host.held') return;
      const key = requestKey(event);
      const blobs = shared.get(key) ?? new Map<string, number>();
      if (event.event === 'blob.started') {
        shared.set(key, blobs.set(event.blob, 0));
      } else if (event.event === 'blob.cached') {
        // What it has begun to bring it finds in the store when it begins anew.
        shared.set(key, blobs.set(event.blob, blobs.get(event.blob) ?? event.sizeBytes));
      } else if (event.event === 'image.done' || event.event === 'image.failed') {
        if (event.event === 'image.done') sharedBytes += sumOf([...blobs.values()]);
        shared.delete(key);
        ends.set(key, event.result);
      }
    },
    sharedBytes: () => sharedBytes,
    endOf: (request) => ends.get(requestKey(request)),
  };
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}

/**
 * One outcome for each request, in their order. What is not `done` (by place) was interrupted: it has failed, unless
 * `endOf` knows that it has just been completed all the same.
 */
export function wholeBatch<Done extends FetchedImage | PlannedImage>(
  requests: readonly FetchRequest[],
  done: ReadonlyMap<number, Done | FailedImage>,
  endOf: (request: FetchRequest) => Done | FailedImage | undefined = () => undefined,
): (Done | FailedImage)[] {
  return requests.map((request, place) => {
    const outcome = done.get(place);
    if (outcome !== undefined) return outcome;
    const end = endOf(request);
    return end === undefined || end.status === 'failed' ? interrupted(request, end) : end;
  });
}

function interrupted({ image, platform }: FetchRequest, end: FailedImage | undefined): FailedImage {
  const cause = abortedError(undefined);
  const { code, stage, message } = cause;
  const { downloadedBytes = 0, durationMs = 0 } = end ?? {};
  return {
    image,
    platform,
    status: 'failed',
    downloadedBytes,
    durationMs,
    error: { code, stage, message },
    cause,
  };
}

export function summaryOf(
  outcomes: readonly FetchOutcome[],
  { sharedBytes, durationMs }: Pick<BatchSummary, 'sharedBytes' | 'durationMs'>,
): BatchSummary {
  const count = (status: FetchOutcome['status']): number =>
    outcomes.filter((outcome) => outcome.status === status).length;
  return {
    images: outcomes.length,
    fetched: count('fetched'),
    cached: count('cached'),
    failed: count('failed'),
    downloadedBytes: sumOf(outcomes.map(({ downloadedBytes }) => downloadedBytes)),
    sharedBytes,
    durationMs: Math.round(durationMs),
  };
}

/** `20 images: 17 fetched, 2 cached, 1 failed; 1.2 GB downloaded, 3.4 GB shared, in 1m05s` */
export function summaryLine(summary: BatchSummary): string {
  const { images, fetched, cached, failed, downloadedBytes, sharedBytes, durationMs } = summary;
  const counts = [
    [fetched, 'fetched'],
    [cached, 'cached'],
    [failed, 'failed'],
  ].flatMap(([number, word]) => (number === 0 ? [] : [`${number} ${word}`]));
  const bytes = `${formatBytes(downloadedBytes)} downloaded, ${formatBytes(sharedBytes)} shared`;
  const ended = counts.length === 0 ? 'none is done' : counts.join(', ');
  return `${countOf(images)}: ${ended}; ${bytes}, in ${formatDuration(durationMs)}`;
}

export function countOf(images: number): string {
  return plural(images, 'image');
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

export interface PlanTotals {
  /** What the store would answer with. */
  readonly cachedImages: number;
  /** Of their ACIs, uncompressed; each image once. */
  readonly cachedBytes: number;
  /** Of the others, each blob once. */
  readonly downloadBytes: number;
  /** What it would be if nothing were shared. */
  readonly unsharedBytes: number;
  /** Of the blobs of the others, each once: what need not be downloaded. */
  readonly storedBytes: number;
  /** Blobs whose size no server tells. */
  readonly unknownBlobs: number;
}

/** What is missing of a blob; 0 where nobody knows. */
function missingBytes({ sizeBytes, storedBytes }: PlannedBlob): number {
  return sizeBytes === undefined ? 0 : sizeBytes - storedBytes;
}

export function downloadBytesOf({ blobs }: PlannedImage): number {
  return sumOf(blobs.map(missingBytes));
}

export function planTotals(images: readonly PlannedImage[]): PlanTotals {
  const unique = new Map(images.flatMap(({ blobs }) => blobs.map((blob) => [blob.key, blob] as const)));
  const blobs = [...unique.values()];
  const cached = images.flatMap((image) => image.cached ?? []);
  const sizes = new Map(cached.map(({ id, sizeBytes }) => [id, sizeBytes]));
  return {
    cachedImages: cached.length,
    cachedBytes: sumOf([...sizes.values()]),
    downloadBytes: sumOf(blobs.map(missingBytes)),
    unsharedBytes: sumOf(images.map(downloadBytesOf)),
    storedBytes: sumOf(blobs.map(({ storedBytes }) => storedBytes)),
    unknownBlobs: blobs.filter(({ sizeBytes }) => sizeBytes === undefined).length,
  };
}

/** `7 images: 2 cached (12 MB); 2 MB to download (6.5 MB without sharing), 900 KB there already; 5 GB may be written` */
export function planTotalsLine(images: number, totals: PlanTotals, freeBytes: number): string {
  const { cachedImages, cachedBytes, downloadBytes, unsharedBytes, storedBytes, unknownBlobs } = totals;
  const cached = cachedImages === 0 ? '' : `${cachedImages} cached (${formatBytes(cachedBytes)}); `;
  const unknown = unknownBlobs === 0 ? '' : ` and ${plural(unknownBlobs, 'blob')} of unknown size`;
  const unshared = unsharedBytes === downloadBytes ? '' : ` (${formatBytes(unsharedBytes)} without sharing)`;
  const stored = storedBytes === 0 ? '' : `, ${formatBytes(storedBytes)} there already`;
  const download = `${formatBytes(downloadBytes)}${unknown} to download${unshared}${stored}`;
  return `${countOf(images)}: ${cached}${download}; ${formatBytes(freeBytes)} may be written`;
}
