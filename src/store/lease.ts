/** A process's claim on the store: a folder for its temporary files that says who it belongs to. */

import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError } from '../errors.js';
import { readTextIfThere } from './files.js';
import type { StoreLayout } from './layout.js';
import { acquireLock, dropDeadLocks, startHeartbeat } from './lock.js';
import { isAlive, type Owner, parseOwner } from './owner.js';

export interface Lease {
  /** Temporary files go here; the folder goes with the lease. */
  readonly folder: string;
  release(): Promise<void>;
}

/** Held while leases are taken and while blobs are removed, so that no blob goes that someone counts on. */
export const SWEEP_LOCK = 'sweep';

const OWNER_FILE = 'owner.json';

/** Also clears away what dead processes left. */
export async function takeLease(layout: StoreLayout, owner: Owner, signal: AbortSignal): Promise<Lease> {
  const folder = join(layout.ingestDir, owner.token);
  const lock = await acquireLock(layout.lockFile(SWEEP_LOCK), owner, signal);
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, OWNER_FILE), JSON.stringify(owner));
    await dropDeadLeases(layout);
    await dropDeadLocks(layout.locksDir);
  } catch (error) {
    throw storageError(error, `cannot write ${layout.ingestDir}`);
  } finally {
    await lock.release();
  }
  const stopHeartbeat = startHeartbeat(join(folder, OWNER_FILE));
  return {
    folder,
    async release() {
      stopHeartbeat();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Whether a living process other than `owner` counts on the store. Asked under the sweep lock. */
export async function othersAtWork(layout: StoreLayout, owner: Owner): Promise<boolean> {
  for (const { token, alive } of await leases(layout)) if (alive && token !== owner.token) return true;
  return false;
}

async function dropDeadLeases(layout: StoreLayout): Promise<void> {
  for (const { token, alive } of await leases(layout)) {
    if (!alive) await rm(join(layout.ingestDir, token), { recursive: true, force: true });
  }
}

async function leases(layout: StoreLayout): Promise<{ token: string; alive: boolean }[]> {
  const entries = await readdir(layout.ingestDir, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    folders.map(async (token) => {
      const file = join(layout.ingestDir, token, OWNER_FILE);
      const [text, facts] = await Promise.all([readTextIfThere(file), stat(file).catch(() => undefined)]);
      const owner = text === undefined ? undefined : parseOwner(text);
      return { token, alive: owner !== undefined && isAlive(owner, Date.now() - (facts?.mtimeMs ?? 0)) };
    }),
  );
}
