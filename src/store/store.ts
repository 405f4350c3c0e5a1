/** The local store: converted layers and ACIs kept once, images as lists of their parts. */

import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errnoOf, FetchError, isFetchError, storageError } from '../errors.js';
import type { Digest, ImageId } from '../types.js';
import { fileSizeIfThere, publishFile, readTextIfThere, writeFileDurably } from './files.js';
import { createImageNames, type NamedImage } from './image-names.js';
import {
  aciBlob,
  type BlobName,
  INDEX_SUFFIX,
  layerBlob,
  STORE_FORMAT,
  type StoreLayout,
  storeLayout,
} from './layout.js';
import { type Lease, othersAtWork, SWEEP_LOCK, takeLease } from './lease.js';
import { acquireLock, type Lock } from './lock.js';
import { thisProcess } from './owner.js';
import {
  type Extent,
  formatExtents,
  type ImageRecord,
  parseExtents,
  parseImageRecord,
  parseRemoteRecord,
  type RemoteRecord,
} from './records.js';

export interface ImageFacts extends ImageRecord {
  readonly lastUsedAt: Date;
}

export interface Store {
  readonly layout: StoreLayout;
  /** Claims the store for this process: needed before anything is written or a blob is relied on. */
  lease(signal: AbortSignal): Promise<Lease>;
  /** One process at a time per name. */
  lock(name: string, signal: AbortSignal): Promise<Lock>;
  hasLayer(digest: Digest): Promise<boolean>;
  /** Makes a layer visible: both files are complete and synced. */
  commitLayer(digest: Digest, tarFile: string, indexFile: string): Promise<void>;
  hasAci(id: ImageId): Promise<boolean>;
  commitAci(id: ImageId, aciFile: string): Promise<void>;
  /** Makes an image visible. @throws FetchError ERR_STORE_DAMAGED when a blob of it is not there */
  commitImage(record: ImageRecord, extents: readonly Extent[], lease: Lease): Promise<void>;
  /** Writes the record of an image that is there anew. */
  updateImage(record: ImageRecord, lease: Lease): Promise<void>;
  readImage(id: ImageId): Promise<ImageFacts | undefined>;
  /** Like `readImage`, but undefined too when it is damaged or a blob is gone: it then has to be fetched again. */
  readWholeImage(id: ImageId): Promise<ImageFacts | undefined>;
  /** Newest import first; `damaged` are those whose record is not what was written. */
  listImages(): Promise<{ images: ImageFacts[]; damaged: ImageId[] }>;
  /** The images of this name, newest import first, without damaged ones. Asked again, it costs little while nothing changes. */
  imagesNamed(name: string): Promise<NamedImage[]>;
  /** Of all images, the damaged ones too. */
  listIds(): Promise<ImageId[]>;
  readExtents(id: ImageId): Promise<Extent[]>;
  /** Notes that the image was used now. */
  touchImage(id: ImageId): Promise<void>;
  /** `key`: what was asked for, in full. It may hold secrets, and only its digest is kept. Undefined too when damaged. */
  readRemote(key: string): Promise<RemoteRecord | undefined>;
  writeRemote(key: string, record: RemoteRecord, lease: Lease): Promise<void>;
  /** Drops an image, damaged or not; `sweepBlobs` afterwards frees what only it needed. */
  removeImage(id: ImageId): Promise<void>;
  /** Removes the blobs that no image needs, unless another process is at work on the store or one is damaged. */
  sweepBlobs(signal: AbortSignal): Promise<void>;
}

/** Files that are open at a time: a process may not have many. */
const READS_AT_ONCE = 64;

