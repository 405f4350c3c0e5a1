/** Image manifests and indexes of registries, read from untrusted bytes into plain data. */

import { FetchError } from '../errors.js';
import { isDigest } from '../reference/digest.js';
import type { Descriptor, Platform } from '../types.js';
import {
  arrayOf,
  invalid,
  isObject,
  isPresent,
  type Json,
  parseJsonObject,
  unknownType,
} from './manifest-json.js';
import { parseSchema1, SCHEMA1_SIGNED_TYPE, SCHEMA1_TYPE, type Schema1Image } from './schema1.js';

export type Manifest = ImageManifest | ImageIndex | Schema1Image;

export interface ImageManifest {
  readonly kind: 'image';
  readonly mediaType: string;
  readonly config: Descriptor;
  /** Base layer first. */
  readonly layers: readonly Descriptor[];
}

export interface ImageIndex {
  readonly kind: 'index';
  readonly mediaType: string;
  /** Without artifacts and entries of unknown kinds. */
  readonly manifests: readonly Descriptor[];
}

const DOCKER = 'application/vnd.docker.distribution.manifest';
const OCI = 'application/vnd.oci.image';

/**
 * Docker image manifest version 2 schema 2, and the OCI image specification; then what very old registries have, last
 * so that those which convert on demand send something newer.
 */
const MANIFEST_KINDS: Readonly<Record<string, Manifest['kind']>> = {
  [`${OCI}.index.v1+json`]: 'index',
  [`${DOCKER}.list.v2+json`]: 'index',
  [`${OCI}.manifest.v1+json`]: 'image',
  [`${DOCKER}.v2+json`]: 'image',
  [SCHEMA1_SIGNED_TYPE]: 'schema1',
  [SCHEMA1_TYPE]: 'schema1',
};

/** What a request for a manifest sends as `Accept`. */
export const MANIFEST_ACCEPT = Object.keys(MANIFEST_KINDS).join(', ');

/** What servers that do not know manifests call any file. */
const GENERIC = new Set([
  '',
  'application/json',
  'application/octet-stream',
  'text/plain',
  'binary/octet-stream',
]);

/** The last is what very old Docker clients pushed. */
const CONFIG_TYPES = new Set([
  'application/vnd.docker.container.image.v1+json',
  `${OCI}.config.v1+json`,
  'application/octet-stream',
]);

/** How they are compressed is decided by their first bytes, not by this. */
const LAYER_TYPES = new Set([
  'application/vnd.docker.image.rootfs.diff.tar.gzip',
  'application/vnd.docker.image.rootfs.diff.tar',
  `${OCI}.layer.v1.tar`,
  `${OCI}.layer.v1.tar+gzip`,
  `${OCI}.layer.v1.tar+zstd`,
]);

const MAX_LAYERS = 1000;
const MAX_INDEX_ENTRIES = 10_000;

/**
 * Reads a manifest or index; of a signed one, what was signed (`signedContent`). `mediaType` is the Content-Type of the
 * answer, with or without parameters.
 *
 * Throws ERR_MANIFEST_INVALID, naming the field, for what is malformed or contradicts itself, and ERR_MEDIA_TYPE
 * for what is well-formed but no image of layers that can be had from the registry (artifacts, foreign layers).
 */
export function parseManifest(bytes: Uint8Array, mediaType?: string): Manifest {
  const body = parseJsonObject(bytes);
  const type = manifestType(body, mediaType);
  if (MANIFEST_KINDS[type] === 'schema1') return parseSchema1(body);
  if (MANIFEST_KINDS[type] === 'index') {
    const manifests = arrayOf(body, 'manifests', MAX_INDEX_ENTRIES).flatMap((value, index) =>
      isOtherKind(value) ? [] : [parseDescriptor(value, `manifests[${index}]`)],
    );
    return { kind: 'index', mediaType: type, manifests };
  }
  const config = parseDescriptor(body['config'], 'config');
  if (!CONFIG_TYPES.has(config.mediaType)) throw unknownType('config', config.mediaType);
  const layers = arrayOf(body, 'layers', MAX_LAYERS).map((value, index) =>
    parseLayer(value, `layers[${index}]`),
  );
  return { kind: 'image', mediaType: type, config, layers };
}

