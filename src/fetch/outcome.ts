/** What became of a request, as data: a batch does not end with its first failure. */

import { toFetchError } from '../errors.js';
import type { EventSink } from '../events.js';
import type { FailedImage, FetchedImage, FetchOutcome, FetchRequest } from '../types.js';

/** What passes the facts of one request on, with what tells whose they are. */
export function eventsOf({ image, platform, signature }: FetchRequest, emit: EventSink): EventSink {
  return (event) => {
    if (event.event === 'host.held') return emit(event);
    const dependencyOf = event.image === image ? undefined : image;
    emit({ ...event, dependencyOf, platform, signature });
  };
}

/**
 * Counts what one request gets over the network, as the events tell that it passes on to `sink`: of blobs that have ended.
 * What is still under way when its image has failed goes on for another one, and counts there.
 */
export function countReceived(sink: EventSink): { readonly emit: EventSink; bytes(): number } {
  const running = new Map<string, () => number>();
  let endedBytes = 0;
  return {
    emit(event) {
      if (event.event === 'blob.started' && !event.isLocal) {
        const { blob, readBytes, resumedBytes } = event;
        running.set(blob, () => Math.max(0, readBytes() - resumedBytes));
      } else if (event.event === 'blob.done' || event.event === 'blob.failed') {
        const read = running.get(event.blob);
        if (read !== undefined) endedBytes += event.event === 'blob.done' ? event.downloadedBytes : read();
        running.delete(event.blob);
      }
      sink(event);
    },
    bytes: () => endedBytes,
  };
}

/** Emits the outcome too. */
export async function outcomeOf(
  request: FetchRequest,
  fetch: (emit: EventSink) => Promise<FetchedImage>,
  emit: EventSink,
): Promise<FetchOutcome> {
  const { image } = request;
  const received = countReceived(emit);
  const tell = eventsOf(request, received.emit);
  const result = await resultOf(request, () => fetch(tell));
  if (result.status !== 'failed') {
    tell({ event: 'image.done', image, result });
    return result;
  }
  const failed = { ...result, downloadedBytes: received.bytes() };
  tell({ event: 'image.failed', image, result: failed });
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
