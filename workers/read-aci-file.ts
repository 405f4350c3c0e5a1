/** Reads an ACI from a local file. */

import { constants, open } from 'node:fs/promises';
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { errnoOf, FetchError, storageError, throwIfAborted } from '../src/errors.js';
import type { TaskContext } from '../src/tasks/contract.js';
import type { AciTarget } from './aci-target.js';

const READ_BYTES = 1024 * 1024;

/** @throws FetchError ERR_NOT_FOUND, ERR_USAGE for what is no regular file, ERR_PERMISSION, ERR_IO */
export async function readAciFile(path: string, target: AciTarget, context: TaskContext): Promise<void> {
  // Without O_NONBLOCK the opening of a pipe waits for a writer, and nothing could end that.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw storageError(error, `cannot read ${path}`, 'resolve');
    throw new FetchError('ERR_NOT_FOUND', `${path}: no such file`, { stage: 'resolve', cause: error });
  });
  try {
    const stats = await file.stat();
    if (!stats.isFile()) {
      throw new FetchError('ERR_USAGE', `${path} is not a regular file`, {
        stage: 'resolve',
        hint: 'write what comes through a pipe to a file first',
      });
    }
    context.note({ note: 'opened', sizeBytes: stats.size, resumedBytes: 0 });
    for (let at = 0; ; ) {
      throwIfAborted(context.signal);
      const chunk = Buffer.allocUnsafe(READ_BYTES);
      const { bytesRead } = await file.read(chunk, 0, READ_BYTES, at).catch((error: unknown) => {
        throw storageError(error, `cannot read ${path}`, 'resolve');
      });
      if (bytesRead === 0) break;
      at += bytesRead;
      await target.take(chunk.subarray(0, bytesRead), at);
      await yieldToEvents();
    }
  } finally {
    await file.close();
  }
}
