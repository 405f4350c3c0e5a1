/** Stores with small images in them. */

import { createHash, randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { aciBlob, layerBlob } from '../../../src/store/layout.js';
import type { Lease } from '../../../src/store/lease.js';
import { blobsOf, type Extent, type ImageRecord } from '../../../src/store/records.js';
import { openStore, type Store } from '../../../src/store/store.js';
import type { Digest, ImageId } from '../../../src/types.js';
import { tempDir } from '../../support/temp.js';

export const NEVER = new AbortController().signal;
// All tests of a file listen to it, for as long as the file runs.
setMaxListeners(0, NEVER);

export function digestOf(text: string): Digest {
  return `sha256:${createHash('sha256').update(text).digest('hex')}` as Digest;
}

export function idOf(text: string): ImageId {
  return `sha512-${createHash('sha512').update(text).digest('hex')}` as ImageId;
}

export async function newStore(): Promise<{ store: Store; lease: Lease; dir: string }> {
  const dir = join(tempDir('store-'), 'made', 'by-it');
  const store = await openStore(dir);
  return { store, lease: await store.lease(NEVER), dir };
}

/** Commits a layer whose two files have the text. */
export async function addLayer(store: Store, lease: Lease, text: string): Promise<Digest> {
  const files = ['tar', 'index'].map((kind) => join(lease.folder, `${randomUUID()}.${kind}`));
  for (const file of files) writeFileSync(file, text);
  const [tarFile = '', indexFile = ''] = files;
  await store.commitLayer(digestOf(text), tarFile, indexFile);
  return digestOf(text);
}

export async function addAci(store: Store, lease: Lease, text: string): Promise<ImageId> {
  const file = join(lease.folder, `${randomUUID()}.aci`);
  writeFileSync(file, text);
  await store.commitAci(idOf(text), file);
  return idOf(text);
}

export function recordOf(name: string, fields: Partial<ImageRecord> = {}): ImageRecord {
  return {
    format: 1,
    id: idOf(name),
    name: `example.test/${name}`,
    labels: { version: '1.0.0', os: 'linux' },
    sizeBytes: 1000,
    manifest: { offset: 512, sizeBytes: 100 },
    source: `docker://example.test/${name}:latest`,
    importedAt: '2026-01-01T00:00:00.000Z',
    latest: true,
    verified: false,
    signers: [],
    blobs: [],
    ...fields,
  };
}

/** Commits an image of layers and perhaps an ACI that are in the store. */
export async function addImage(
  store: Store,
  lease: Lease,
  name: string,
  { layers = [], aci, ...fields }: Partial<ImageRecord> & { layers?: readonly Digest[]; aci?: ImageId } = {},
): Promise<ImageId> {
  const extents: Extent[] = [
    { bytes: Buffer.from('literal') },
    ...layers.map((digest) => ({ blob: layerBlob(digest), offset: 0, sizeBytes: 1 })),
    ...(aci === undefined ? [] : [{ blob: aciBlob(aci), offset: 0, sizeBytes: 1 }]),
  ];
  const record = recordOf(name, { blobs: blobsOf(extents), ...fields });
  await store.commitImage(record, extents, lease);
  return record.id;
}
