/** What became of many images together. */

import type { EventSink, FetchOutcome, PlannedBlob, PlannedImage } from '../index.js';
import { formatBytes, formatDuration } from './format.js';

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

/** Counts what the store or another image had, as the events tell. */
export function createSharedCounter(): { readonly onEvent: EventSink; bytes(): number } {
  let bytes = 0;
  return {
    onEvent(event) {
      if (event.event === 'blob.cached') bytes += event.sizeBytes;
    },
    bytes: () => bytes,
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
    downloadedBytes: outcomes.reduce((sum, { downloadedBytes }) => sum + downloadedBytes, 0),
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
  return blobs.reduce((sum, blob) => sum + missingBytes(blob), 0);
}

export function planTotals(images: readonly PlannedImage[]): PlanTotals {
  const unique = new Map(images.flatMap(({ blobs }) => blobs.map((blob) => [blob.key, blob] as const)));
  const blobs = [...unique.values()];
  const cached = images.flatMap((image) => image.cached ?? []);
  const sizes = new Map(cached.map(({ id, sizeBytes }) => [id, sizeBytes]));
  return {
    cachedImages: cached.length,
    cachedBytes: [...sizes.values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0),
    downloadBytes: blobs.reduce((sum, blob) => sum + missingBytes(blob), 0),
    unsharedBytes: images.reduce((sum, image) => sum + downloadBytesOf(image), 0),
    storedBytes: blobs.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
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
