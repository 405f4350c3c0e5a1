/** Descriptors, manifests and indexes made on the spot. */

import { createHash } from 'node:crypto';
import { parseDigest } from '../../../src/reference/digest.js';
import type { Descriptor, Digest } from '../../../src/types.js';

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
export const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
export const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json';
export const DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar.gzip';

export function sha256(content: string | Uint8Array): Digest {
  return parseDigest(`sha256:${createHash('sha256').update(content).digest('hex')}`);
}

export function descriptorOf(mediaType: string, content: string): Descriptor {
  return { mediaType, digest: sha256(content), sizeBytes: Buffer.byteLength(content) };
}

/** A descriptor as it stands in a document. */
export function wireOf({ mediaType, digest, sizeBytes }: Descriptor, more: object = {}): object {
  return { mediaType, digest, size: sizeBytes, ...more };
}

export const CONFIG = JSON.stringify({ architecture: 'amd64', os: 'linux' });
export const LAYER = 'the bytes of a layer';

/** The text of an OCI manifest with {@link CONFIG} and {@link LAYER}. */
export function manifestText(more: object = {}): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: wireOf(descriptorOf(OCI_CONFIG, CONFIG)),
    layers: [wireOf(descriptorOf(OCI_LAYER, LAYER))],
    ...more,
  });
}

/** The text of an OCI index of manifests, or of indexes, given as [`os/arch`, text] pairs. */
export function indexText(entries: readonly (readonly [string, string])[], mediaType = OCI_MANIFEST): string {
  const manifests = entries.map(([platform, text]) => {
    const [os, architecture] = platform.split('/');
    return wireOf(descriptorOf(mediaType, text), { platform: { os, architecture } });
  });
  return JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests });
}
