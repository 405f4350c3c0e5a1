/** Bounds the memory for what is remembered of the entries of an image: their names and the directories on the way. */

import { FetchError } from '../errors.js';
import type { ByteString } from './entry.js';

/**
 * Room for 1.7 million entries with names of 60 bytes; big images have a few hundred thousand. With the overlay, which
 * remembers most, a process had 1.0 to 1.5 GB at this bound whatever the names were; Node ends at 2 GB or more.
 */
const MAX_BYTES = 1024 * 1024 * 1024;
/** What they take there without their names. */
const ENTRY_BYTES = 512;
const DIRECTORY_BYTES = 256;

/**
 * A function to call for every entry before it is remembered. Only directories that the entry before did not lie in
 * count: archives go through a directory before they come to the next one.
 * @throws (the function) FetchError ERR_LIMIT
 */
export function createEntryBudget(): (path: ByteString, link?: ByteString) => void {
  let usedBytes = 0;
  let previous: ByteString = '';
  return (path, link = '') => {
    usedBytes += ENTRY_BYTES + path.length + link.length + bytesOfDirectories(path, previous);
    previous = path;
    if (usedBytes <= MAX_BYTES) return;
    throw new FetchError('ERR_LIMIT', 'more entries in the image than fit into memory', { stage: 'convert' });
  };
}

function bytesOfDirectories(path: ByteString, previous: ByteString): number {
  let at = 0;
  while (at < path.length && path.charCodeAt(at) === previous.charCodeAt(at)) at += 1;
  let bytes = 0;
  for (let end = path.indexOf('/', at); end !== -1; end = path.indexOf('/', end + 1)) {
    bytes += DIRECTORY_BYTES + end;
  }
  return bytes;
}
