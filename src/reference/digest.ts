/** Digests of registry content (`sha256:…`) and IDs of ACIs (`sha512-…`): the only makers of both types. */

import type { Digest, ImageId } from '../types.js';
import { usageError } from './argument.js';

const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;
const IMAGE_ID = /^sha512-[0-9a-f]{128}$/;
const IMAGE_ID_SHAPE = /^sha512-[0-9a-f]*$/i;

/** Fewer digits than this could name several images before long. */
const MIN_ID_DIGITS = 12;
const MAX_ID_DIGITS = 128;

/** OCI image specification, descriptor.md: the two registered algorithms, lower case hex only. */
export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** Throws ERR_USAGE. Where the text came from a remote, test with {@link isDigest} and throw what fits there. */
export function parseDigest(text: string): Digest {
  if (!isDigest(text)) {
    throw usageError(text, 'is not a digest', 'a digest is sha256: and 64 hex digits in lower case');
  }
  return text;
}

export function isImageId(text: string): text is ImageId {
  return IMAGE_ID.test(text);
}

/** A whole image ID, `sha512-` and 128 hex digits in lower case; throws ERR_USAGE. */
export function parseImageId(text: string): ImageId {
  if (!isImageId(text))
    throw usageError(text, 'is not an image ID', 'an image ID is sha512- and 128 hex digits');
  return text;
}

/** Whether an argument is meant as an image ID, of whatever length; everything else may be an image name. */
export function looksLikeImageId(text: string): boolean {
  return IMAGE_ID_SHAPE.test(text);
}

/** `sha512-` and 12 to 128 digits, in lower case; throws ERR_USAGE. */
export function parseImageIdPrefix(text: string): string {
  const digits = looksLikeImageId(text) ? text.length - 'sha512-'.length : 0;
  if (digits < MIN_ID_DIGITS || digits > MAX_ID_DIGITS) {
    throw usageError(
      text,
      'is not an image ID',
      `an image ID is sha512- and ${MIN_ID_DIGITS} to ${MAX_ID_DIGITS} hex digits`,
    );
  }
  return text.toLowerCase();
}
