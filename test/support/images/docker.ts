/** Docker and OCI images, layer by layer, in memory. */

import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Digest, Platform } from '../../../src/types.js';
import type { PushableImage } from '../servers/registry.js';
import { buildTar, type TarEntry } from './tar.js';

/** A layer that is already encoded: the blob as it goes over the wire. */
export interface EncodedLayer {
  readonly blob: Uint8Array;
  /** Default: that of a gzip layer. */
  readonly mediaType?: string | undefined;
  /** Digest of the tar in it. Default: of the blob, which is right for an uncompressed one. */
  readonly diffId?: string | undefined;
}

/** Entries, the bytes of a tar, or an encoded blob. */
export type LayerInput = readonly TarEntry[] | Uint8Array | EncodedLayer;

export interface DockerImageOptions {
  /** Base first. */
  readonly layers: readonly LayerInput[];
  /** The `config` member of the image config: Cmd, Env, … */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
  /** Further members of the image config: author, created, history, … */
  readonly imageConfig?: Readonly<Record<string, unknown>> | undefined;
  /** Default `docker`. */
  readonly mediaTypes?: 'docker' | 'oci' | undefined;
  /** Default `gzip`. */
  readonly compress?: 'gzip' | 'none' | undefined;
  /** Default 6. */
  readonly gzipLevel?: number | undefined;
  /** Default `amd64`. */
  readonly architecture?: string | undefined;
  /** Default `linux`. */
  readonly os?: string | undefined;
  readonly variant?: string | undefined;
  /** Replaces members of the manifest, for malformed ones. */
  readonly manifest?: Readonly<Record<string, unknown>> | undefined;
}

export interface BuiltLayer {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  /** Digest of the uncompressed tar. */
  readonly diffId: Digest;
  readonly mediaType: string;
}

export interface DockerImage extends PushableImage {
  readonly manifest: Readonly<Record<string, unknown>>;
  readonly manifestBytes: Buffer;
  readonly manifestDigest: Digest;
  readonly mediaType: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly configBytes: Buffer;
  readonly configDigest: Digest;
  readonly layers: readonly BuiltLayer[];
  readonly platform: Platform;
}

export interface DockerIndex extends PushableImage {
  readonly manifest: Readonly<Record<string, unknown>>;
  readonly manifestBytes: Buffer;
  readonly manifestDigest: Digest;
  readonly images: readonly DockerImage[];
}

export interface IndexMember {
  readonly image: DockerImage;
  /** Default: that of the image. */
  readonly platform?: Platform | undefined;
}

const MEDIA_TYPES = {
  docker: {
    manifest: 'application/vnd.docker.distribution.manifest.v2+json',
    index: 'application/vnd.docker.distribution.manifest.list.v2+json',
    config: 'application/vnd.docker.container.image.v1+json',
    gzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
    none: 'application/vnd.docker.image.rootfs.diff.tar',
  },
  oci: {
    manifest: 'application/vnd.oci.image.manifest.v1+json',
    index: 'application/vnd.oci.image.index.v1+json',
    config: 'application/vnd.oci.image.config.v1+json',
    gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
    none: 'application/vnd.oci.image.layer.v1.tar',
  },
} as const;

/** Encodes layers, config and manifest. The same options give the same bytes. */
export function buildDockerImage(options: DockerImageOptions): DockerImage {
  const types = MEDIA_TYPES[options.mediaTypes ?? 'docker'];
  const layers = options.layers.map((layer) => encodeLayer(layer, options));
  const platform: Platform = {
    os: options.os ?? 'linux',
    architecture: options.architecture ?? 'amd64',
    ...(options.variant === undefined ? {} : { variant: options.variant }),
  };
  const config = {
    ...platform,
    config: options.config ?? {},
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    ...options.imageConfig,
  };
  const configBytes = toJson(config);
  const configDigest = sha256(configBytes);
  const manifest = {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: { mediaType: types.config, size: configBytes.length, digest: configDigest },
    layers: layers.map(({ mediaType, bytes, digest }) => ({ mediaType, size: bytes.length, digest })),
    ...options.manifest,
  };
  const manifestBytes = toJson(manifest);
  return {
    manifest,
    manifestBytes,
    manifestDigest: sha256(manifestBytes),
    mediaType: types.manifest,
    config,
    configBytes,
    configDigest,
    layers,
    platform,
    blobs: [{ digest: configDigest, bytes: configBytes }, ...layers],
  };
}

/** A manifest list or OCI index of the images. */
export function buildIndex(
  members: readonly IndexMember[],
  mediaTypes: 'docker' | 'oci' = 'docker',
): DockerIndex {
  const mediaType = MEDIA_TYPES[mediaTypes].index;
  const manifest = {
    schemaVersion: 2,
    mediaType,
    manifests: members.map(({ image, platform = image.platform }) => ({
      mediaType: image.mediaType,
      size: image.manifestBytes.length,
      digest: image.manifestDigest,
      platform,
    })),
  };
  const manifestBytes = toJson(manifest);
  return {
    manifest,
    manifestBytes,
    manifestDigest: sha256(manifestBytes),
    mediaType,
    images: members.map(({ image }) => image),
    blobs: [],
  };
}

function encodeLayer(layer: LayerInput, options: DockerImageOptions): BuiltLayer {
  const types = MEDIA_TYPES[options.mediaTypes ?? 'docker'];
  if ('blob' in layer) {
    const digest = sha256(layer.blob);
    const diffId = (layer.diffId ?? digest) as Digest;
    return { bytes: layer.blob, digest, diffId, mediaType: layer.mediaType ?? types.gzip };
  }
  const compress = options.compress ?? 'gzip';
  const tar = layer instanceof Uint8Array ? layer : buildTar(layer);
  const bytes = compress === 'gzip' ? gzipSync(tar, { level: options.gzipLevel ?? 6 }) : tar;
  return { bytes, digest: sha256(bytes), diffId: sha256(tar), mediaType: types[compress] };
}

/** The `sha256:` digest of bytes. */
export function sha256(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
}

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
