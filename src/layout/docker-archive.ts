/** Images as `docker save` writes them: `manifest.json`, configs, and layers that only their configs' digests name. */

import { fieldAt, itemsOf, type JsonField, readJson, textOf, textsOf } from '../aci/json-fields.js';
import { readDockerConfigFacts } from '../convert/docker-config.js';
import { FetchError, throwIfAborted } from '../errors.js';
import { isDigest } from '../reference/digest.js';
import { checkDigest, digestOf } from '../registry/content.js';
import { selectPlatform } from '../registry/platform.js';
import { MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES } from '../registry/resolve.js';
import type { Descriptor, Digest, FileRange, Platform } from '../types.js';
import { readRange } from './files.js';
import { isSameName, namingOf } from './naming.js';
import {
  type LayoutImage,
  type LayoutSource,
  locateIn,
  noSuchImage,
  type OpenedLayout,
  placeOf,
} from './source.js';

export const MANIFEST = 'manifest.json';
const MAX_IMAGES = 10_000;
const MAX_LAYERS = 1000;

/** An element of `manifest.json`. */
export interface SavedImage {
  /** Path of the config in the archive. */
  readonly config: string;
  readonly names: readonly string[];
  /** Paths of the layers, base first. */
  readonly layers: readonly string[];
}

/**
 * The config is checked where its path is a digest (`HEX.json`, `blobs/sha256/HEX`), and every layer against the
 * `diff_id` that the config has for it.
 */
export function dockerArchive(layout: OpenedLayout): LayoutSource {
  const { image, path } = layout;
  const locate = (name: string): Promise<FileRange> => locateIn(layout, name);
  const located = new Map<Digest, FileRange>();

  async function readConfig({ config }: Pick<SavedImage, 'config'>): Promise<Buffer> {
    const what = `${image}: the config ${JSON.stringify(config)}`;
    const bytes = await readRange(await locate(config), MAX_CONFIG_BYTES, what);
    const named = digestInPath(config);
    if (named !== undefined) checkDigest(bytes, named, what);
    return bytes;
  }

  /** One of those that were meant: the only one, or the one for the platform. */
  async function choose(images: readonly SavedImage[], platform: Platform, signal: AbortSignal) {
    const [first, ...others] = images;
    if (first === undefined) throw noSuchImage(layout, []);
    if (others.length === 0) return { saved: first, config: await readConfig(first) };
    const candidates = new Map<string, Descriptor>();
    for (const { config } of images) {
      throwIfAborted(signal);
      if (candidates.has(config)) continue;
      // One at a time, and nothing of it is kept: there may be thousands.
      const bytes = await readConfig({ config });
      const { platform: own } = readDockerConfigFacts(bytes);
      candidates.set(config, {
        mediaType: '',
        digest: digestOf(bytes),
        sizeBytes: bytes.length,
        platform: own,
      });
    }
    const chosen = selectPlatform([...candidates.values()], platform);
    const saved = images.find(({ config }) => candidates.get(config) === chosen) as SavedImage;
    return { saved, config: await readConfig(saved) };
  }

  async function resolve(platform: Platform, signal: AbortSignal): Promise<LayoutImage> {
    const manifest = await readRange(await locate(MANIFEST), MAX_MANIFEST_BYTES, `${image}: ${MANIFEST}`);
    const meant = chooseSaved(parseSavedImages(manifest), layout);
    const { saved, config } = await choose(meant.images, platform, signal);
    const { diffIds } = readDockerConfigFacts(config);
    const layers = await Promise.all(
      saved.layers.map(async (name, place): Promise<Descriptor> => {
        const file = await locate(name);
        const digest = diffIds[place];
        // Without one the counts differ, which is reported with the manifest.
        if (digest !== undefined) located.set(digest, file);
        return { mediaType: '', digest: digest ?? digestOf(Buffer.alloc(0)), sizeBytes: file.sizeBytes };
      }),
    );
    const digest = digestOf(config);
    const naming = namingOf(meant.name ?? saved.names[0], path);
    return { digest, rootDigest: digest, config: { bytes: config }, hasDiffIds: true, layers, naming };
  }

  return {
    resolve,
    fileOf: ({ digest }) => located.get(digest) as FileRange,
    digestOf: 'content',
  };
}

/** Pure: the images that `ref` means, with the name among theirs that it means. Throws ERR_NOT_FOUND, ERR_USAGE. */
export function chooseSaved(
  images: readonly SavedImage[],
  layout: OpenedLayout,
): { readonly images: readonly SavedImage[]; readonly name?: string | undefined } {
  const { ref } = layout;
  const all = [
    ...new Set(images.flatMap(({ names }, place) => (names.length === 0 ? [`@${place}`] : names))),
  ];
  const place = placeOf(ref);
  if (place !== undefined) {
    const image = images[place];
    if (image === undefined) throw noSuchImage(layout, all);
    return { images: [image] };
  }
  if (ref === undefined) {
    // One image for several platforms has the same names again.
    const isOne = new Set(images.map(({ names }) => names.join(' '))).size === 1;
    if (!isOne) throw noSuchImage(layout, all);
    return { images };
  }
  const meant = images.filter(({ names }) => names.some((name) => isSameName(name, ref)));
  if (meant.length === 0) throw noSuchImage(layout, all);
  return { images: meant, name: meant[0]?.names.find((name) => isSameName(name, ref)) };
}

/** Throws ERR_MANIFEST_INVALID. */
export function parseSavedImages(bytes: Uint8Array): readonly SavedImage[] {
  const items = itemsOf(readJson(bytes, manifestError));
  if (items.length > MAX_IMAGES) throw manifestError('', `lists more than ${MAX_IMAGES} images`);
  return items.map((item) => {
    const layers = pathsOf(fieldAt(item, 'Layers'));
    if (layers.length > MAX_LAYERS)
      throw manifestError(`${item.path}.Layers`, `has more than ${MAX_LAYERS} layers`);
    const [config = ''] = pathsOf({ ...fieldAt(item, 'Config'), value: [textOf(fieldAt(item, 'Config'))] });
    return { config, names: textsOf(fieldAt(item, 'RepoTags')), layers };
  });
}

/** Paths in the archive, as its members are named. */
function pathsOf(list: JsonField): readonly string[] {
  return textsOf(list).map((path) => path.replace(/^(?:\.?\/)+/, ''));
}

function digestInPath(path: string): Digest | undefined {
  const hex = /^(?:blobs\/sha256\/)?([0-9a-f]{64})(?:\.json)?$/.exec(path)?.[1];
  const digest = `sha256:${hex}`;
  return isDigest(digest) ? digest : undefined;
}

function manifestError(path: string, problem: string, cause?: unknown): FetchError {
  const subject = path === '' ? MANIFEST : `${MANIFEST}: ${path}`;
  return new FetchError('ERR_MANIFEST_INVALID', `${subject} ${problem}`, { stage: 'resolve', cause });
}
