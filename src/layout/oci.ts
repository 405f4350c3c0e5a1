/** Images of an OCI layout (OCI image specification, image-layout.md), in a folder or an archive. */

import { FetchError } from '../errors.js';
import { isDigest } from '../reference/digest.js';
import { checkDigest } from '../registry/content.js';
import { parseManifest } from '../registry/manifest.js';
import { selectPlatform } from '../registry/platform.js';
import { chooseImage, MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES } from '../registry/resolve.js';
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

const INDEX = 'index.json';

/** The annotations of an entry of `index.json` that name it, the fullest name first. */
const NAME_ANNOTATIONS = ['io.containerd.image.name', 'org.opencontainers.image.ref.name'] as const;

/** Every document and blob is checked against the descriptor that names it; `index.json` is taken as it is. */
export function ociLayout(layout: OpenedLayout): LayoutSource {
  const { image, path } = layout;
  const located = new Map<Digest, FileRange>();

  /** Where a blob lies, its size checked. */
  async function locate({ digest, sizeBytes }: Descriptor): Promise<FileRange> {
    const file = await locateIn(layout, `blobs/${digest.replace(':', '/')}`);
    if (file.sizeBytes !== sizeBytes) {
      const message = `${image}: blob ${digest} has ${file.sizeBytes} bytes, not ${sizeBytes}`;
      throw new FetchError('ERR_SIZE_MISMATCH', message, { stage: 'verify' });
    }
    return file;
  }

  async function readBlob(descriptor: Descriptor, maxBytes: number): Promise<Buffer> {
    const what = `${image}: blob ${descriptor.digest}`;
    const bytes = await readRange(await locate(descriptor), maxBytes, what);
    checkDigest(bytes, descriptor.digest, what);
    return bytes;
  }

  async function readIndex(): Promise<readonly Descriptor[]> {
    const bytes = await readRange(await locateIn(layout, INDEX), MAX_MANIFEST_BYTES, `${image}: ${INDEX}`);
    const index = parseManifest(bytes);
    if (index.kind === 'index') return index.manifests;
    throw new FetchError('ERR_MANIFEST_INVALID', `${image}: ${INDEX} is not an index`, { stage: 'resolve' });
  }

  async function resolve(platform: Platform): Promise<LayoutImage> {
    const entry = chooseEntry(await readIndex(), layout, platform);
    const read = async (descriptor: Descriptor) => ({
      bytes: await readBlob(descriptor, MAX_MANIFEST_BYTES),
      mediaType: descriptor.mediaType,
    });
    const { digest, manifest } = await chooseImage(await read(entry), { platform, name: image }, read);
    if (manifest.kind === 'schema1') {
      throw new FetchError('ERR_MEDIA_TYPE', `${image}: a manifest of schema 1 in an OCI layout`, {
        stage: 'resolve',
      });
    }
    for (const layer of manifest.layers) located.set(layer.digest, await locate(layer));
    return {
      digest,
      rootDigest: entry.digest,
      config: { bytes: await readBlob(manifest.config, MAX_CONFIG_BYTES) },
      hasDiffIds: true,
      layers: manifest.layers,
      naming: namingOf(nameOf(entry), path),
    };
  }

  return {
    resolve,
    fileOf: ({ digest }) => located.get(digest) as FileRange,
    digestOf: 'blob',
  };
}

/**
 * Pure: the entry that `ref` means, or the only one. Entries of one name are the same image for several
 * platforms. `ref` is a name, `@DIGEST`, or `@PLACE`.
 * @throws FetchError ERR_NOT_FOUND, ERR_USAGE when there are several and none was named, ERR_NO_PLATFORM
 */
export function chooseEntry(
  entries: readonly Descriptor[],
  layout: OpenedLayout,
  platform: Platform,
): Descriptor {
  const found = entries.filter((entry, place) => isMeant(entry, place, layout.ref));
  const names = new Set(found.map(nameOf));
  if (found.length === 0 || (layout.ref === undefined && names.size > 1)) {
    throw noSuchImage(layout, [...new Set(entries.map((entry) => nameOf(entry) ?? `@${entry.digest}`))]);
  }
  const [only, ...others] = found;
  return only !== undefined && others.length === 0 ? only : selectPlatform(found, platform);
}

function isMeant(entry: Descriptor, place: number, ref: string | undefined): boolean {
  if (ref === undefined) return true;
  if (ref.startsWith('@') && isDigest(ref.slice(1))) return entry.digest === ref.slice(1);
  if (placeOf(ref) !== undefined) return place === placeOf(ref);
  return namesOf(entry).some((name) => isSameName(name, ref));
}

function nameOf(entry: Descriptor): string | undefined {
  return namesOf(entry)[0];
}

function namesOf({ annotations = {} }: Descriptor): string[] {
  return NAME_ANNOTATIONS.flatMap((key) => {
    const name = Object.hasOwn(annotations, key) ? annotations[key] : undefined;
    return name === undefined || name === '' ? [] : [name];
  });
}
