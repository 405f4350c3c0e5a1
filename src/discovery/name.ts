/** What the name of an image says about discovery: the pages to ask, and the tags that are for it. */

import { FetchError } from '../errors.js';

/** Each element may be a request, and names can come from the manifest of another image. */
const MAX_ELEMENTS = 32;

/**
 * The name and its parents: `h/a/b`, `h/a`, `h`. ERR_USAGE for a name that is no URL without its scheme, as for
 * `a//b`, `a/../b` or a host in another spelling of an IP address; ERR_LIMIT for one of more than 32 elements.
 */
export function pagesOf(name: string): string[] {
  const elements = name.split('/');
  const [host = ''] = elements;
  const isPlain = elements.every((element) => element !== '' && element !== '.' && element !== '..');
  const url = `https://${name}`;
  if (!isPlain || !URL.canParse(url) || new URL(url).hostname !== host) {
    throw new FetchError('ERR_USAGE', `${name}: not a name that can be looked for in the network`, {
      stage: 'discover',
      hint: 'a name begins with a host: example.com/app',
    });
  }
  if (elements.length > MAX_ELEMENTS) {
    throw new FetchError('ERR_LIMIT', `${name}: more than ${MAX_ELEMENTS} elements in the name of an image`, {
      stage: 'discover',
    });
  }
  return elements.map((_, index) => elements.slice(0, elements.length - index).join('/'));
}

/** Whether a tag for `prefix` is for `name`: the same, or above it by whole elements. rkt compares characters. */
export function isPrefixOf(prefix: string, name: string): boolean {
  return prefix === name || name.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);
}
