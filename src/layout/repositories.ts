/** Archives of `docker save` before Docker 1.10: a file `repositories`, and a folder for each step of a build. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { entriesOf, readJson, textOf } from '../aci/json-fields.js';
import { FetchError, storageError, throwIfAborted } from '../errors.js';
import { digestOf } from '../registry/content.js';
import { MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES } from '../registry/resolve.js';
import { parseSchema1, SCHEMA1_LAYER_TYPE } from '../registry/schema1.js';
import type { Descriptor, Digest, FileRange } from '../types.js';
import { readRange } from './files.js';
import { isSameName, namingOf } from './naming.js';
import { type LayoutImage, type LayoutSource, locateIn, noSuchImage, type OpenedLayout } from './source.js';

export const REPOSITORIES = 'repositories';
const MAX_STEPS = 1000;
/** Of all steps of an image together; as JSON they would be one manifest. */
const MAX_STEPS_BYTES = MAX_CONFIG_BYTES;

interface NamedStep {
  readonly name: string;
  /** ID of the top step. */
  readonly id: string;
}

/**
 * Such an archive has no digests at all: layers are named by those that they turn out to have. The steps say what
 * those of a schema 1 manifest say, and are read as such.
 */
export function repositoriesArchive(layout: OpenedLayout): LayoutSource {
  const { image, path } = layout;
  const located = new Map<Digest, FileRange>();
  /** By where they lie: steps may be links to one file. */
  const digests = new Map<string, Promise<Digest>>();

  function layerDigest(range: FileRange, signal: AbortSignal): Promise<Digest> {
    const place = JSON.stringify([range.path, range.offset, range.sizeBytes]);
    const known = digests.get(place) ?? digestOfRange(range, signal);
    digests.set(place, known);
    return known;
  }

  async function readStep(
    id: string,
    maxBytes: number,
  ): Promise<{ readonly json: Buffer; readonly parent: string | undefined }> {
    const what = `${image}: ${id}/json`;
    const json = await readRange(await locateIn(layout, `${id}/json`), maxBytes, what);
    const parent = entriesOf(readJson(json, problemOf(`${id}/json`))).find(([key]) => key === 'parent')?.[1];
    return { json, parent: parent === undefined ? undefined : textOf(parent) || undefined };
  }

  async function resolve(_: unknown, signal: AbortSignal): Promise<LayoutImage> {
    const file = await locateIn(layout, REPOSITORIES);
    const bytes = await readRange(file, MAX_MANIFEST_BYTES, `${image}: ${REPOSITORIES}`);
    const chosen = chooseStep(parseRepositories(bytes), layout);
    const fsLayers: object[] = [];
    const history: object[] = [];
    const seen = new Set<string>();
    let leftBytes = MAX_STEPS_BYTES;
    for (let id: string | undefined = chosen.id; id !== undefined; ) {
      if (fsLayers.length === MAX_STEPS)
        throw problemOf(REPOSITORIES)('', `has more than ${MAX_STEPS} steps`);
      if (!isStepId(id)) throw problemOf(REPOSITORIES)('', 'names a step that is not 64 hex digits');
      if (seen.has(id)) throw problemOf(REPOSITORIES)('', 'leads to steps in a circle');
      seen.add(id);
      const { json, parent } = await readStep(id, leftBytes);
      leftBytes -= json.length;
      const range = await locateIn(layout, `${id}/layer.tar`);
      const digest = await layerDigest(range, signal);
      located.set(digest, range);
      fsLayers.push({ blobSum: digest });
      history.push({ v1Compatibility: json.toString() });
      id = parent;
    }
    const { config, layerDigests } = parseSchema1({ schemaVersion: 1, fsLayers, history });
    const layers = layerDigests.map((digest): Descriptor => {
      const { sizeBytes } = located.get(digest) as FileRange;
      return { mediaType: SCHEMA1_LAYER_TYPE, digest, sizeBytes };
    });
    const digest = digestOf(Buffer.from(JSON.stringify([fsLayers, history])));
    const naming = namingOf(chosen.name, path);
    return { digest, rootDigest: digest, config: { bytes: config }, hasDiffIds: false, layers, naming };
  }

  return {
    resolve,
    fileOf: ({ digest }) => located.get(digest) as FileRange,
    digestOf: 'blob',
  };
}

/** `{"busybox":{"latest":"ID"}}`. Throws ERR_MANIFEST_INVALID. */
export function parseRepositories(bytes: Uint8Array): readonly NamedStep[] {
  return entriesOf(readJson(bytes, problemOf(REPOSITORIES))).flatMap(([repository, tags]) =>
    entriesOf(tags).map(([tag, id]) => ({ name: `${repository}:${tag}`, id: textOf(id) })),
  );
}

/** Pure: the name that `ref` means; without one the image must be the only one. Throws ERR_NOT_FOUND, ERR_USAGE. */
export function chooseStep(named: readonly NamedStep[], layout: OpenedLayout): NamedStep {
  const { ref } = layout;
  const meant = ref === undefined ? named : named.filter(({ name }) => isSameName(name, ref));
  const [first] = meant;
  const isOne = new Set(meant.map(({ id }) => id)).size === 1;
  if (first === undefined || !isOne) {
    throw noSuchImage(
      layout,
      named.map(({ name }) => name),
    );
  }
  return first;
}

function isStepId(id: string): boolean {
  return /^[0-9a-f]{64}$/.test(id);
}

async function digestOfRange({ path, offset, sizeBytes }: FileRange, signal: AbortSignal): Promise<Digest> {
  const hash = createHash('sha256');
  if (sizeBytes === 0) return `sha256:${hash.digest('hex')}` as Digest;
  const end = offset + sizeBytes - 1;
  try {
    for await (const chunk of createReadStream(path, {
      start: offset,
      end,
      highWaterMark: 1024 * 1024,
      signal,
    }))
      hash.update(chunk as Buffer);
  } catch (error) {
    throwIfAborted(signal);
    throw storageError(error, `cannot read ${path}`, 'resolve');
  }
  return `sha256:${hash.digest('hex')}` as Digest;
}

function problemOf(file: string) {
  return (path: string, problem: string, cause?: unknown): FetchError => {
    const subject = path === '' ? file : `${file}: ${path}`;
    return new FetchError('ERR_MANIFEST_INVALID', `${subject} ${problem}`, { stage: 'resolve', cause });
  };
}
