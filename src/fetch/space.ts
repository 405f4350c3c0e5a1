/** Room on the disk of the store: what is left free for others. */

import { setMaxListeners } from 'node:events';
import { statfs } from 'node:fs/promises';
import { FetchError, storageError, throwIfAborted } from '../errors.js';
import type { Session } from './session.js';

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

/** Of a fetch into the store. */
export function roomOf({ store, minFreeBytes }: Session, signal: AbortSignal): MinFree {
  return { dir: store.layout.root, minFreeBytes, signal };
}

/**
 * To be called before something is written, with how many bytes that will be at least. Rejects where there is no room
 * for them; from then on the room is watched.
 */
export type ClaimRoom = (sizeBytes: number) => Promise<void>;

/**
 * Runs with a signal that is also aborted when less would be free: that is ERR_NO_SPACE. Nobody looks before the first
 * claim: what the store has needs no room.
 */
export async function withMinFree<T>(
  { dir, minFreeBytes, signal }: MinFree,
  run: (signal: AbortSignal, claim: ClaimRoom) => Promise<T>,
): Promise<T> {
  if (minFreeBytes === 0) return run(signal, async () => {});
  const full = new AbortController();
  const either = AbortSignal.any([signal, full.signal]);
  // Every layer and every task of an image listens; that is no leak.
  setMaxListeners(0, either);
  let timer: NodeJS.Timeout | undefined;
  const look = async (neededBytes: number): Promise<void> => {
    if ((await freeBytes(dir)) < minFreeBytes + neededBytes) full.abort();
  };
  const claim: ClaimRoom = async (sizeBytes) => {
    timer ??= setInterval(() => void look(0).catch(() => undefined), LOOK_MS);
    await look(sizeBytes);
    // Not yet as ERR_NO_SPACE, for which what was downloaded so far would be thrown away.
    throwIfAborted(full.signal);
  };
  try {
    return await run(either, claim);
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
