/** What an image on disk is called: by the name that its layout has for it, else by its file. */

import { basename } from 'node:path';
import { isFetchError } from '../errors.js';
import { parseDockerReference } from '../reference/docker.js';
import type { ImageNaming } from '../types.js';

const ARCHIVE_ENDING = /(?:\.tar)?(?:\.(?:gz|tgz|xz|zst|bz2|oci|docker))?$/i;

/**
 * | name in the layout       | registry             | repository              | tag    |
 * |--------------------------|----------------------|-------------------------|--------|
 * | quay.io/team/app:1.0     | quay.io              | team/app                | 1.0    |
 * | busybox:1.36             | registry-1.docker.io | library/busybox         | 1.36   |
 * | 1.0                      |                      | the file without `.tar` | 1.0    |
 * | (none)                   |                      | the file without `.tar` |        |
 */
export function namingOf(name: string | undefined, path: string): ImageNaming {
  const full = name === undefined ? undefined : fullName(name);
  if (full !== undefined) return full;
  const file = basename(path);
  const repository = file.replace(ARCHIVE_ENDING, '') || file;
  if (name === undefined) return { originalName: file, repository };
  return { originalName: `${file}:${name}`, repository, tag: name };
}

/** A tag alone could be a repository of Docker Hub too; only what has a slash or a colon is taken for one. */
function fullName(name: string): ImageNaming | undefined {
  if (!/[/:]/.test(name)) return undefined;
  try {
    const { originalName, registry, repository, tag, digest } = parseDockerReference(`docker://${name}`);
    return { originalName, registry, repository, tag, digest };
  } catch (error) {
    if (isFetchError(error)) return undefined;
    throw error;
  }
}

/** The name that both mean, so that `busybox` finds what is called `docker.io/library/busybox:latest`. */
export function isSameName(a: string, b: string): boolean {
  if (a === b) return true;
  const [one, other] = [a, b].map((name) => fullName(name.includes(':') ? name : `${name}:latest`));
  if (one === undefined || other === undefined) return false;
  return one.registry === other.registry && one.repository === other.repository && one.tag === other.tag;
}
