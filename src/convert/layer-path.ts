/** Reads the whiteouts among the names of a layer. */

import { FetchError } from '../errors.js';
import { type ByteString, displayPath } from '../tar/entry.js';
import { parentPath } from '../tar/path.js';

/** The folder of an ACI that holds the file system (appc spec, aci.md, "Image Layout"). */
export const ROOTFS = 'rootfs';

const WHITEOUT = '.wh.';
const AUFS_META = '.wh..wh.';
const OPAQUE = '.wh..wh..opq';

export type Whiteout =
  | { readonly kind: 'whiteout' | 'opaque'; readonly path: ByteString }
  | { readonly kind: 'ignored' };

/**
 * What a normalized path means as a whiteout; undefined for an ordinary entry (OCI image-spec, layer.md,
 * "Whiteouts"). Other names that aufs reserves are ignored, with all that is below them.
 * @throws FetchError ERR_UNSAFE_PATH for a whiteout of `.` or `..`, ERR_TAR_INVALID for one of nothing
 */
export function parseWhiteout(path: ByteString): Whiteout | undefined {
  if (!path.includes(WHITEOUT)) return undefined;
  const parent = parentPath(path);
  const base = path.slice(parent === '' ? 0 : parent.length + 1);
  if (base === OPAQUE) return { kind: 'opaque', path: parent };
  if (path.startsWith(AUFS_META) || path.includes(`/${AUFS_META}`)) return { kind: 'ignored' };
  if (!base.startsWith(WHITEOUT)) return undefined;
  const name = base.slice(WHITEOUT.length);
  if (name === '' || name === '.' || name === '..') {
    const code = name === '' ? 'ERR_TAR_INVALID' : 'ERR_UNSAFE_PATH';
    throw new FetchError(code, `whiteout ${JSON.stringify(displayPath(path))} names no entry`, {
      stage: 'convert',
    });
  }
  return { kind: 'whiteout', path: parent === '' ? name : `${parent}/${name}` };
}
