/** umoci: OCI layouts built layer by layer from real trees, and unpacked as the reference to compare with. */

import { join } from 'node:path';
import { runTool } from './process.js';

/** Makes an empty layout. */
export async function umociInit(layout: string): Promise<void> {
  await runTool('umoci', ['init', '--layout', layout]);
}

/** Adds an image without layers. */
export async function umociNew(layout: string, ref: string): Promise<void> {
  await runTool('umoci', ['new', '--image', `${layout}:${ref}`]);
}

/** Adds a file or folder as one new layer. */
export async function umociInsert(
  layout: string,
  ref: string,
  source: string,
  target: string,
): Promise<void> {
  await runTool('umoci', ['insert', '--image', `${layout}:${ref}`, source, target]);
}

/** Unpacks an image, as root with owners; the tree is in `BUNDLE/rootfs`. Returns that path. */
export async function umociUnpack(layout: string, ref: string, bundle: string): Promise<string> {
  const rootless = process.getuid?.() === 0 ? [] : ['--rootless'];
  await runTool('umoci', ['unpack', ...rootless, '--image', `${layout}:${ref}`, bundle], {
    timeoutMs: 300_000,
  });
  return join(bundle, 'rootfs');
}

/** Adds what changed in a bundle as a new layer, and lets the bundle follow. */
export async function umociRepack(layout: string, ref: string, bundle: string): Promise<void> {
  const args = ['repack', '--refresh-bundle', '--image', `${layout}:${ref}`, bundle];
  await runTool('umoci', args, { timeoutMs: 300_000 });
}

/** Sets members of the image config: `['--config.cmd', '/bin/sh']`. */
export async function umociConfig(layout: string, ref: string, args: readonly string[]): Promise<void> {
  await runTool('umoci', ['config', '--image', `${layout}:${ref}`, ...args]);
}

/** A change to a root file system that becomes one layer. */
export type LayerStep = (rootfs: string) => Promise<void> | void;

/** Adds an image to the layout with one layer for each step. */
export async function umociLayers(
  layout: string,
  ref: string,
  bundle: string,
  steps: readonly LayerStep[],
): Promise<void> {
  await umociNew(layout, ref);
  const rootfs = await umociUnpack(layout, ref, bundle);
  for (const step of steps) {
    await step(rootfs);
    await umociRepack(layout, ref, bundle);
  }
}
