/** What the images of a registry, or of anything else that keeps them as manifests and blobs, look like from outside. */

import type { Descriptor, Digest, Platform } from '../types.js';

/** Where a Docker or OCI image comes from. */
export interface ImageSource<Image extends ResolvedImage = ResolvedImage> {
  /** Finds the image for `platform`, through indexes where there are any. */
  resolve(platform: Platform, signal: AbortSignal): Promise<Image>;
  /** The config of an image that this source has resolved. */
  readConfig(image: Image, signal: AbortSignal): Promise<Buffer>;
}

export interface ResolvedImage {
  /** sha256 of the manifest of the chosen image; where there are no manifests, of what takes their place. */
  readonly digest: Digest;
  /** sha256 of what tag or digest name: that manifest, or the index it was chosen from. */
  readonly rootDigest: Digest;
  /** The blob that is the config, or its bytes where the manifest has it in itself. */
  readonly config: Descriptor | { readonly bytes: Buffer };
  /** Whether the config names the digests of the uncompressed layers, one for each of {@link layers}. */
  readonly hasDiffIds: boolean;
  /** Base layer first. */
  readonly layers: readonly Descriptor[];
}
