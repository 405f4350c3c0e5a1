/** Docker image manifests of version 2, schema 1: layers and image config out of what Docker 1.x kept of every step. */

import { isDigest } from '../reference/digest.js';
import type { Digest } from '../types.js';
import { arrayOf, invalid, isObject, type Json, parseJsonObject } from './manifest-json.js';

export interface Schema1Image {
  readonly kind: 'schema1';
  readonly mediaType: string;
  /** As Docker makes it when it pulls such an image, but without `rootfs`: nobody knows the digests in it. */
  readonly config: Buffer;
  /** Base layer first, without those that are empty. Their sizes are not known. */
  readonly layerDigests: readonly Digest[];
}

export const SCHEMA1_TYPE = 'application/vnd.docker.distribution.manifest.v1+json';
export const SCHEMA1_SIGNED_TYPE = 'application/vnd.docker.distribution.manifest.v1+prettyjws';

/** What its layers are, which it does not say. */
export const SCHEMA1_LAYER_TYPE = 'application/vnd.docker.image.rootfs.diff.tar.gzip';

const MAX_LAYERS = 1000;

/** The gzip of a tar without entries, which Docker pushed for every step that changed no file. */
const EMPTY_LAYER = 'sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4';

/** One step of the build, top first as the manifest has them. */
interface Step {
  readonly blobSum: Digest;
  readonly id: string;
  readonly parent: string;
  readonly image: Json;
}

/**
 * Reads the document that was signed. `name` and `tag` are where it was first pushed to, which a copy keeps, so they
 * are not compared with what was asked for (neither Docker nor skopeo does).
 *
 * Throws ERR_MANIFEST_INVALID, naming the field.
 */
export function parseSchema1(body: Json): Schema1Image {
  for (const field of ['config', 'layers', 'manifests']) {
    if (body[field] !== undefined) throw invalid(field, 'absent from a manifest of schema 1');
  }
  const steps = withoutRepetitions(readSteps(body));
  const [top] = steps;
  if (top === undefined) throw invalid('fsLayers', 'an array of at least one');
  const baseFirst = steps.toReversed();
  return {
    kind: 'schema1',
    mediaType: SCHEMA1_TYPE,
    config: configOf(top.image, body['architecture'], baseFirst),
    layerDigests: baseFirst.filter((step) => !isEmptyLayer(step)).map(({ blobSum }) => blobSum),
  };
}

function readSteps(body: Json): readonly Step[] {
  const layers = arrayOf(body, 'fsLayers', MAX_LAYERS);
  const history = arrayOf(body, 'history', MAX_LAYERS);
  if (history.length !== layers.length) throw invalid('history', `as long as fsLayers (${layers.length})`);
  return layers.map((layer, index) => {
    const blobSum = isObject(layer) ? layer['blobSum'] : undefined;
    if (typeof blobSum !== 'string' || !isDigest(blobSum)) {
      throw invalid(`fsLayers[${index}].blobSum`, 'a digest');
    }
    const field = `history[${index}].v1Compatibility`;
    const entry = history[index];
    const text = isObject(entry) ? entry['v1Compatibility'] : undefined;
    if (typeof text !== 'string') throw invalid(field, 'a string');
    const image = parseJsonObject(Buffer.from(text), field);
    const { id } = image;
    const parent = image['parent'] ?? '';
    if (typeof id !== 'string' || !/^[0-9a-f]{64}$/.test(id)) throw invalid(`${field}.id`, '64 hex digits');
    if (typeof parent !== 'string') throw invalid(`${field}.parent`, 'a string');
    return { blobSum, id, parent, image };
  });
}

/**
 * Each step once, in an unbroken line of parents: old versions of Docker repeated a step right above itself. As Docker
 * has it, the lowest of them stays, and an ID that comes back later is an error.
 */
function withoutRepetitions(steps: readonly Step[]): readonly Step[] {
  const kept = steps.filter(({ id }, index) => id !== steps[index + 1]?.id);
  const seen = new Set<string>();
  for (const [index, { id, parent }] of kept.entries()) {
    if (seen.has(id)) throw invalid(`history (${id})`, 'there once');
    seen.add(id);
    const below = kept[index + 1]?.id ?? '';
    if (parent === below) continue;
    throw invalid(`the parent of ${id} in history`, below === '' ? 'empty, as of a base' : below);
  }
  return kept;
}

/** What Docker says is empty it does not download either, whatever the blob. */
function isEmptyLayer({ image, blobSum }: Step): boolean {
  return image['throwaway'] === true || blobSum === EMPTY_LAYER;
}

const NOT_OF_CONFIG = new Set(['id', 'parent', 'parent_id', 'layer_id', 'throwaway', 'Size']);

/** The top step says how the image is run. Docker 0.x named neither os nor architecture: it had one of each. */
function configOf(top: Json, architecture: unknown, baseFirst: readonly Step[]): Buffer {
  const members = Object.entries(top).filter(([key]) => !NOT_OF_CONFIG.has(key));
  const history = baseFirst.map((step) => ({
    created: step.image['created'],
    created_by: commandOf(step.image['container_config']),
    author: step.image['author'],
    comment: step.image['comment'],
    empty_layer: isEmptyLayer(step),
  }));
  const config = {
    ...Object.fromEntries(members),
    os: top['os'] || 'linux',
    architecture: top['architecture'] || architecture || 'amd64',
    history,
    rootfs: undefined,
  };
  try {
    return Buffer.from(JSON.stringify(config));
  } catch (error) {
    // The parser of JSON takes any depth, the writer does not.
    if (error instanceof RangeError) throw invalid('history', 'of a reasonable depth');
    throw error;
  }
}

function commandOf(containerConfig: unknown): string | undefined {
  const command = isObject(containerConfig) ? containerConfig['Cmd'] : undefined;
  const isText = Array.isArray(command) && command.every((word) => typeof word === 'string');
  return isText ? command.join(' ') : undefined;
}
