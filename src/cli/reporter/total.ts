/** How far many images are together: counted from the events, with an estimate of what is still to come. */

import type { EngineEvent } from '../../index.js';
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
  readonly doneBytes: number;
  /** Of the blobs that are known, and as much for each image that nothing is known of. Undefined before the first. */
  readonly allBytes: number | undefined;
  readonly bytesPerSecond: number | undefined;
}

/** `images`: how many there are. */
export function createTotal(images: number): Total {
  /** What is to be had of each blob, each once. */
  const sizes = new Map<string, number>();
  const running = new Map<string, () => number>();
  const known = new Set<string>();
  let doneImages = 0;
  let failedImages = 0;
  let finishedBytes = 0;
  let rate: RateState | undefined;

  function onEvent(event: EngineEvent): void {
    switch (event.event) {
      case 'image.resolved':
        known.add(event.image);
        for (const { blob, sizeBytes } of event.blobs) sizes.set(blob, sizeBytes);
        break;
      case 'blob.started':
        known.add(event.image);
        if (event.sizeBytes !== undefined) sizes.set(event.blob, event.sizeBytes);
        running.set(event.blob, event.readBytes);
        break;
      case 'blob.done':
        if (running.delete(event.blob)) finishedBytes += event.sizeBytes;
        sizes.set(event.blob, event.sizeBytes);
        break;
      case 'blob.failed':
        running.delete(event.blob);
        break;
      case 'blob.cached':
        // It is on its way for another image, or was never to come.
        if (!running.has(event.blob)) sizes.delete(event.blob);
        break;
      case 'image.done':
        known.add(event.image);
        doneImages += 1;
        break;
      case 'image.failed':
        known.add(event.image);
        failedImages += 1;
        break;
    }
  }

  function look(nowMs: number): TotalState {
    const doneBytes = [...running.values()].reduce((sum, readBytes) => sum + readBytes(), finishedBytes);
    rate = rate === undefined ? { bytes: doneBytes, atMs: nowMs } : nextRate(rate, doneBytes, nowMs);
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
