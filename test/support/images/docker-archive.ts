/** Archives as `docker save` has written them over the years, without Docker. */

import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import type { DockerImage } from './docker.js';
import { buildTar, type NamedEntry } from './tar.js';

export interface SavedInput {
  readonly image: DockerImage;
  readonly names: readonly string[];
}

/**
 * `blobs`: everything below `blobs/sha256/`, as since Docker 25. `folders`: `ID/layer.tar` and `HEX.json`, as since
 * 1.10; a layer that is there already becomes a symbolic link. `compressed`: like `folders`, with `HEX.tar.gz`.
 */
export type SavedForm = 'blobs' | 'folders' | 'compressed';

/** The bytes of an archive with a `manifest.json`. */
export function buildDockerArchive(images: readonly SavedInput[], form: SavedForm): Buffer {
  const entries = new Map<string, NamedEntry>();
  const add = (path: string, data: Uint8Array): void => void entries.set(path, { path, data });
  const manifest = images.map(({ image, names }, place) => {
    const hex = image.configDigest.slice('sha256:'.length);
    const config = form === 'blobs' ? `blobs/sha256/${hex}` : `${hex}.json`;
    add(config, image.configBytes);
    const layers = image.layers.map((layer, level) => {
      const plain = gunzipSync(layer.bytes);
      const diffHex = layer.diffId.slice('sha256:'.length);
      if (form === 'blobs') {
        add(`blobs/sha256/${diffHex}`, plain);
        return `blobs/sha256/${diffHex}`;
      }
      if (form === 'compressed') {
        add(`${diffHex}.tar.gz`, layer.bytes);
        return `${diffHex}.tar.gz`;
      }
      const id = createHash('sha256').update(`${place} ${level} ${diffHex}`).digest('hex');
      const path = `${id}/layer.tar`;
      entries.set(id, { path: id, type: 'directory' });
      add(`${id}/VERSION`, Buffer.from('1.0'));
      const first = [...entries.values()].find(
        ({ path: other, data }) =>
          other.toString().endsWith('/layer.tar') && data !== undefined && plain.equals(data as Buffer),
      );
      if (first === undefined) add(path, plain);
      else entries.set(path, { path, type: 'symlink', linkname: `../${first.path.toString()}` });
      return path;
    });
    return { Config: config, RepoTags: names.length === 0 ? null : names, Layers: layers };
  });
  add('manifest.json', Buffer.from(JSON.stringify(manifest)));
  return buildTar([...entries.values()]);
}

/** The bytes of an archive without digests, as Docker wrote them before 1.10: `repositories`, and a folder a step. */
export function buildRepositoriesArchive(images: readonly SavedInput[]): Buffer {
  const entries: NamedEntry[] = [];
  const repositories: Record<string, Record<string, string>> = {};
  for (const { image, names } of images) {
    let parent: string | undefined;
    const { config, architecture, os } = image.config;
    for (const [level, layer] of image.layers.entries()) {
      const id = createHash('sha256').update(`${image.configDigest} ${level}`).digest('hex');
      const isTop = level === image.layers.length - 1;
      const step = {
        id,
        parent,
        os,
        architecture,
        created: '2015-01-01T00:00:00Z',
        config: isTop ? config : {},
      };
      entries.push({ path: id, type: 'directory' });
      entries.push({ path: `${id}/VERSION`, data: '1.0' });
      entries.push({ path: `${id}/json`, data: JSON.stringify(step) });
      entries.push({ path: `${id}/layer.tar`, data: gunzipSync(layer.bytes) });
      parent = id;
    }
    for (const name of names) {
      const [repository = '', tag = ''] = name.split(':');
      repositories[repository] = { ...repositories[repository], [tag]: parent ?? '' };
    }
  }
  entries.push({ path: 'repositories', data: JSON.stringify(repositories) });
  return buildTar(entries);
}
