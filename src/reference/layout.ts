/** Images on disk: `docker-archive:FILE[:REF]`, `oci:DIR[:REF]` and `oci-archive:FILE[:REF]`, as skopeo writes them. */

import { resolve } from 'node:path';
import type { LayoutReference } from '../types.js';
import { usageError } from './argument.js';

const ARGUMENT = /^(docker-archive|oci-archive|oci):/;

export function isLayoutArgument(image: string): boolean {
  return ARGUMENT.test(image);
}

/** The path ends at the first colon, as it does for skopeo; what REF names is for the layout to say. Throws ERR_USAGE. */
export function parseLayoutReference(image: string, cwd: string): LayoutReference {
  const [scheme = '', transport = ''] = ARGUMENT.exec(image) ?? [];
  const rest = image.slice(scheme.length);
  const colon = rest.indexOf(':');
  const path = colon === -1 ? rest : rest.slice(0, colon);
  const ref = colon === -1 ? undefined : rest.slice(colon + 1);
  if (path === '') {
    throw usageError(
      image,
      'names no path',
      `as in ${transport}:./${transport === 'oci' ? 'dir' : 'file.tar'}:1.0`,
    );
  }
  if (ref === '') throw usageError(image, 'has a colon that no reference follows');
  return {
    kind: 'layout',
    image,
    transport: transport as LayoutReference['transport'],
    path: resolve(cwd, path),
    ...(ref !== undefined && { ref }),
  };
}