/** One of the keys of {@link MANIFEST_KINDS}, agreed on by the header, the body's own claim and its fields. */
function manifestType(body: Json, header = ''): string {
  const announced = unsignedType(header.split(';', 1)[0]?.trim() ?? '');
  const { mediaType } = body;
  if (mediaType !== undefined && typeof mediaType !== 'string') throw invalid('mediaType', 'a string');
  const own = mediaType === undefined ? undefined : unsignedType(mediaType);
  const fromHeader = GENERIC.has(announced) ? undefined : announced;
  if (fromHeader !== undefined && own !== undefined && fromHeader !== own) {
    throw invalid('mediaType', `the announced ${fromHeader}`);
  }
  const type = fromHeader ?? own ?? typeByFields(body);
  if (!Object.hasOwn(MANIFEST_KINDS, type)) throw unknownType('the manifest', type);
  const version = MANIFEST_KINDS[type] === 'schema1' ? 1 : 2;
  if (body['schemaVersion'] !== version) throw invalid('schemaVersion', String(version));
  // A document that is both would mean different images to different readers (CVE-2021-41190).
  if (body['manifests'] !== undefined && (body['layers'] !== undefined || body['config'] !== undefined)) {
    throw invalid('manifests', 'absent where there are config or layers');
  }
  return type;
}

/** In lower case; signatures, which are off by now, make no other type. */
function unsignedType(mediaType: string): string {
  const type = mediaType.toLowerCase();
  return type === SCHEMA1_SIGNED_TYPE ? SCHEMA1_TYPE : type;
}

/** OCI documents need not name their type, and those of schema 1 do not. */
function typeByFields(body: Json): string {
  if (body['schemaVersion'] === 1) return SCHEMA1_TYPE;
  return body['manifests'] === undefined ? `${OCI}.manifest.v1+json` : `${OCI}.index.v1+json`;
}

/**
 * Whether an entry of an index is for an artifact (a signature, a bill of materials) or of a kind that is not known
 * here: the OCI image specification (image-index.md) asks readers to pass over those.
 */
function isOtherKind(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { mediaType, artifactType } = value;
  const isUnknown = (text: unknown, known: (text: string) => boolean) =>
    typeof text === 'string' && text !== '' && !known(text);
  return (
    isUnknown(mediaType, (text) => Object.hasOwn(MANIFEST_KINDS, text.toLowerCase())) ||
    isUnknown(artifactType, (text) => CONFIG_TYPES.has(text))
  );
}

function parseLayer(value: unknown, field: string): Descriptor {
  const layer = parseDescriptor(value, field);
  const urls = isObject(value) ? value['urls'] : undefined;
  const isForeign = /\.foreign\.|nondistributable/.test(layer.mediaType);
  if (isForeign || (urls !== undefined && urls !== null && !(Array.isArray(urls) && urls.length === 0))) {
    throw new FetchError('ERR_MEDIA_TYPE', `${field} is not kept in the registry (a foreign layer)`, {
      stage: 'resolve',
    });
  }
  if (!LAYER_TYPES.has(layer.mediaType)) throw unknownType(field, layer.mediaType);
  return layer;
}

/** OCI image specification, descriptor.md. */
function parseDescriptor(value: unknown, field: string): Descriptor {
  if (!isObject(value)) throw invalid(field, 'an object');
  const { mediaType, digest, size, platform, annotations } = value;
  if (typeof mediaType !== 'string' || mediaType === '') throw invalid(`${field}.mediaType`, 'a string');
  if (typeof digest !== 'string' || !isDigest(digest)) throw invalid(`${field}.digest`, 'a digest');
  if (!Number.isSafeInteger(size) || Number(size) < 0) throw invalid(`${field}.size`, 'a size in bytes');
  return {
    mediaType,
    digest,
    sizeBytes: Number(size),
    ...(isPresent(platform) && { platform: parsePlatform(platform, `${field}.platform`) }),
    ...(isPresent(annotations) && { annotations: parseAnnotations(annotations, `${field}.annotations`) }),
  };
}

function parsePlatform(value: unknown, field: string): Platform {
  if (!isObject(value)) throw invalid(field, 'an object');
  const { os, architecture, variant } = value;
  if (typeof os !== 'string') throw invalid(`${field}.os`, 'a string');
  if (typeof architecture !== 'string') throw invalid(`${field}.architecture`, 'a string');
  if (isPresent(variant) && typeof variant !== 'string') throw invalid(`${field}.variant`, 'a string');
  return typeof variant === 'string' && variant !== '' ? { os, architecture, variant } : { os, architecture };
}

function parseAnnotations(value: unknown, field: string): Readonly<Record<string, string>> {
  if (!isObject(value)) throw invalid(field, 'an object');
  const entries = Object.entries(value).map(([key, text]): [string, string] => {
    if (typeof text !== 'string') throw invalid(field, 'an object of strings');
    return [key, text];
  });
  return Object.fromEntries(entries);
}
