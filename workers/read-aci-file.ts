/** Reads an ACI from a local file. */

import { open } from 'node:fs/promises';
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { errnoOf, FetchError, storageError, throwIfAborted } from '../src/errors.js';
import type { TaskContext } from '../src/tasks/contract.js';
import type { AciTarget, Arrival } from './aci-target.js';

const READ_BYTES = 1024 * 1024;

/** @throws FetchError ERR_NOT_FOUND, ERR_PERMISSION, ERR_IO */
export async function readAciFile(path: string, target: AciTarget, context: TaskContext): Promise<Arrival> {
  const file = await open(path, 'r').catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw storageError(error, `cannot read ${path}`, 'resolve');
    throw new FetchError('ERR_NOT_FOUND', `${path}: no such file`, { stage: 'resolve', cause: error });
  });
  try {
    context.note({ note: 'opened', sizeBytes: (await file.stat()).size, resumedBytes: 0 });
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
  return { facts: { downloadedBytes: 0 }, settle() {} };
}
