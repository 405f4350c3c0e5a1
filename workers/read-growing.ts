/** Reads a file from the beginning while a download in another task fills it. */

import { closeSync, openSync, readSync } from 'node:fs';
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { FetchError, throwIfAborted } from '../src/errors.js';
import type { BlobCounters } from '../src/tasks/counters.js';
import type { AciTarget } from './aci-target.js';
import { atFile, cutError } from './partial-file.js';

const READ_BYTES = 1024 * 1024;

/**
 * Resolves when the download is complete and all of it was taken. Begins again with the download when the content is
 * another one after a break.
 * @throws FetchError ERR_ABORTED, also when the download failed, whose own task tells why
 */
export async function readGrowing(
  path: string,
  counters: BlobCounters,
  target: AciTarget,
  signal: AbortSignal,
): Promise<void> {
  const fd = atFile(path, () => openSync(path, 'r'));
  const chunk = Buffer.allocUnsafeSlow(READ_BYTES);
  try {
    // What a caller brings of an earlier attempt is of the content that the download began with.
    let generation = 0;
    for (let at = 0; ; ) {
      throwIfAborted(signal);
      const version = counters.version();
      const state = counters.state();
      if (state === 'failed')
        throw new FetchError('ERR_ABORTED', 'the download failed', { stage: 'download' });
      const readableTo = counters.read('prefixBytes');
      if (counters.generation() !== generation) {
        generation = counters.generation();
        at = 0;
        await target.restart(generation);
      } else if (at < readableTo) {
        const length = Math.min(READ_BYTES, readableTo - at);
        const got = atFile(path, () => readSync(fd, chunk, 0, length, at));
        // What was read while it began again is neither the one nor the other.
        if (counters.generation() !== generation) continue;
        if (got === 0) throw cutError(path);
        at += got;
        await target.take(chunk.subarray(0, got), at);
        await yieldToEvents();
      } else if (state === 'complete') return;
      else await counters.changed(version);
    }
  } finally {
    closeSync(fd);
  }
}
