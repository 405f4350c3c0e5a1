/** `docker://` references: the grammar of distribution's reference package, with the defaults of Docker. */

import { isIPv6 } from 'node:net';
import type { Digest, DockerReference } from '../types.js';
import { usageError } from './argument.js';
import { isDigest } from './digest.js';

const SCHEME = 'docker://';

/** The API host of Docker Hub. */
export const HUB_REGISTRY = 'registry-1.docker.io';
export const HUB_NAMES: ReadonlySet<string> = new Set(['docker.io', 'index.docker.io', HUB_REGISTRY]);

const LABEL = /[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?/.source;
const HOST = new RegExp(`^(${LABEL}(?:\\.${LABEL})*|\\[[0-9a-fA-F:.]+\\])(?::(\\d{1,5}))?$`);
const PATH_COMPONENT = /[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*/.source;
const REPOSITORY = new RegExp(`^${PATH_COMPONENT}(?:/${PATH_COMPONENT})*$`);
const TAG = /^\w[\w.-]{0,127}$/;
/** Of host and repository together, as in distribution. */
const MAX_NAME_LENGTH = 255;

/**
 * `docker://[HOST[:PORT]/]REPO[:TAG][@DIGEST]`. The first component is a host if it has a `.` or a `:` or is
 * `localhost`; otherwise the image is one of Docker Hub. A digest wins over a tag: the tag is then dropped, as
 * rkt does it. Throws ERR_USAGE.
 */
export function parseDockerReference(image: string): DockerReference {
  const originalName = image.slice(SCHEME.length);
  const { name, tag, digest } = splitName(image, originalName);
  const { registry, repository } = splitRegistry(image, name);
  const base = { kind: 'docker', image, originalName, registry, repository } as const;
  return digest === undefined ? { ...base, tag: tag ?? 'latest' } : { ...base, digest };
}

function splitName(image: string, text: string): { name: string; tag?: string; digest?: Digest } {
  const at = text.indexOf('@');
  const digest = at === -1 ? undefined : text.slice(at + 1);
  const tagged = at === -1 ? text : text.slice(0, at);
  if (digest !== undefined && !isDigest(digest)) {
    throw usageError(
      image,
      'has an "@" that no digest follows',
      'a digest is sha256: and 64 hex digits; names and passwords do not go into an image name',
    );
  }
  // A colon before the last slash belongs to the port of the host.
  const colon = tagged.indexOf(':', tagged.lastIndexOf('/') + 1);
  const tag = colon === -1 ? undefined : tagged.slice(colon + 1);
  if (tag !== undefined && !TAG.test(tag)) {
    throw usageError(image, 'has a tag that is empty or not made of letters, digits and "_.-"');
  }
  return {
    name: colon === -1 ? tagged : tagged.slice(0, colon),
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
  };
}

function splitRegistry(image: string, name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/');
  const first = slash === -1 ? '' : name.slice(0, slash);
  const hasHost = /[.:]/.test(first) || first === 'localhost';
  const registry = hasHost ? first.toLowerCase() : HUB_REGISTRY;
  const path = hasHost ? name.slice(slash + 1) : name;
  if (hasHost && !isHost(first)) throw usageError(image, 'has a registry that is not HOST or HOST:PORT');
  if (!REPOSITORY.test(path)) {
    const hint = /[A-Z]/.test(path) ? 'the name of a repository is in lower case' : undefined;
    throw usageError(image, 'has no valid repository name', hint);
  }
  if (name.length > MAX_NAME_LENGTH) throw usageError(image, `is longer than ${MAX_NAME_LENGTH} characters`);
  if (!HUB_NAMES.has(registry)) return { registry, repository: path };
  return { registry: HUB_REGISTRY, repository: path.includes('/') ? path : `library/${path}` };
}

function isHost(text: string): boolean {
  const [, host = '', port] = HOST.exec(text) ?? [];
  if (host === '' || (host.startsWith('[') && !isIPv6(host.slice(1, -1)))) return false;
  return port === undefined || (Number(port) >= 1 && Number(port) <= 65_535);
}
