/** Image manifests and indexes of registries, read from untrusted bytes into plain data. */

import { FetchError } from '../errors.js';
import { isDigest } from '../reference/digest.js';
import type { Descriptor, Platform } from '../types.js';

export type Manifest = ImageManifest | ImageIndex;

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
  readonly manifests: readonly Descriptor[];
}

const DOCKER = 'application/vnd.docker.distribution.manifest';
const OCI = 'application/vnd.oci.image';

/** Docker image manifest version 2 schema 2, and the OCI image specification. */
const MANIFEST_KINDS: Readonly<Record<string, Manifest['kind']>> = {
  [`${OCI}.index.v1+json`]: 'index',
  [`${DOCKER}.list.v2+json`]: 'index',
  [`${OCI}.manifest.v1+json`]: 'image',
  [`${DOCKER}.v2+json`]: 'image',
};

/** What a request for a manifest sends as `Accept`. */
export const MANIFEST_ACCEPT = Object.keys(MANIFEST_KINDS).join(', ');

const SCHEMA1 = new Set([`${DOCKER}.v1+json`, `${DOCKER}.v1+prettyjws`]);

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
 * Reads a manifest or index. `mediaType` is the Content-Type of the answer, with or without parameters.
 *
 * Throws ERR_MANIFEST_INVALID, naming the field, for what is malformed or contradicts itself, and ERR_MEDIA_TYPE
 * for what is well-formed but no image of layers that can be had from the registry (schema 1, artifacts, foreign
 * layers).
 */
export function parseManifest(bytes: Uint8Array, mediaType?: string): Manifest {
  const body = parseJson(bytes);
  const type = manifestType(body, mediaType);
  if (MANIFEST_KINDS[type] === 'index') {
    const manifests = arrayOf(body, 'manifests', MAX_INDEX_ENTRIES).map((value, index) =>
      parseDescriptor(value, `manifests[${index}]`),
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

type Json = Readonly<Record<string, unknown>>;

function parseJson(bytes: Uint8Array): Json {
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new FetchError('ERR_MANIFEST_INVALID', 'the manifest is not JSON', { stage: 'resolve', cause });
  }
  if (!isObject(body)) throw invalid('the manifest', 'an object');
  return body;
}

/** One of the keys of {@link MANIFEST_KINDS}, agreed on by the header, the body's own claim and its fields. */
function manifestType(body: Json, header = ''): string {
  const announced = header.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const own = body['mediaType'];
  if (own !== undefined && typeof own !== 'string') throw invalid('mediaType', 'a string');
  if (SCHEMA1.has(announced) || body['schemaVersion'] === 1) {
    throw new FetchError('ERR_MEDIA_TYPE', 'image manifests of schema 1 are not supported', {
      stage: 'resolve',
      hint: 'push the image again with a current tool to get a newer manifest',
    });
  }
  const fromHeader = GENERIC.has(announced) ? undefined : announced;
  if (fromHeader !== undefined && own !== undefined && fromHeader !== own.toLowerCase()) {
    throw invalid('mediaType', `the announced ${fromHeader}`);
  }
  const type = fromHeader ?? own?.toLowerCase() ?? typeByFields(body);
  if (!Object.hasOwn(MANIFEST_KINDS, type)) throw unknownType('the manifest', type);
  if (body['schemaVersion'] !== 2) throw invalid('schemaVersion', '2');
  // A document that is both would mean different images to different readers (CVE-2021-41190).
  if (body['manifests'] !== undefined && (body['layers'] !== undefined || body['config'] !== undefined)) {
    throw invalid('manifests', 'absent where there are config or layers');
  }
  return type;
}

/** OCI documents need not name their type. */
function typeByFields(body: Json): string {
  return body['manifests'] === undefined ? `${OCI}.manifest.v1+json` : `${OCI}.index.v1+json`;
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

function arrayOf(body: Json, field: string, maxLength: number): readonly unknown[] {
  const value = body[field];
  if (!Array.isArray(value)) throw invalid(field, 'an array');
  if (value.length > maxLength) throw invalid(field, `an array of at most ${maxLength}`);
  return value;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Go writes absent objects as null in places. */
function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function invalid(field: string, wanted: string): FetchError {
  return new FetchError('ERR_MANIFEST_INVALID', `malformed manifest: ${field} is not ${wanted}`, {
    stage: 'resolve',
  });
}

function unknownType(field: string, mediaType: string): FetchError {
  const shown = JSON.stringify(mediaType.slice(0, 120));
  return new FetchError('ERR_MEDIA_TYPE', `${field} is of the kind ${shown}, which is not supported`, {
    stage: 'resolve',
  });
}
