/** Unpacks an image of the store into a folder, through a worker. */

import { mkdir, readdir, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { errnoOf, FetchError, storageError } from '../errors.js';
import { partsOf } from '../store/parts.js';
import type { ImageFacts, Store } from '../store/store.js';
import type { TaskRunner } from '../tasks/runner.js';
import type { ImageId } from '../types.js';

export interface ExtractOptions {
  /** Made when it does not exist; must be empty unless `overwrite`. */
  readonly directory: string;
  /** Put what is below rootfs/ into the folder itself, and leave the manifest out. Default false. */
  readonly rootfsOnly?: boolean | undefined;
  /** Remove the folder first. Default false. */
  readonly overwrite?: boolean | undefined;
}

export interface ExtractReport {
  readonly id: ImageId;
  /** What this machine could not keep (owners without root, device nodes, …), one line each. */
  readonly notKept: readonly string[];
}

/** A failure removes the folder. @throws FetchError ERR_USAGE, those of exit code 8 */
export async function extractImage(
  store: Store,
  runner: TaskRunner,
  image: ImageFacts,
  { directory: given, rootfsOnly = false, overwrite = false }: ExtractOptions,
  signal: AbortSignal,
): Promise<ExtractReport> {
  const directory = resolve(given);
  const parts = partsOf(await store.readExtents(image.id), store.layout);
  // The folder is removed as a whole when something fails, or with `overwrite`.
  for (const kept of [store.layout.root, process.cwd()]) {
    if (`${resolve(kept)}/`.startsWith(directory.endsWith('/') ? directory : `${directory}/`)) {
      throw new FetchError('ERR_USAGE', `${directory} holds ${kept}`, { stage: 'usage' });
    }
  }
  await prepare(directory, overwrite);
  try {
    const input = { parts, id: image.id, directory, rootfsOnly };
    const { notKept } = await runner.run('extract', input, { signal });
    return { id: image.id, notKept };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

async function prepare(directory: string, overwrite: boolean): Promise<void> {
  try {
    if (overwrite) await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { recursive: true });
    if ((await readdir(directory)).length === 0) return;
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST' && errnoOf(error) !== 'ENOTDIR') {
      throw storageError(error, `cannot use ${directory}`, 'extract');
    }
  }
  throw new FetchError('ERR_USAGE', `${directory} is not an empty folder`, {
    stage: 'usage',
    hint: 'replace it with --overwrite',
  });
}
