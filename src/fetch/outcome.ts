/** What became of a request, as data: a batch does not end with its first failure. */

import { toFetchError } from '../errors.js';
import type { EngineEvent, EventSink } from '../events.js';
import type { FailedImage, FetchedImage, FetchOutcome, FetchRequest } from '../types.js';

/** Bytes of the blobs that each image has got so far over the network, as the events tell. */
export interface Received {
  readonly onEvent: EventSink;
  /** Forgets the image. */
  take(image: string): number;
}

export function createReceived(): Received {
  const readers = new Map<string, (() => number)[]>();
  return {
    onEvent(event: EngineEvent) {
      if (event.event !== 'blob.started') return;
      const { image, isLocal, readBytes, resumedBytes } = event;
      if (isLocal) return;
      const read = (): number => Math.max(0, readBytes() - resumedBytes);
      readers.set(image, [...(readers.get(image) ?? []), read]);
    },
    take(image) {
      const total = (readers.get(image) ?? []).reduce((sum, read) => sum + read(), 0);
      readers.delete(image);
      return total;
    },
  };
}

/** Emits the outcome too. */
export async function outcomeOf(
  request: FetchRequest,
  fetch: () => Promise<FetchedImage>,
  received: Received,
  emit: EventSink,
): Promise<FetchOutcome> {
  const { image } = request;
  const result = await resultOf(request, fetch);
  const downloadedBytes = received.take(image);
  if (result.status !== 'failed') {
    emit({ event: 'image.done', image, result });
    return result;
  }
  const failed = { ...result, downloadedBytes };
  emit({ event: 'image.failed', image, result: failed });
  return failed;
}

/** What `run` resolves to, or why it does not. */
export async function resultOf<T>(
  { image, platform }: FetchRequest,
  run: () => Promise<T>,
): Promise<T | FailedImage> {
  const startedAt = performance.now();
  try {
    return await run();
  } catch (cause) {
    const error = toFetchError(cause);
    const { code, stage, message, hint } = error;
    return {
      image,
      platform,
      status: 'failed',
      downloadedBytes: 0,
      durationMs: Math.round(performance.now() - startedAt),
      error: { code, stage, message, ...(hint === undefined ? {} : { hint }) },
      cause: error,
    };
  }
}
