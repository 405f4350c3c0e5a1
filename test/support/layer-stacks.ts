/** Stacks of layers that a seed repeats, with everything that layers do to each other. */

import { createRandom, type Random } from './images/random.js';
import type { NamedEntry } from './images/tar.js';
import { applyLayers } from './layer-model.js';

export interface LayerStack {
  readonly seed: number;
  /** Base first. */
  readonly layers: readonly (readonly NamedEntry[])[];
}

/** Few names, so that layers meet. */
const NAMES = ['a', 'b', 'c', 'lib', 'dev', 'stdin', '.hidden', `long-${'n'.repeat(110)}`];

/** Half of the stacks are as builders write them, the others are as odd as a layer may be. */
export function randomStack(seed: number): LayerStack {
  const random = createRandom(seed);
  const isOdd = random.chance();
  const layers: NamedEntry[][] = [];
  const count = random.int(1, 5);
  while (layers.length < count) {
    const layer: NamedEntry[] = [];
    layers.push(layer);
    if (random.chance(0.3)) layer.push(rootEntry(random, isOdd));
    for (let left = random.int(0, 14); left > 0; left -= 1) addEntry(random, layers, layer, isOdd);
    if (isOdd && random.chance(0.2)) shuffle(random, layers, layer);
  }
  return { seed, layers };
}

/** Mostly turns the targets of links and the content of directories round. */
function shuffle(random: Random, layers: NamedEntry[][], layer: NamedEntry[]): void {
  const before = [...layer];
  for (let at = layer.length - 1; at > 0; at -= 1) {
    const other = random.int(0, at);
    [layer[at], layer[other]] = [layer[other] as NamedEntry, layer[at] as NamedEntry];
  }
  if (applyLayers(layers).verdict !== 'valid') layer.splice(0, layer.length, ...before);
}

/** Leaves most of what would make the whole stack invalid out. */
function addEntry(random: Random, layers: NamedEntry[][], layer: NamedEntry[], isOdd: boolean): void {
  const before = layer.length;
  layer.push(...(isOdd ? oddEntries(random, layers, layer) : ordinaryEntries(random, layers, layer)));
  const { verdict } = applyLayers(layers);
  const keep = { valid: 1, doubtful: 0.3, invalid: 0.005, unclear: 0 }[verdict];
  if (!random.chance(keep)) layer.length = before;
}

function ordinaryEntries(random: Random, layers: NamedEntry[][], layer: NamedEntry[]): NamedEntry[] {
  const tree = applyLayers(layers).tree;
  const folders = [...tree]
    .filter(([path, { type }]) => type === 'directory' && path !== '')
    .map(([path]) => path);
  const folder = random.chance(0.7) && folders.length > 0 ? `${random.pick(folders)}/` : '';
  const path = `${folder}${random.pick(NAMES)}`;
  if (layer.some((entry) => entry.path === path)) return [];
  const kind = random.next();
  if (kind < 0.12 && layers.length > 1) return [whiteout(random.pick([...tree.keys(), path]))];
  if (kind < 0.15 && layers.length > 1 && folders.length > 0)
    return [{ path: `${random.pick(folders)}/.wh..wh..opq` }];
  const files = layer.filter(({ type = 'file' }) => type === 'file');
  if (kind < 0.25 && files.length > 0) {
    return [{ ...facts(random), path, type: 'hardlink', linkname: String(random.pick(files).path) }];
  }
  if (kind < 0.5) return [{ ...facts(random), path, type: 'directory' }];
  return [{ ...facts(random), ...nodeOf(random), path }];
}

function oddEntries(random: Random, layers: NamedEntry[][], layer: NamedEntry[]): NamedEntry[] {
  const path = oddly(random, randomPath(random));
  const kind = random.next();
  if (kind < 0.15) return [whiteout(randomPath(random))];
  if (kind < 0.2) return [{ path: `${randomPath(random)}/.wh..wh..opq` }];
  if (kind < 0.38) {
    const paths = [
      ...layers.flat().map(({ path: other }) => other.toString()),
      ...applyLayers(layers).tree.keys(),
    ];
    const all = paths.filter((other) => other !== '' && !other.endsWith('/'));
    const linkname = oddly(
      random,
      all.length > 0 && random.chance(0.9) ? random.pick(all) : randomPath(random),
    );
    const link: NamedEntry = { ...facts(random), path, type: 'hardlink', linkname };
    // Before its target, at times.
    return random.chance(0.3) ? [link, { ...facts(random), path: linkname, data: random.text(20) }] : [link];
  }
  if (kind < 0.55) return [{ ...facts(random), path, type: 'directory' }];
  if (kind < 0.7) return [{ ...facts(random), path, type: 'symlink', linkname: linkTarget(random) }];
  const again = layer.length > 0 && random.chance(0.15) ? random.pick(layer).path.toString() : path;
  // A slash makes a directory of a file.
  if (again.endsWith('/')) return [];
  return [{ ...facts(random), ...nodeOf(random), path: again }];
}

function nodeOf(random: Random): Partial<NamedEntry> {
  const kind = random.next();
  if (kind < 0.7) return { data: random.bytes(random.pick([0, 1, 100, 511, 512, 513, 3000])) };
  if (kind < 0.85) return { type: 'symlink', linkname: linkTarget(random) };
  if (kind < 0.9) return { type: 'fifo' };
  return {
    type: random.pick(['character', 'block']),
    devmajor: random.int(0, 300),
    devminor: random.int(0, 70_000),
  };
}

function facts(random: Random): Pick<NamedEntry, 'mode' | 'uid' | 'gid' | 'mtime' | 'xattrs'> {
  return {
    mode: random.pick([0o644, 0o755, 0o600, 0o4711, 0o1777, 0]),
    uid: random.pick([0, 0, 1000, 3_000_000]),
    gid: random.pick([0, 0, 100, 2_097_152]),
    mtime: random.pick([0, 1_500_000_000, 1_600_000_000.25, -7, -1.5, 8_589_934_592]),
    xattrs: random.chance(0.15) ? { 'user.mark': random.text(random.int(0, 30)).toString() } : undefined,
  };
}

function rootEntry(random: Random, isOdd: boolean): NamedEntry {
  return { ...facts(random), path: isOdd ? random.pick(['.', './', '/', 'a/..']) : './', type: 'directory' };
}

function randomPath(random: Random): string {
  return Array.from({ length: random.pick([1, 1, 2, 2, 3]) }, () => random.pick(NAMES)).join('/');
}

function linkTarget(random: Random): string {
  return random.pick(['', '', '', '/', '../', './']) + randomPath(random);
}

/** The same path in another spelling. */
function oddly(random: Random, path: string): string {
  const spelling = random.next();
  if (spelling < 0.1) return `./${path}`;
  if (spelling < 0.15) return `/${path}`;
  if (spelling < 0.2) return `x/../${path}`;
  return spelling < 0.25 ? path.replace('/', '//./') : path;
}

function whiteout(path: string): NamedEntry {
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  const name = names.pop();
  return { path: name === undefined ? '.wh.nothing' : [...names, `.wh.${name}`].join('/') };
}
