/** Every path of the store, and the version of its format; no other module knows where something lies. */

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Digest, ImageId } from '../types.js';

/** Raised with every change that an older version would misread; docs/store-format.md says what each means. */
export const STORE_FORMAT = 1;

/**
 * A blob of the store: a converted layer, named by the digest it has in the registry, or an uncompressed ACI,
 * named by its image ID.
 */
export type BlobName = `layer:${string}` | `aci:${string}`;

export function layerBlob(digest: Digest): BlobName {
  return `layer:${digest}`;
}

export function aciBlob(id: ImageId): BlobName {
  return `aci:${id}`;
}

export interface StoreLayout {
  readonly root: string;
  readonly formatFile: string;
  readonly ingestDir: string;
  readonly locksDir: string;
  /** One for each kind of blob; below each, folders of two digits. */
  readonly blobDirs: readonly string[];
  readonly imagesDir: string;
  readonly remotesDir: string;
  blobFile(name: BlobName): string;
  /** Beside a converted layer: its entries, one line each. */
  indexFile(digest: Digest): string;
  imageFile(id: ImageId): string;
  extentsFile(id: ImageId): string;
  remoteFile(key: string): string;
  /** The bytes of an unfinished download, and beside it what they are of. */
  partialFile(key: string): string;
  lockFile(name: string): string;
}

export const INDEX_SUFFIX = '.index';

export function storeLayout(root: string): StoreLayout {
  const ingestDir = join(root, 'ingest');
  const locksDir = join(root, 'locks');
  const aciDir = join(root, 'blobs', 'aci');
  const layerDir = join(root, 'blobs', 'layer');
  const imagesDir = join(root, 'images');
  const remotesDir = join(root, 'remotes');

  function blobFile(name: BlobName): string {
    if (name.startsWith('aci:')) {
      const id = name.slice('aci:'.length);
      return join(aciDir, id.slice(7, 9), id);
    }
    const [, algorithm = '', hex = ''] = name.split(':');
    return join(layerDir, hex.slice(0, 2), `${algorithm}-${hex}`);
  }

  return {
    root,
    formatFile: join(root, 'store.json'),
    ingestDir,
    locksDir,
    blobDirs: [aciDir, layerDir],
    imagesDir,
    remotesDir,
    blobFile,
    indexFile: (digest) => `${blobFile(layerBlob(digest))}${INDEX_SUFFIX}`,
    imageFile: (id) => join(imagesDir, id.slice(7, 9), `${id}.json`),
    extentsFile: (id) => join(imagesDir, id.slice(7, 9), `${id}.extents`),
    remoteFile: (key) => join(remotesDir, `${fileKey(key)}.json`),
    partialFile: (key) => join(ingestDir, `${fileKey(key)}.part`),
    lockFile: (name) => join(locksDir, `${fileKey(name)}.lock`),
  };
}

/** What an unfinished download is of stands beside its bytes. */
export function partialRecordFile(partialFile: string): string {
  return `${partialFile}.json`;
}

/** All files of an unfinished download: the bytes, their record, and one that was about to replace it. */
export function partialFiles(partialFile: string): readonly string[] {
  const record = partialRecordFile(partialFile);
  return [partialFile, record, unfinishedRecordFile(record)];
}

export function unfinishedRecordFile(recordFile: string): string {
  return `${recordFile}.new`;
}

/** A file name for any text; digests stay readable. */
function fileKey(text: string): string {
  if (/^sha(256|512):[0-9a-f]+$/.test(text)) return text.replace(':', '-');
  return createHash('sha256').update(text).digest('hex');
}
