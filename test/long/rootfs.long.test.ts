/** The whole root file system from the real registry: the tree of umoci, and one ID in every one of many fetches. */

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { archiveProblems } from '../integration/support/archive.js';
import { withEngine } from '../integration/support/engine.js';
import { type LayeredImage, layeredImage } from '../integration/support/layered-image.js';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.js';
import { pushLayout } from '../support/skopeo.js';
import { tempDir } from '../support/temp.js';
import { isRoot, requireTools } from '../support/tools.js';
import { describeTree, diffTrees } from '../support/tree.js';
import { umociUnpack } from '../support/umoci.js';

const STDIO_LINKS = ['dev/fd', 'dev/stderr', 'dev/stdin', 'dev/stdout'];
const TOOLS = ['docker-registry', 'skopeo', 'umoci', 'tar', 'getfattr', 'setfattr'] as const;

describe.runIf(isRoot() && requireTools(TOOLS))('the whole root file system', () => {
  let registry: DockerRegistry;
  let image: LayeredImage;

  beforeAll(async () => {
    [image, registry] = await Promise.all([layeredImage('whole'), startDockerRegistry()]);
    for (const ref of [image.plainRef, image.oddRef]) {
      for (const format of ['oci', 'v2s2'] as const) {
        const target = `team/${ref}:${format}`;
        await pushLayout({ layout: image.layout, ref, registryHost: registry.host, target, format });
      }
    }
  });
  afterAll(() => registry.close());

  it.each(['plain', 'odd'] as const)('comes out as umoci unpacks it, in both formats: %s', async (kind) => {
    const ref = kind === 'plain' ? image.plainRef : image.oddRef;
    const expected = await describeTree(await umociUnpack(image.layout, ref, join(tempDir(), 'bundle')));
    for (const [workers, format] of [
      [1, 'oci'],
      [3, 'v2s2'],
    ] as const) {
      await withEngine({ workers }, async (engine) => {
        const [directory, file] = [join(tempDir(), 'image'), join(tempDir(), 'image.aci')];
        const source = `docker://${registry.host}/team/${ref}:${format}`;
        const { id } = await engine.fetch({ image: source, output: file });
        await engine.extractImage(id, { directory, rootfsOnly: true });
        expect(diffTrees(expected, await describeTree(directory), { labels: ['umoci', 'aci'] })).toEqual(
          STDIO_LINKS.map((path) => `${path}: only in aci`),
        );
        expect(await archiveProblems(file)).toEqual([]);
      });
    }
  });

  it('has one ID with one to ten workers, alone and beside the other formats', async () => {
    const sources = [image.plainRef, image.oddRef].flatMap((ref) =>
      ['oci', 'v2s2'].map((format) => `docker://${registry.host}/team/${ref}:${format}`),
    );
    const found = new Set<string>();
    for (let workers = 1; workers <= 10; workers++) {
      await withEngine({ workers }, async (engine) => {
        const images = workers % 3 === 0 ? sources.slice(0, 1) : sources;
        const outcomes = await engine.fetchAll(images.map((one) => ({ image: one })));
        for (const outcome of outcomes)
          found.add(`${outcome.image} ${outcome.status === 'failed' ? outcome.error.message : outcome.id}`);
      });
    }
    expect(found.size).toBe(sources.length);
  });
});