/** Opens the store in `dir`, making it when there is none. @throws FetchError ERR_STORE_VERSION and those of exit code 8 */
export async function openStore(dir: string): Promise<Store> {
  const layout = storeLayout(dir);
  const owner = thisProcess();
  await prepare(layout);

  async function has(...names: BlobName[]): Promise<boolean> {
    const sizes = await Promise.all(names.map((name) => fileSizeIfThere(layout.blobFile(name))));
    return sizes.every((size) => size !== undefined);
  }

  async function readImage(id: ImageId): Promise<ImageFacts | undefined> {
    const path = layout.imageFile(id);
    const text = await readTextIfThere(path);
    if (text === undefined) return undefined;
    const record = parseImageRecord(text, path);
    const lastUsedAt = await stat(path).then(
      (facts) => facts.mtime,
      () => new Date(record.importedAt),
    );
    return { ...record, lastUsedAt };
  }

  function writeRecord(record: ImageRecord, lease: Lease): Promise<void> {
    return writeFileDurably(layout.imageFile(record.id), `${JSON.stringify(record)}\n`, lease.folder);
  }

  async function listIds(folder = layout.imagesDir): Promise<ImageId[]> {
    const names = (await listPaths(folder)).map((path) => basename(path));
    return names.flatMap((name) =>
      name.endsWith('.json') ? [name.slice(0, -'.json'.length) as ImageId] : [],
    );
  }

  async function listImages(folder?: string): Promise<{ images: ImageFacts[]; damaged: ImageId[] }> {
    const damaged: ImageId[] = [];
    const images: ImageFacts[] = [];
    async function read(id: ImageId): Promise<void> {
      try {
        const image = await readImage(id);
        if (image !== undefined) images.push(image);
      } catch (error) {
        if (!isDamage(error)) throw error;
        damaged.push(id);
      }
    }
    const ids = await listIds(folder);
    for (let at = 0; at < ids.length; at += READS_AT_ONCE) {
      await Promise.all(ids.slice(at, at + READS_AT_ONCE).map(read));
    }
    return { images: images.sort(newestFirst), damaged: damaged.sort() };
  }

  const namesIn = createImageNames(async (folder) =>
    (await listImages(folder)).images.map(({ id, name, labels, importedAt }) => ({
      id,
      name,
      labels,
      importedAt,
    })),
  );

  async function removeUnneeded(): Promise<void> {
    const { images, damaged } = await listImages();
    // Nobody knows which blobs a damaged one needs.
    if (damaged.length > 0) return;
    const needed = new Set(images.flatMap((image) => image.blobs.map((name) => layout.blobFile(name))));
    for (const folder of layout.blobDirs) {
      for (const path of await listPaths(folder)) {
        const blob = path.endsWith(INDEX_SUFFIX) ? path.slice(0, -INDEX_SUFFIX.length) : path;
        if (!needed.has(blob)) await rm(path, { force: true });
      }
    }
  }

  return {
    layout,
    lease: (signal) => takeLease(layout, owner, signal),
    lock: (name, signal) => acquireLock(layout.lockFile(name), owner, signal),
    async hasLayer(digest) {
      const indexBytes = await fileSizeIfThere(layout.indexFile(digest));
      return indexBytes !== undefined && (await has(layerBlob(digest)));
    },
    async commitLayer(digest, tarFile, indexFile) {
      // The index last: a layer is there when its index is.
      await publishFile(tarFile, layout.blobFile(layerBlob(digest)));
      await publishFile(indexFile, layout.indexFile(digest));
    },
    hasAci: (id) => has(aciBlob(id)),
    commitAci: (id, aciFile) => publishFile(aciFile, layout.blobFile(aciBlob(id))),
    async commitImage(record, extents, lease) {
      if (!(await has(...record.blobs))) {
        throw new FetchError('ERR_STORE_DAMAGED', `a blob of image ${record.id} is gone`, { stage: 'store' });
      }
      await writeFileDurably(layout.extentsFile(record.id), formatExtents(extents), lease.folder);
      await writeRecord(record, lease);
    },
    updateImage: writeRecord,
    readImage,
    async readWholeImage(id) {
      const image = await readImage(id).catch((error: unknown) => {
        if (isDamage(error)) return undefined;
        throw error;
      });
      return image !== undefined && (await has(...image.blobs)) ? image : undefined;
    },
    listImages: () => listImages(),
    async imagesNamed(name) {
      const images = await namesIn(await listFolders(layout.imagesDir));
      return images.filter((image) => image.name === name).sort(newestFirst);
    },
    listIds: () => listIds(),
    async readExtents(id) {
      const path = layout.extentsFile(id);
      const text = await readTextIfThere(path);
      if (text === undefined) {
        throw new FetchError('ERR_STORE_DAMAGED', `the parts of image ${id} are gone`, { stage: 'store' });
      }
      return parseExtents(text, path);
    },
    async touchImage(id) {
      const now = new Date();
      // Being unable to note a use (a store that may only be read) must not fail the use.
      await utimes(layout.imageFile(id), now, now).catch(() => undefined);
    },
    async readRemote(key) {
      const path = layout.remoteFile(key);
      const text = await readTextIfThere(path);
      if (text === undefined) return undefined;
      try {
        return parseRemoteRecord(text, path);
      } catch (error) {
        // It only saves a download.
        if (isDamage(error)) return undefined;
        throw error;
      }
    },
    writeRemote: (key, record, lease) =>
      writeFileDurably(layout.remoteFile(key), `${JSON.stringify(record)}\n`, lease.folder),
    async removeImage(id) {
      try {
        await rm(layout.imageFile(id), { force: true });
        await rm(layout.extentsFile(id), { force: true });
      } catch (error) {
        throw storageError(error, `cannot remove image ${id}`);
      }
    },
    async sweepBlobs(signal) {
      const lock = await acquireLock(layout.lockFile(SWEEP_LOCK), owner, signal);
      try {
        if (!(await othersAtWork(layout, owner))) await removeUnneeded();
      } catch (error) {
        throw storageError(error, 'cannot remove blobs');
      } finally {
        await lock.release();
      }
    },
  };
}

