/** Answers from the store: the images it has, found by ID, by name, or by what they were fetched as. */

import { FetchError } from '../errors.js';
import type { NamedImage } from '../store/image-names.js';
import type { ImageRecord } from '../store/records.js';
import type { ImageFacts, Store } from '../store/store.js';
import type { IdReference, ImageId, ImageReference, NameReference, StoredImage } from '../types.js';
import type { Found } from './session.js';
import { sourceOf } from './source.js';

/** The outcome for an image that needed nothing from a remote. */
export async function foundInStore(store: Store, image: ImageRecord, downloadedBytes = 0): Promise<Found> {
  await store.touchImage(image.id);
  const { id, name, labels, verified, signers, sizeBytes } = image;
  return { status: 'cached', id, name, labels, verified, signers, sizeBytes, downloadedBytes };
}

/** What users see of an image of the store. */
export function storedImageOf(facts: ImageFacts): StoredImage {
  const { id, name, labels, importedAt, lastUsedAt, sizeBytes, latest, verified, source } = facts;
  const imported = new Date(importedAt);
  return { id, name, labels, importedAt: imported, lastUsedAt, sizeBytes, latest, verified, source };
}

/** @throws FetchError ERR_NOT_IN_STORE; ERR_USAGE when the digits fit several images */
export async function findImage(store: Store, reference: ImageReference): Promise<ImageFacts> {
  const image = await lookUp(store, reference);
  if (image !== undefined) return image;
  throw new FetchError('ERR_NOT_IN_STORE', `${shownName(reference)}: no such image in the store`, {
    stage: 'store',
    hint: 'see what there is with: aci image list',
  });
}

async function lookUp(store: Store, reference: ImageReference): Promise<ImageFacts | undefined> {
  switch (reference.kind) {
    case 'id':
      return findById(store, reference);
    case 'name':
      return findNamed(store, reference);
    default: {
      const source = sourceOf(reference);
      return (await store.listImages()).images.find((image) => image.source === source);
    }
  }
}

async function findById(store: Store, reference: IdReference): Promise<ImageFacts | undefined> {
  const id = await completeId(store, reference);
  return id === undefined ? undefined : store.readImage(id);
}

/** The image whose ID begins so, whether or not its record can be read. @throws FetchError ERR_USAGE */
export async function completeId(store: Store, { prefix }: IdReference): Promise<ImageId | undefined> {
  const [first, second] = (await store.listIds()).filter((id) => id.startsWith(prefix));
  if (second === undefined) return first;
  throw new FetchError('ERR_USAGE', `${prefix} is the beginning of several images`, {
    stage: 'usage',
    hint: 'give more digits',
  });
}

async function findNamed(store: Store, reference: NameReference): Promise<ImageFacts | undefined> {
  const image = findByName(await store.imagesNamed(reference.name), reference);
  return image && store.readImage(image.id);
}

/** Pure: the newest import whose name and labels fit; labels that were not asked for may have any value. */
export function findByName<Image extends NamedImage>(
  images: readonly Image[],
  { name, labels }: NameReference,
): Image | undefined {
  return images.find(
    (image) =>
      image.name === name && Object.entries(labels).every(([label, value]) => image.labels[label] === value),
  );
}

function shownName(reference: ImageReference): string {
  return reference.kind === 'url' ? sourceOf(reference) : reference.image;
}
