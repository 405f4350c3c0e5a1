/** Room on the disk of the store: what is left free for others. */

import { statfs } from 'node:fs/promises';
import { FetchError, storageError } from '../errors.js';

const LOOK_MS = 500;

/** What a user without privileges may still write there. @throws FetchError of exit code 8 */
export async function freeBytes(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir).catch((error: unknown) => {
    throw storageError(error, `cannot tell how much is free in ${dir}`);
  });
  return bavail * bsize;
}

export interface MinFree {
  readonly dir: string;
  /** 0: nobody looks. */
  readonly minFreeBytes: number;
  readonly signal: AbortSignal;
}

/**
 * Runs with a signal that is also aborted when less is free: that is ERR_NO_SPACE. Nothing is run where it is so from
 * the beginning.
 */
export async function withMinFree<T>(
  { dir, minFreeBytes, signal }: MinFree,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (minFreeBytes === 0) return run(signal);
  const full = new AbortController();
  const look = async (): Promise<void> => {
    if ((await freeBytes(dir)) < minFreeBytes) full.abort();
  };
  await look();
  if (full.signal.aborted) throw tooLittle(dir, minFreeBytes);
  const timer = setInterval(() => void look().catch(() => undefined), LOOK_MS);
  try {
    return await run(AbortSignal.any([signal, full.signal]));
  } catch (error) {
    throw full.signal.aborted && !signal.aborted ? tooLittle(dir, minFreeBytes, error) : error;
  } finally {
    clearInterval(timer);
  }
}

function tooLittle(dir: string, minFreeBytes: number, cause?: unknown): FetchError {
  return new FetchError('ERR_NO_SPACE', `less than ${minFreeBytes} bytes would be free in ${dir}`, {
    stage: 'store',
    hint: 'what is complete stays in the store; remove images with: aci image rm',
    cause,
  });
}