function isDamage(error: unknown): boolean {
  return isFetchError(error) && error.code === 'ERR_STORE_DAMAGED';
}

async function prepare(layout: StoreLayout): Promise<void> {
  try {
    const { ingestDir, locksDir, blobDirs, imagesDir, remotesDir } = layout;
    for (const dir of [ingestDir, locksDir, ...blobDirs, imagesDir, remotesDir]) {
      await mkdir(dir, { recursive: true });
    }
    const text = await readTextIfThere(layout.formatFile);
    if (text === undefined) await writeFormat(layout);
    else checkFormat(text, layout);
  } catch (error) {
    throw storageError(error, `cannot use the store ${layout.root}`);
  }
}

function writeFormat(layout: StoreLayout): Promise<void> {
  return writeFileDurably(
    layout.formatFile,
    `${JSON.stringify({ format: STORE_FORMAT })}\n`,
    layout.ingestDir,
  );
}

function checkFormat(text: string, layout: StoreLayout): void {
  let format: unknown;
  try {
    format = (JSON.parse(text) as { format?: unknown } | null)?.format;
  } catch (cause) {
    throw new FetchError('ERR_STORE_DAMAGED', `${layout.formatFile} is not JSON`, { stage: 'store', cause });
  }
  if (format === STORE_FORMAT) return;
  throw new FetchError(
    'ERR_STORE_VERSION',
    `the store ${layout.root} has format ${JSON.stringify(format)}, this version knows ${STORE_FORMAT}`,
    { stage: 'store', hint: 'use a newer version, or another folder with --dir' },
  );
}

/** The files in the folders of `dir`. */
async function listPaths(dir: string): Promise<string[]> {
  try {
    const entries = await readdir(dir, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw storageError(error, `cannot read ${dir}`);
  }
}

async function listFolders(dir: string): Promise<string[]> {
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(dir, name));
  } catch (error) {
    throw storageError(error, `cannot read ${dir}`);
  }
}

function newestFirst(a: NamedImage, b: NamedImage): number {
  return compare(b.importedAt, a.importedAt) || compare(a.id, b.id);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
