/** A row of the conformance suite: layers, and who judges what becomes of them. */

import { createHash } from 'node:crypto';
import type { ErrorCode } from '../../../dist/src/index.js';
import type { LayerInput } from '../../support/images/docker.js';
import type { NamedEntry, TarEntry } from '../../support/images/tar.js';
import type { TreeNode } from '../../support/tree.js';

export type LayerCase = {
  readonly title: string;
  /** Base first. What an entry does not say about its owner and time is made to differ from every other entry. */
  readonly layers: readonly LayerInput[];
} & (UmociJudges | SpecificationJudges | Refused);

export interface UmociJudges {
  readonly judge: 'umoci';
  /** Whose times of change are not compared. Those of directories that no layer has an entry for never are. */
  readonly untimed?: { readonly paths: RegExp; readonly why: string } | undefined;
}

interface SpecificationJudges {
  readonly judge: 'specification';
  readonly why: string;
  /** Everything that the image has below its root, `dev` aside. */
  readonly expected: Readonly<Record<string, Partial<TreeNode>>>;
}

interface Refused {
  readonly judge: 'error';
  readonly why: string;
  readonly code: ErrorCode;
}

type Facts = Omit<NamedEntry, 'path' | 'type'>;

export const dir = (path: string, facts: Facts = {}): NamedEntry => ({ path, type: 'directory', ...facts });
export const file = (path: string | Buffer, data = String(path), facts: Facts = {}): NamedEntry => ({
  path,
  data,
  ...facts,
});
export const link = (path: string, linkname: string): NamedEntry => ({ path, type: 'hardlink', linkname });
export const symlink = (path: string, linkname: string): NamedEntry => ({ path, type: 'symlink', linkname });
export const whiteout = (path: string): NamedEntry => ({ path });

export const aDirectory: Partial<TreeNode> = { type: 'directory' };
export const aFile = (data: string | Uint8Array): Partial<TreeNode> => ({
  type: 'file',
  sha256: createHash('sha256').update(data).digest('hex'),
});

/** What most rows have at the bottom. */
export const LOWER: readonly TarEntry[] = [
  dir('d'),
  file('d/a'),
  dir('d/sub'),
  file('d/sub/x'),
  file('f'),
  symlink('s', 'd'),
  file('first'),
  link('second', 'first'),
];

/** The layers with owners and times that tell which entry a fact came from. */
export function distinctLayers(layers: readonly LayerInput[]): LayerInput[] {
  return layers.map((layer, at) =>
    isEntries(layer) ? layer.map((entry, index) => distinctEntry(entry, at, index)) : layer,
  );
}

function distinctEntry(entry: TarEntry, layer: number, index: number): TarEntry {
  if ('raw' in entry) return entry;
  return { uid: 10 + layer, gid: 10 + index, mtime: 1_500_000_000 + layer * 1000 + index, ...entry };
}

function isEntries(layer: LayerInput): layer is readonly TarEntry[] {
  return Array.isArray(layer);
}
