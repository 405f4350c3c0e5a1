/** Turns the names inside an archive into paths below its root. */

import { FetchError } from '../errors.js';
import { type ByteString, displayPath } from './entry.js';

/**
 * `./a//b/../c`, `/a/c` and `a/c/` are all `a/c`; the root itself is the empty string.
 * @throws FetchError ERR_UNSAFE_PATH when the name climbs out of the root
 */
export function normalizePath(name: ByteString): ByteString {
  // The usual name needs no work; this runs once for each entry.
  if (!/(^|\/)\.{0,2}(\/|$)/.test(name)) return name;
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) {
      throw new FetchError(
        'ERR_UNSAFE_PATH',
        `entry ${JSON.stringify(displayPath(name))} leaves the root of the image`,
        {
          stage: 'convert',
        },
      );
    }
  }
  return parts.join('/');
}

/** `''` for names at the root. */
export function parentPath(path: ByteString): ByteString {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
