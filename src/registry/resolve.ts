/** From the document that a name leads to, through indexes, to the manifest of one image. */

import { FetchError } from '../errors.js';
import type { Descriptor, Digest, Platform } from '../types.js';
import { digestOf } from './content.js';
import { type ImageManifest, parseManifest } from './manifest.js';
import { selectPlatform } from './platform.js';
import type { Schema1Image } from './schema1.js';

/** What registries accept at most (distribution, Docker Hub). */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
export const MAX_CONFIG_BYTES = 8 * 1024 * 1024;
/** An index of indexes has been seen; deeper ones have not. */
const MAX_INDEX_DEPTH = 2;

export interface ManifestDocument {
  /** What its digest is of; of a signed one, what was signed. */
  readonly bytes: Buffer;
  readonly mediaType?: string | undefined;
}

export interface ChosenImage {
  readonly digest: Digest;
  readonly manifest: ImageManifest | Schema1Image;
}

/**
 * `read` hands out the document of an index entry, checked against it.
 * @param name for messages
 * @throws FetchError ERR_NO_PLATFORM, ERR_MANIFEST_INVALID, ERR_MEDIA_TYPE, and what `read` throws
 */
export async function chooseImage(
  root: ManifestDocument,
  { platform, name }: { readonly platform: Platform; readonly name: string },
  read: (entry: Descriptor) => Promise<ManifestDocument>,
): Promise<ChosenImage> {
  let document = root;
  let manifest = parseManifest(root.bytes, root.mediaType);
  for (let depth = 1; manifest.kind === 'index'; depth++) {
    if (depth > MAX_INDEX_DEPTH) {
      const message = `${name}: indexes are nested more than ${MAX_INDEX_DEPTH} deep`;
      throw new FetchError('ERR_MANIFEST_INVALID', message, { stage: 'resolve' });
    }
    document = await read(selectPlatform(manifest.manifests, platform));
    manifest = parseManifest(document.bytes, document.mediaType);
  }
  return { digest: digestOf(document.bytes), manifest };
}
