/** Converts a layer, entry by entry while it streams in, into the form in which it enters an ACI. */

import { encodeHeader } from '../tar/encode.js';
import { type EntryType, paddedBytes, type TarEntry } from '../tar/entry.js';
import { createTarParser, type TarParser } from '../tar/parser.js';
import { normalizePath } from '../tar/path.js';
import type { IndexEntry, IndexType } from './layer-index.js';
import { parseWhiteout, ROOTFS } from './layer-path.js';

export interface LayerOutput {
  /** The next bytes of the converted layer; a view that is only good during the call. */
  write(bytes: Buffer): void;
  /** The next bytes are zeros. */
  hole(sizeBytes: number): void;
  /** An entry whose headers were just written; its content follows. */
  index(entry: IndexEntry): void;
}

const INDEX_TYPES: Readonly<Record<EntryType, IndexType>> = {
  file: 'f',
  hardlink: 'h',
  symlink: 'l',
  char: 'c',
  block: 'b',
  directory: 'd',
  fifo: 'p',
};

/**
 * Push the inflated layer in; headers come out canonical and below `rootfs/`, whiteouts only in the index.
 * @throws (from push and end) FetchError ERR_TAR_INVALID, ERR_UNSAFE_PATH, ERR_LIMIT
 */
export function createLayerConverter(output: LayerOutput): TarParser {
  let offset = 0;
  let padding = 0;
  let skipContent = false;

  function write(bytes: Buffer): void {
    output.write(bytes);
    offset += bytes.length;
  }

  function entry(source: TarEntry): void {
    const path = normalizePath(source.path);
    const whiteout = parseWhiteout(path);
    skipContent = whiteout !== undefined;
    padding = 0;
    if (whiteout !== undefined) {
      if (whiteout.kind === 'ignored') return;
      const type = whiteout.kind === 'opaque' ? 'o' : 'w';
      output.index({ type, path: whiteout.path, offset, headerBytes: 0, sizeBytes: 0 });
      return;
    }
    const isHardLink = source.type === 'hardlink';
    const linkPath = isHardLink ? normalizePath(source.linkPath) : source.linkPath;
    const header = encodeHeader({
      ...source,
      path: inRootfs(path),
      linkPath: isHardLink ? inRootfs(linkPath) : linkPath,
    });
    const { sizeBytes } = source;
    const link = linkPath === '' ? undefined : linkPath;
    output.index({
      type: INDEX_TYPES[source.type],
      path,
      offset,
      headerBytes: header.length,
      sizeBytes,
      link,
    });
    padding = paddedBytes(sizeBytes) - sizeBytes;
    write(header);
  }

  return createTarParser({
    entry,
    data(chunk) {
      if (!skipContent) write(chunk);
    },
    hole(sizeBytes) {
      if (skipContent) return;
      output.hole(sizeBytes);
      offset += sizeBytes;
    },
    entryEnd() {
      if (padding > 0) write(ZEROS.subarray(0, padding));
    },
  });
}

const ZEROS = Buffer.alloc(512);

/** The name that a path of the image has in the ACI. */
export function inRootfs(path: string): string {
  return path === '' ? ROOTFS : `${ROOTFS}/${path}`;
}
