/** How far many images are together: counted from the events, with an estimate of what is still to come. */

import { type EngineEvent, type EventSubject, requestKey } from '../../index.js';
import { formatBytes, formatDuration } from '../format.js';
import { nextRate, type RateState } from './rate.js';

export interface Total {
  onEvent(event: EngineEvent): void;
  /** Samples the downloads; `nowMs` as in the reporter's clock. */
  look(nowMs: number): TotalState;
}

export interface TotalState {
  readonly images: number;
  readonly doneImages: number;
  readonly failedImages: number;
  /** What is here of them, that of interrupted downloads too. */
  readonly doneBytes: number;
  /** Of the blobs that are known, and as much for each image that nothing is known of. Undefined before the first. */
  readonly allBytes: number | undefined;
  /** Of what comes over the network now. */
  readonly bytesPerSecond: number | undefined;
}

interface Running {
  readonly readBytes: () => number;
  /** What was there before, or comes from the disk at another speed. */
  readonly unratedBytes: number;
}

/** `images`: how many there are. */
export function createTotal(images: number): Total {
  /** What is to be had of each blob, each once. */
  const sizes = new Map<string, number>();
  const running = new Map<string, Running>();
  const finished = new Set<string>();
  /** Of the requests that something is known of. */
  const known = new Set<string>();
  /** The blobs of each that has not ended. */
  const wanted = new Map<string, Set<string>>();
  let doneImages = 0;
  let failedImages = 0;
  let finishedBytes = 0;
  let downloadedBytes = 0;
  let rate: RateState | undefined;

  function want(subject: EventSubject, blob: string): void {
    const key = requestKey(subject);
    const blobs = wanted.get(key) ?? new Set<string>();
    wanted.set(key, blobs.add(blob));
  }

  /** What nobody waits for any more will not come. */
  function forgetUnwanted(blob: string): void {
    if (running.has(blob) || finished.has(blob)) return;
    if (![...wanted.values()].some((blobs) => blobs.has(blob))) sizes.delete(blob);
  }

  function end(subject: EventSubject): void {
    const key = requestKey(subject);
    known.add(key);
    const blobs = wanted.get(key) ?? [];
    wanted.delete(key);
    for (const blob of blobs) forgetUnwanted(blob);
  }

  function onEvent(event: EngineEvent): void {
    switch (event.event) {
      case 'image.resolved':
        known.add(requestKey(event));
        for (const { blob, sizeBytes } of event.blobs) {
          sizes.set(blob, sizeBytes);
          want(event, blob);
        }
        break;
      case 'blob.started':
        known.add(requestKey(event));
        want(event, event.blob);
        if (event.sizeBytes !== undefined) sizes.set(event.blob, event.sizeBytes);
        running.set(event.blob, {
          readBytes: event.readBytes,
          unratedBytes: event.isLocal ? Number.POSITIVE_INFINITY : event.resumedBytes,
        });
        break;
      case 'blob.done': {
        const ended = running.get(event.blob);
        if (ended !== undefined) {
          finishedBytes += event.sizeBytes;
          downloadedBytes += Math.max(0, event.sizeBytes - ended.unratedBytes);
        }
        running.delete(event.blob);
        finished.add(event.blob);
        sizes.set(event.blob, event.sizeBytes);
        break;
      }
      case 'blob.failed':
        running.delete(event.blob);
        forgetUnwanted(event.blob);
        break;
      case 'blob.cached':
        // It came or comes for another image, and counts there, or was never to come.
        wanted.get(requestKey(event))?.delete(event.blob);
        forgetUnwanted(event.blob);
        break;
      case 'image.done':
        end(event);
        doneImages += 1;
        break;
      case 'image.failed':
        end(event);
        failedImages += 1;
        break;
    }
  }

  function look(nowMs: number): TotalState {
    let doneBytes = finishedBytes;
    let bytes = downloadedBytes;
    for (const { readBytes, unratedBytes } of running.values()) {
      const hereBytes = readBytes();
      doneBytes += hereBytes;
      bytes += Math.max(0, hereBytes - unratedBytes);
    }
    rate = rate === undefined ? { bytes, atMs: nowMs } : nextRate(rate, bytes, nowMs);
    const knownBytes = [...sizes.values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0);
    const allBytes = known.size === 0 ? undefined : Math.round((knownBytes / known.size) * images);
    return {
      images,
      doneImages,
      failedImages,
      doneBytes,
      allBytes: allBytes === undefined ? undefined : Math.max(allBytes, doneBytes),
      bytesPerSecond: rate.bytesPerSecond,
    };
  }

  return { onEvent, look };
}

/** `12 of 50 images, 1 failed` */
export function imagesText({ images, doneImages, failedImages }: TotalState): string {
  const failed = failedImages === 0 ? '' : `, ${failedImages} failed`;
  return `${doneImages + failedImages} of ${images} images${failed}`;
}

/** `12 of 50 images: 1.2 GB of about 4.5 GB, 45 MB/s, 1m10s left` */
export function totalLine(state: TotalState): string {
  const { doneBytes, allBytes, bytesPerSecond } = state;
  const bytes = [formatBytes(doneBytes)];
  if (allBytes !== undefined) bytes.push(`of about ${formatBytes(allBytes)}`);
  const parts = [bytes.join(' ')];
  if (bytesPerSecond !== undefined && bytesPerSecond >= 1) {
    parts.push(`${formatBytes(bytesPerSecond)}/s`);
    const leftBytes = (allBytes ?? doneBytes) - doneBytes;
    if (leftBytes > 0) parts.push(`${formatDuration((leftBytes / bytesPerSecond) * 1000)} left`);
  }
  return `${imagesText(state)}: ${parts.join(', ')}`;
}
