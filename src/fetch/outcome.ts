/** What became of a request, as data: a batch does not end with its first failure. */

import { toFetchError } from '../errors.js';
import type { EngineEvent, EventSink } from '../events.js';
import type { FailedImage, FetchedImage, FetchOutcome } from '../types.js';

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
  image: string,
  fetch: () => Promise<FetchedImage>,
  received: Received,
  emit: EventSink,
): Promise<FetchOutcome> {
  const startedAt = performance.now();
  try {
    const result = await fetch();
    received.take(image);
    emit({ event: 'image.done', image, result });
    return result;
  } catch (cause) {
    const error = toFetchError(cause);
    const { code, stage, message, hint } = error;
    const result: FailedImage = {
      image,
      status: 'failed',
      downloadedBytes: received.take(image),
      durationMs: Math.round(performance.now() - startedAt),
      error: { code, stage, message, ...(hint === undefined ? {} : { hint }) },
      cause: error,
    };
    emit({ event: 'image.failed', image, result });
    return result;
  }
}
