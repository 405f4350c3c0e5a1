/** A whole Debian, packages on top of it, and a layer that takes some away, from the real registry. */

import { createHash } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { archiveProblems } from '../integration/support/archive.js';
import { withEngine } from '../integration/support/engine.js';
import { actoolProblems } from '../support/actool.js';
import { debianBase, installPackages, purgePackages } from '../support/debian.js';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.js';
import { cachedFolder, copyTree } from '../support/rootfs.js';
import { pushLayout } from '../support/skopeo.js';
import { tempDir } from '../support/temp.js';
import { isCi, isRoot, requireTools } from '../support/tools.js';
import { describeTree, diffTrees } from '../support/tree.js';
import { umociInit, umociLayers, umociUnpack } from '../support/umoci.js';

const TOOLS = ['docker-registry', 'skopeo', 'umoci', 'tar', 'getfattr', 'actool', 'debootstrap'] as const;
const REF = 'debian';
const FORMATS = ['oci', 'v2s2'] as const;

/** The layout with the image, of the cache. */
async function debianImage(): Promise<string> {
  const base = await debianBase();
  const key = createHash('sha256')
    .update(readFileSync(fileURLToPath(import.meta.url)))
    .update(basename(dirname(base)))
    .digest('hex')
    .slice(0, 16);
  const folder = await cachedFolder(`debian-layers-${key}`, async (work) => {
    const bundle = join(work, 'bundle');
    await umociInit(join(work, 'layout'));
    await umociLayers(join(work, 'layout'), REF, bundle, [
      (root) => copyTree(base, root),
      (root) => installPackages(root, ['less', 'file', 'libmagic1', 'libmagic-mgc']),
      async (root) => {
        await purgePackages(root, ['less', 'tzdata']);
        for (const path of ['usr/share/doc', 'usr/share/locale', 'etc/motd'])
          rmSync(join(root, path), { recursive: true, force: true });
      },
    ]);
    rmSync(bundle, { recursive: true });
  });
  return join(folder, 'layout');
}

/** Undefined, with a line that nobody overlooks, where there is no Debian to be had; an error in CI. */
async function debianImageIfAny(): Promise<string | undefined> {
  try {
    return await debianImage();
  } catch (error) {
    if (isCi()) throw error;
    process.stderr.write(`!! SKIPPED, no Debian: the long test of a whole Debian\n${String(error)}\n`);
    return undefined;
  }
}

describe.runIf(isRoot() && requireTools(TOOLS))('a Debian with packages on top and others removed', () => {
  let registry: DockerRegistry;
  let layout: string | undefined;

  const sourceOf = (format: string): string => `docker://${registry.host}/team/debian:${format}`;

  beforeAll(async () => {
    [layout, registry] = await Promise.all([debianImageIfAny(), startDockerRegistry()]);
    if (layout === undefined) return;
    for (const format of FORMATS) {
      const options = { layout, ref: REF, registryHost: registry.host, format };
      await pushLayout({ ...options, target: `team/debian:${format}` });
    }
  });
  afterAll(() => registry.close());

  it('comes out as umoci unpacks it, in both formats, as an ACI that actool accepts', async ({ skip }) => {
    if (layout === undefined) return skip('no Debian to be had');
    const expected = await describeTree(await umociUnpack(layout, REF, join(tempDir(), 'bundle')));
    expect(expected.size).toBeGreaterThan(2000);
    expect(expected.get('usr/bin/file')?.type).toBe('file');
    expect(
      ['usr/bin/less', 'usr/share/zoneinfo', 'usr/share/doc'].filter((path) => expected.has(path)),
    ).toEqual([]);
    for (const format of FORMATS) {
      await withEngine({ workers: 2 }, async (engine) => {
        const [directory, archive] = [join(tempDir(), 'image'), join(tempDir(), 'image.aci')];
        const { id } = await engine.fetch({ image: sourceOf(format), output: archive });
        await engine.extractImage(id, { directory, rootfsOnly: true });
        // debootstrap has made the links in /dev.
        expect(diffTrees(expected, await describeTree(directory), { labels: ['umoci', 'aci'] })).toEqual([]);
        expect([...(await archiveProblems(archive)), ...(await actoolProblems(archive))]).toEqual([]);
      });
    }
  });

  it('has one ID with one, two and eight workers', async ({ skip }) => {
    if (layout === undefined) return skip('no Debian to be had');
    for (const format of FORMATS) {
      const ids = new Set<string>();
      for (const workers of [1, 2, 8]) {
        await withEngine({ workers }, async (engine) => {
          ids.add((await engine.fetch({ image: sourceOf(format) })).id);
        });
      }
      expect(ids.size).toBe(1);
    }
  });
});
