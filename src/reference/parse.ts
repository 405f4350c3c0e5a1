/** What an image argument of the command line means, decided from its text alone. */

import { isAbsolute, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FetchError } from '../errors.js';
import type { FileReference, ImageReference, UrlReference } from '../types.js';
import { usageError } from './argument.js';
import { looksLikeImageId, parseImageIdPrefix } from './digest.js';
import { parseDockerReference } from './docker.js';
import { isLayoutArgument, parseLayoutReference } from './layout.js';
import { parseNameReference } from './name.js';

/**
 * Reads an image argument; `cwd` is what relative paths start from. Only `./`, `../`, `/` and `file://` make a
 * file, so that `app.aci` stays a name wherever the command is run.
 *
 * Throws ERR_USAGE for arguments that mean nothing.
 */
export function parseReference(image: string, cwd: string): ImageReference {
  if (image === '') throw usageError(image, 'is not an image');
  if (image.includes('\0')) throw usageError(image, 'contains a NUL character');
  if (image.startsWith('docker://')) return parseDockerReference(image);
  if (/^https?:\/\//i.test(image)) return parseUrl(image);
  if (/^file:\/\//i.test(image)) return parseFileUrl(image);
  if (/^(?:\.{0,2})\//.test(image)) return parsePath(image, cwd);
  if (looksLikeImageId(image)) return { kind: 'id', image, prefix: parseImageIdPrefix(image) };
  if (isLayoutArgument(image)) return parseLayoutReference(image, cwd);
  rejectOtherSchemes(image);
  return parseNameReference(image);
}

function parseUrl(image: string): UrlReference {
  let url: URL;
  try {
    url = new URL(image);
  } catch (cause) {
    throw usageError(image, 'is not a valid URL', undefined, withoutInput(cause));
  }
  if (url.username !== '' || url.password !== '') {
    throw usageError(image, 'has a user name or password in it', 'credentials do not go into a URL');
  }
  url.hash = '';
  return { kind: 'url', image, url: url.href };
}

function parseFileUrl(image: string): FileReference {
  try {
    const url = new URL(image);
    if (url.search !== '' || url.hash !== '') {
      throw usageError(image, 'has a query or fragment', 'write %3F for ? and %23 for # in a file URL');
    }
    return parsePath(fileURLToPath(url), '/', image);
  } catch (cause) {
    if (cause instanceof FetchError) throw cause;
    throw usageError(image, 'is not a valid file URL', 'as in file:///images/app.aci', cause);
  }
}

function parsePath(path: string, cwd: string, image = path): FileReference {
  if (path.includes('\0')) throw usageError(image, 'contains a NUL character');
  if (path.endsWith('/')) throw usageError(image, 'is a folder, not a file');
  return { kind: 'file', image, path: isAbsolute(path) ? resolve(path) : resolve(cwd, path) };
}

function rejectOtherSchemes(image: string): void {
  if (/^docker:/i.test(image))
    throw usageError(image, 'is not an image', 'Docker images begin with docker://');
  if (/^file:/i.test(image)) throw usageError(image, 'is not an image', 'file URLs begin with file:///');
  if (image.includes('://')) {
    throw usageError(image, 'has an unknown scheme', 'known are docker://, https://, http:// and file://');
  }
}

/** The URL parser's error carries its whole input, passwords included. */
function withoutInput(cause: unknown): Error {
  return new TypeError(cause instanceof Error ? cause.message : 'invalid URL');
}
