/** A real root file system through umoci and back, so that it can be the judge of ours. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runTool } from '../support/process.js';
import { buildRootfs, copyTree } from '../support/rootfs.js';
import { tempDir } from '../support/temp.js';
import { isRoot, requireTools } from '../support/tools.js';
import { describeTree, diffTrees } from '../support/tree.js';
import { umociInit, umociLayers, umociUnpack } from '../support/umoci.js';

describe.runIf(isRoot() && requireTools(['umoci', 'setfattr']))('a real root file system', () => {
  it('comes back from umoci as it went in, layer upon layer', async () => {
    const { parts, dir } = await buildRootfs();
    expect(parts.length).toBeGreaterThan(0);
    const [layout, bundles] = [join(tempDir(), 'layout'), tempDir()];
    await umociInit(layout);
    const bundle = join(bundles, 'build');
    await umociLayers(layout, 'rootfs', bundle, [
      (rootfs) => copyTree(dir, rootfs),
      async (rootfs) => {
        await rm(join(rootfs, 'usr', 'bin'), { recursive: true });
        mkdirSync(join(rootfs, 'usr', 'bin'));
        writeFileSync(join(rootfs, 'usr', 'bin', 'new'), 'new', { mode: 0o755 });
        await runTool('setfattr', ['-n', 'user.mark', '-v', 'yes', join(rootfs, 'usr', 'bin', 'new')]);
      },
    ]);
    const unpacked = await umociUnpack(layout, 'rootfs', join(bundles, 'again'));
    const tree = await describeTree(unpacked);
    expect(tree.get('usr/bin/new')).toMatchObject({ xattrs: { 'user.mark': 'eWVz' } });
    expect(tree.size).toBeGreaterThan(1000);
    expect(diffTrees(await describeTree(join(bundle, 'rootfs')), tree, { ignore: ['mtime'] })).toEqual([]);
  });
});
