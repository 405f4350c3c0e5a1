/** Locks between processes that use one store, as files that name their owner. */

import { randomUUID } from 'node:crypto';
import { link, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { abortedError, errnoOf, storageError } from '../errors.js';
import { readTextIfThere } from './files.js';
import { HEARTBEAT_DEAD_MS, HEARTBEAT_MS, isAlive, type Owner, parseOwner } from './owner.js';

export interface Lock {
  release(): Promise<void>;
}

const POLL_MS = 50;
const TEMP_SUFFIX = '.tmp';

/**
 * Waits until `path` is ours. The file is linked into place with its content, so it is never seen half-written;
 * one whose owner is dead is moved away first. Nothing is asked of the file system but hard links.
 * @throws FetchError ERR_ABORTED, ERR_PERMISSION, ERR_NO_SPACE, ERR_IO
 */
export async function acquireLock(path: string, owner: Owner, signal: AbortSignal): Promise<Lock> {
  const own = join(dirname(path), `${randomUUID()}${TEMP_SUFFIX}`);
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
  let isReleased = false;
  return {
    async release() {
      // A second time it may be that of another task of this process.
      if (isReleased) return;
      isReleased = true;
      stopHeartbeat();
      // Another process may have taken it for dead; then it is no longer ours to remove.
      const content = await readTextIfThere(path);
      if (content !== undefined && parseOwner(content)?.token === owner.token)
        await rm(path, { force: true });
    },
  };
}

/** Removes the locks of dead processes from the folder, and the files that those had made locks of. */
export async function dropDeadLocks(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    const path = join(dir, name);
    if (!name.endsWith(TEMP_SUFFIX)) await removeIfDead(path);
    else if (await isDeadTemp(path)) await rm(path, { force: true });
  }
}

/** One that names nobody may be about to be written. */
async function isDeadTemp(path: string): Promise<boolean> {
  const content = await readTextIfThere(path);
  if (content === undefined) return false;
  if (parseOwner(content) !== undefined) return isDead(path, content);
  return (await ageMsOf(path)) > HEARTBEAT_DEAD_MS;
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
  const aside = join(dirname(path), `${randomUUID()}${TEMP_SUFFIX}`);
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
  const owner = parseOwner(content);
  return owner === undefined || !isAlive(owner, await ageMsOf(path));
}

/** 0 for a file that is gone. */
async function ageMsOf(path: string): Promise<number> {
  return stat(path).then(
    (facts) => Date.now() - facts.mtimeMs,
    () => 0,
  );
}
