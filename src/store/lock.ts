/** Locks between processes that use one store, as files that name their owner. */

import { randomUUID } from 'node:crypto';
import { link, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { abortedError, errnoOf, storageError } from '../errors.js';
import { readTextIfThere } from './files.js';
import { HEARTBEAT_MS, isAlive, type Owner, parseOwner } from './owner.js';

export interface Lock {
  release(): Promise<void>;
}

const POLL_MS = 50;

/**
 * Waits until `path` is ours. The file is linked into place with its content, so it is never seen half-written;
 * one whose owner is dead is moved away first. Nothing is asked of the file system but hard links.
 * @throws FetchError ERR_ABORTED, ERR_PERMISSION, ERR_NO_SPACE, ERR_IO
 */
export async function acquireLock(path: string, owner: Owner, signal: AbortSignal): Promise<Lock> {
  const own = join(dirname(path), `${randomUUID()}.tmp`);
  try {
    await writeFile(own, JSON.stringify(owner), { flag: 'wx' });
    while (!(await tryLink(own, path))) {
      await removeIfDead(path);
      if (signal.aborted) throw abortedError(signal.reason);
      await sleep(POLL_MS, undefined, { signal }).catch((error: unknown) => {
        throw abortedError(error);
      });
    }
  } catch (error) {
    throw storageError(error, `cannot lock ${path}`);
  } finally {
    await rm(own, { force: true });
  }
  const stopHeartbeat = startHeartbeat(path);
  return {
    release() {
      stopHeartbeat();
      return rm(path, { force: true });
    },
  };
}

/** Touches a file now and then, as the sign of life for processes that cannot see this one. */
export function startHeartbeat(path: string): () => void {
  const timer = setInterval(() => {
    const now = new Date();
    // A file that is gone has no one waiting for it.
    utimes(path, now, now).catch(() => undefined);
  }, HEARTBEAT_MS);
  timer.unref();
  return () => clearInterval(timer);
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

async function removeIfDead(path: string): Promise<void> {
  const seen = await readTextIfThere(path);
  if (seen === undefined || !(await isDead(path, seen))) return;
  const aside = join(dirname(path), `${randomUUID()}.stale`);
  try {
    await rename(path, aside);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  // Between reading and moving, another process may have cleared the lock and taken it: give it back.
  if ((await readTextIfThere(aside)) !== seen) await tryLink(aside, path);
  await rm(aside, { force: true });
}

async function isDead(path: string, content: string): Promise<boolean> {
  const ageMs = await stat(path).then(
    (facts) => Date.now() - facts.mtimeMs,
    () => 0,
  );
  const owner = parseOwner(content);
  return owner === undefined || !isAlive(owner, ageMs);
}
