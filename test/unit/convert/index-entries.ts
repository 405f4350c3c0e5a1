/** Layers as lists of words, for tests that need no bytes: `d usr`, `f usr/a`, `h b usr/a`, `w usr/a`. */

import type { IndexEntry, IndexType } from '../../../src/convert/layer-index.js';

/** The root is `.`. Entries lie 512 bytes apart, files have 100 bytes of content. */
export function layerOf(...lines: string[]): IndexEntry[] {
  let offset = 0;
  return lines.map((line) => {
    const [type, path = '', link] = line.split(' ');
    const isWhiteout = type === 'w' || type === 'o';
    const headerBytes = isWhiteout ? 0 : 512;
    const sizeBytes = type === 'f' ? 100 : 0;
    const entry = {
      type: type as IndexType,
      path: path === '.' ? '' : path,
      offset,
      headerBytes,
      sizeBytes,
      link,
    };
    offset += headerBytes + (sizeBytes > 0 ? 512 : 0);
    return entry;
  });
}
