/** Unpacks an image of the store into a folder, through a worker. */

import { randomUUID } from 'node:crypto';
import { mkdir, readdir, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
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

/**
 * A folder that is new, or replaces one, appears only when the whole image is in it and was the right one; one that
 * is there and empty is filled in place, and emptied again when that fails.
 * @throws FetchError ERR_USAGE, those of exit code 8
 */
export async function extractImage(
  store: Store,
  runner: TaskRunner,
  image: ImageFacts,
  { directory: given, rootfsOnly = false, overwrite = false }: ExtractOptions,
  signal: AbortSignal,
): Promise<ExtractReport> {
  const directory = await realTarget(resolve(given));
  await refuseToReplace(directory, store);
  const parts = partsOf(await store.readExtents(image.id), store.layout);
  const extractInto = async (folder: string): Promise<ExtractReport> => {
    const input = { parts, id: image.id, directory: folder, rootfsOnly };
    const { notKept } = await runner.run('extract', input, { signal });
    return { id: image.id, notKept };
  };
  const content = await contentOf(directory);
  if (content !== undefined && content.length === 0) {
    return extractInto(directory).catch(async (error: unknown) => {
      for (const name of (await contentOf(directory)) ?? []) await removeAll(join(directory, name));
      throw error;
    });
  }
  if (content !== undefined && !overwrite) throw notEmpty(directory);
  const temp = join(dirname(directory), `.${basename(directory)}.${randomUUID()}`);
  try {
    await mkdir(temp, { recursive: true });
    const report = await extractInto(temp);
    if (content !== undefined) await rm(directory, { recursive: true, force: true });
    await rename(temp, directory);
    return report;
  } catch (error) {
    await removeAll(temp);
    throw storageError(error, `cannot use ${directory}`, 'extract');
  }
}

/** What already failed must not fail for another reason as well. */
function removeAll(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true }).catch(() => undefined);
}

/** The path with every symbolic link resolved that is there already. */
async function realTarget(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw storageError(error, `cannot use ${path}`, 'extract');
    return path === dirname(path) ? path : join(await realTarget(dirname(path)), basename(path));
  }
}

/** The store, and the folder that the process works in, are never what is replaced. */
async function refuseToReplace(directory: string, store: Store): Promise<void> {
  const storeDir = await realTarget(store.layout.root);
  const workDir = await realTarget(process.cwd());
  const holds = (outer: string, inner: string): boolean =>
    `${inner}/`.startsWith(outer.endsWith('/') ? outer : `${outer}/`);
  const kept = holds(storeDir, directory) || holds(directory, storeDir) ? storeDir : workDir;
  if (kept === storeDir || holds(directory, workDir)) {
    throw new FetchError('ERR_USAGE', `${directory} is in the way of ${kept}`, { stage: 'usage' });
  }
}

/** The names in a folder; undefined when there is none. */
async function contentOf(directory: string): Promise<string[] | undefined> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    if (errnoOf(error) === 'ENOTDIR') throw notEmpty(directory, error);
    throw storageError(error, `cannot use ${directory}`, 'extract');
  }
}

function notEmpty(directory: string, cause?: unknown): FetchError {
  return new FetchError('ERR_USAGE', `${directory} is not an empty folder`, {
    stage: 'usage',
    hint: 'replace it with --overwrite',
    cause,
  });
}
