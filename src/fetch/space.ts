/** Room on a disk: what is left free for others, shared by all who write there. */

import { setMaxListeners } from 'node:events';
import { statfs } from 'node:fs/promises';
import { FetchError, storageError, throwIfAborted } from '../errors.js';

/** As often as keeps a fast download from writing much between two looks. */
const LOOK_MS = 100;

/** What a user without privileges may still write there. @throws FetchError of exit code 8 */
export async function freeBytes(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir).catch((error: unknown) => {
    throw storageError(error, `cannot tell how much is free in ${dir}`);
  });
  return bavail * bsize;
}

/** What is still to be written of a blob at least, whenever it is asked. */
export type MissingBytes = () => number;

/**
 * To be called before something is written, with the blobs that it is, as far as they are known; a later call adds to it.
 * Rejects where there is no room for them beside what all others have yet to write. From then on the room is watched.
 */
export type ClaimRoom = (blobs?: ReadonlyMap<string, MissingBytes>) => Promise<void>;

export interface Room {
  /**
   * Runs with a signal that is also aborted when less would be free: that is ERR_NO_SPACE. Nobody looks before the
   * first claim: what the store has needs no room.
   */
  during<T>(signal: AbortSignal, run: (signal: AbortSignal, claim: ClaimRoom) => Promise<T>): Promise<T>;
}

/** `minFreeBytes`: what is left free where `dir` is. 0: nobody looks. `readFree`: how much is free there now. */
export function createRoom(dir: string, minFreeBytes: number, readFree = () => freeBytes(dir)): Room {
  /** Whoever has claimed something, and what. A blob that several have claimed comes once. */
  const claims = new Map<AbortController, Map<string, MissingBytes>>();
  let timer: NodeJS.Timeout | undefined;
  /** One after the other: those that do not fit beside each other shall not both be refused. */
  let checks: Promise<unknown> = Promise.resolve();

  function missingBytes(): number {
    const blobs = new Map([...claims.values()].flatMap((blobs) => [...blobs]));
    return [...blobs.values()].reduce((sum, missing) => sum + Math.max(0, missing()), 0);
  }

  async function watch(): Promise<void> {
    if ((await readFree()) >= minFreeBytes) return;
    // With what the newest one leaves there may be enough for the others.
    const newest = [...claims.keys()].at(-1);
    if (newest !== undefined) refuse(newest);
  }

  async function addClaim(full: AbortController, blobs: ReadonlyMap<string, MissingBytes>): Promise<void> {
    throwIfAborted(full.signal);
    claims.set(full, new Map([...(claims.get(full) ?? []), ...blobs]));
    timer ??= setInterval(() => void watch().catch(() => undefined), LOOK_MS);
    if ((await readFree()) >= minFreeBytes + missingBytes()) return;
    refuse(full);
    // Not yet as ERR_NO_SPACE, for which what was downloaded so far would be thrown away.
    throwIfAborted(full.signal);
  }

  function refuse(full: AbortController): void {
    endClaims(full);
    full.abort();
  }

  function endClaims(full: AbortController): void {
    claims.delete(full);
    if (claims.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  }

  return {
    async during(signal, run) {
      if (minFreeBytes === 0) return run(signal, async () => {});
      const full = new AbortController();
      const either = AbortSignal.any([signal, full.signal]);
      // Every layer and every task of an image listens; that is no leak.
      setMaxListeners(0, either);
      const claim: ClaimRoom = (blobs = new Map()) => {
        const check = checks.then(() => addClaim(full, blobs));
        checks = check.catch(() => undefined);
        return check;
      };
      try {
        return await run(either, claim);
      } catch (error) {
        throw full.signal.aborted && !signal.aborted ? tooLittle(dir, minFreeBytes, error) : error;
      } finally {
        // A claim that nobody waited for must not come after the end.
        await checks;
        endClaims(full);
      }
    },
  };
}

function tooLittle(dir: string, minFreeBytes: number, cause: unknown): FetchError {
  return new FetchError('ERR_NO_SPACE', `less than ${minFreeBytes} bytes would be free in ${dir}`, {
    stage: 'store',
    hint: 'what is complete stays in the store; remove images with: aci image rm',
    cause,
  });
}
