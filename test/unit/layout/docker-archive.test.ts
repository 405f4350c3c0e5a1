/** Archives of `docker save` that are made to cost: configs and steps that are named over and over. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openLayout } from '../../../src/layout/open.js';
import type { LayoutImage } from '../../../src/layout/source.js';
import { buildTar, type NamedEntry, type TarEntry } from '../../support/images/tar.js';
import { tempDir } from '../../support/temp.js';

const PLATFORM = { os: 'linux', architecture: 'amd64' };

async function resolve(
  entries: readonly TarEntry[],
  signal = new AbortController().signal,
): Promise<LayoutImage> {
  const path = join(tempDir(), 'saved.tar');
  writeFileSync(path, buildTar(entries));
  const reference = {
    kind: 'layout',
    image: `docker-archive:${path}`,
    transport: 'docker-archive',
    path,
  } as const;
  const layout = await openLayout(reference, { inflate: async () => path }, new AbortController().signal);
  return layout.resolve(PLATFORM, signal);
}

describe('an archive with a manifest', () => {
  it('has the config of one image read once, however many images have it', async () => {
    const config = JSON.stringify({ ...PLATFORM, rootfs: { type: 'layers', diff_ids: [] } });
    const manifest = Array.from({ length: 500 }, () => ({ Config: 'c', RepoTags: ['a:1'], Layers: [] }));
    const startedAt = performance.now();
    const image = await resolve([
      { path: 'manifest.json', data: JSON.stringify(manifest) },
      { path: 'c', data: config.padEnd(8 * 1024 * 1024) },
    ]);
    expect(image.config.bytes).toHaveLength(8 * 1024 * 1024);
    expect(performance.now() - startedAt).toBeLessThan(8000);
  });
});

describe('an archive without digests', () => {
  const id = (digit: string): string => digit.repeat(64);
  const step = (own: string, parent: string | undefined, layer: Partial<TarEntry>): TarEntry[] => [
    { path: `${own}/json`, data: JSON.stringify({ id: own, parent }) },
    { path: `${own}/layer.tar`, ...layer } as TarEntry,
  ];
  const top = { path: 'repositories', data: `{"a":{"1":"${id('a')}"}}` };
  const LAYER = { data: Buffer.alloc(30 * 1024 * 1024) };

  it('is refused at once when its steps lead in a circle', async () => {
    const startedAt = performance.now();
    const circle = resolve([top, ...step(id('a'), id('b'), LAYER), ...step(id('b'), id('a'), {})]);
    await expect(circle).rejects.toMatchObject({ code: 'ERR_MANIFEST_INVALID' });
    expect(performance.now() - startedAt).toBeLessThan(8000);
  });

  it('has steps of as many bytes as a config together', async () => {
    const entries = [...'abcdef'].flatMap((digit, place, all) => {
      const [json, layer] = step(id(digit), all[place + 1] && id(all[place + 1] as string), {});
      return [
        {
          ...(json as NamedEntry),
          data: String((json as NamedEntry).data).padEnd(2 * 1024 * 1024),
        } as TarEntry,
        layer as TarEntry,
      ];
    });
    await expect(resolve([top, ...entries])).rejects.toMatchObject({ code: 'ERR_LIMIT' });
  });

  it('has a layer hashed once that many steps are links to', async () => {
    const ids = Array.from({ length: 300 }, (_, place) => `a${String(place).padStart(63, '0')}`);
    const links = ids.map((own, place) =>
      step(own, ids[place + 1], {
        type: 'symlink',
        linkname: `../${id('b')}/layer.tar`,
      }),
    );
    const first = { path: 'repositories', data: `{"a":{"1":"${ids[0]}"}}` };
    const startedAt = performance.now();
    const image = await resolve([first, ...step(id('b'), undefined, LAYER), ...links.flat()]);
    expect(image.layers).toHaveLength(300);
    expect(performance.now() - startedAt).toBeLessThan(8000);
  });

  it('can be interrupted while a layer is hashed', async () => {
    const aborted = resolve([top, ...step(id('a'), undefined, LAYER)], AbortSignal.timeout(1));
    await expect(aborted).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});
