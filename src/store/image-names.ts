/** The names of the stored images, each record read once: again only where its folder has changed since. */

import { stat } from 'node:fs/promises';
import { errnoOf, storageError } from '../errors.js';
import type { ImageRecord } from './records.js';

/** By what an image is found. */
export type NamedImage = Pick<ImageRecord, 'id' | 'name' | 'labels' | 'importedAt'>;

/** File systems tell the time of a change in steps, of up to two seconds: another change may hide in the same one. */
const SETTLED_MS = 2000;

interface Folder {
  readonly changedAtMs: number;
  readonly readAtMs: number;
  readonly images: Promise<readonly NamedImage[]>;
}

/**
 * Records are put in place and removed, never written to, so the time of change of a folder tells whether what was read
 * of it still holds. `read`: the images in one folder.
 */
export function createImageNames(
  read: (folder: string) => Promise<readonly NamedImage[]>,
): (folders: readonly string[]) => Promise<NamedImage[]> {
  const known = new Map<string, Folder>();

  async function imagesIn(path: string): Promise<readonly NamedImage[]> {
    const changedAtMs = await changeTimeOf(path);
    const seen = known.get(path);
    if (seen?.changedAtMs === changedAtMs && changedAtMs < seen.readAtMs - SETTLED_MS) return seen.images;
    const images = read(path);
    known.set(path, { changedAtMs, readAtMs: Date.now(), images });
    images.catch(() => known.delete(path));
    return images;
  }

  return async (folders) => {
    const images: NamedImage[] = [];
    // One after the other, for files are few that a process may have open.
    for (const folder of folders) images.push(...(await imagesIn(folder)));
    return images;
  };
}

async function changeTimeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    // Nobody removes a folder of the store; what is not there has no images.
    if (errnoOf(error) === 'ENOENT') return 0;
    throw storageError(error, `cannot read ${path}`);
  }
}
