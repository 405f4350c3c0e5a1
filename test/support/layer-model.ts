/** The OCI layer specification as a plain tree in memory: layers applied one after another, base first. */

import { createHash } from 'node:crypto';
import type { NamedEntry } from './images/tar.js';

/** What an image has at a path, comparable with what an archive of it has there. */
export interface ModelFact {
  readonly type: string;
  readonly mode: number;
  readonly owner: string;
  readonly mtime: number;
  /** Of files. */
  readonly sha1?: string | undefined;
  /** Of symbolic links. */
  readonly target?: string | undefined;
  /** Of devices. */
  readonly device?: string | undefined;
  readonly xattrs: string;
  /** The smallest path of all that are the same file; absent where it has only one. */
  readonly sameAs?: string | undefined;
}

/** Paths without a slash at either end; the root is `''`. */
export type ModelTree = ReadonlyMap<string, ModelFact>;

/**
 * invalid: an entry that cannot be applied. doubtful: one that cannot, but that the image does not show.
 * unclear: something lies below a hard link that stands before its target, or was there before it, or takes or moves
 * its folder away; no two programs agree about that.
 */
export type Verdict = 'valid' | 'doubtful' | 'invalid' | 'unclear';

export interface ModelResult {
  readonly tree: ModelTree;
  /** What has directories above it that no layer has an entry for. */
  readonly impliedDirectories: ReadonlySet<string>;
  readonly verdict: Verdict;
}

interface Inode {
  /** Undefined for a directory that was made for what lies in it. */
  readonly entry: NamedEntry | undefined;
  /** waiting: a hard link whose target comes later in the layer, or never. */
  readonly type: 'directory' | 'symlink' | 'other' | 'waiting';
}

class Invalid extends Error {
  readonly verdict: Verdict;

  constructor(what: string, verdict: Verdict = 'invalid') {
    super(what);
    this.verdict = verdict;
  }
}

const MAX_LINKS = 40;

/** Applies layers as they are declared for `buildTar`. */
export function applyLayers(layers: readonly (readonly NamedEntry[])[]): ModelResult {
  const nodes = new Map<string, Inode>([['', { entry: undefined, type: 'directory' }]]);
  let doubtful = false;
  try {
    for (const layer of layers) doubtful = applyLayer(nodes, layer) || doubtful;
  } catch (error) {
    if (!(error instanceof Invalid)) throw error;
    return { tree: new Map(), impliedDirectories: new Set(), verdict: error.verdict };
  }
  if ([...nodes.values()].some(({ type }) => type === 'waiting')) {
    return { tree: new Map(), impliedDirectories: new Set(), verdict: 'invalid' };
  }
  return { ...describe(nodes), verdict: doubtful ? 'doubtful' : 'valid' };
}

interface WaitingLink {
  readonly path: string;
  readonly linkname: string;
  readonly inode: Inode;
}

/** Returns whether it has links that lead nowhere. */
function applyLayer(nodes: Map<string, Inode>, layer: readonly NamedEntry[]): boolean {
  const before = new Map(nodes);
  for (const { path } of layer) applyWhiteout(nodes, namesOf(path));
  const waiting: WaitingLink[] = [];
  for (const entry of layer) {
    if (isWhiteout(namesOf(entry.path))) continue;
    const { linkname = '' } = entry;
    const found = entry.type === 'hardlink' ? realNode(nodes, namesOf(linkname)) : inodeOf(entry);
    const target = found?.type === 'waiting' ? undefined : found;
    const inode: Inode = target === undefined ? { entry, type: 'waiting' } : target;
    if (entry.type === 'hardlink' && inode.type === 'directory') throw new Invalid('a link to a directory');
    if (target === undefined && realNode(nodes, namesOf(entry.path)) !== undefined) {
      throw new Invalid('a link without its target in the place of another entry', 'unclear');
    }
    const path = put(nodes, entry, inode);
    if (target === undefined) waiting.push({ path, linkname, inode });
  }
  // What came after a link at the same path has replaced it.
  return resolveLinks(
    nodes,
    before,
    waiting.filter(({ path, inode }) => nodes.get(path) === inode),
  );
}

/** In as many rounds as it takes; what the layer itself took away counts where nothing else is. */
function resolveLinks(
  nodes: Map<string, Inode>,
  before: Map<string, Inode>,
  links: readonly WaitingLink[],
): boolean {
  const left = links.filter(({ path, linkname }) => {
    const names = namesOf(linkname);
    const target = realNode(nodes, names) ?? realNode(before, names);
    if (target?.type === 'directory' && realNode(nodes, names) !== undefined)
      throw new Invalid('a link to a directory');
    if (target === undefined || target.type === 'waiting' || target.type === 'directory') return true;
    nodes.set(path, target);
    return false;
  });
  return left.length === links.length ? left.length > 0 : resolveLinks(nodes, before, left);
}

function applyWhiteout(nodes: Map<string, Inode>, names: readonly string[]): void {
  const name = names.at(-1) ?? '';
  const folder = names.slice(0, -1);
  if (name === '.wh..wh..opq') {
    const directory = realPath(nodes, folder, true);
    if (directory !== undefined && nodes.get(directory)?.type === 'directory') removeBelow(nodes, directory);
  } else if (name.startsWith('.wh.')) {
    const path = realPath(nodes, [...folder, name.slice('.wh.'.length)], false);
    if (path === undefined) return;
    removeBelow(nodes, path);
    nodes.delete(path);
  }
}

function isWhiteout(names: readonly string[]): boolean {
  return names.at(-1)?.startsWith('.wh.') === true;
}

/** Returns where it went. */
function put(nodes: Map<string, Inode>, entry: NamedEntry, inode: Inode): string {
  const names = namesOf(entry.path);
  if (names.length === 0 && inode.type !== 'directory') throw new Invalid('the root is no directory');
  makeDirectories(nodes, names.slice(0, -1));
  const path = realPath(nodes, names, false);
  if (path === undefined) throw new Error('a path that was just made');
  if (inode.type !== 'directory' || nodes.get(path)?.type !== 'directory') {
    if (hasWaitingBelow(nodes, path))
      throw new Invalid('a folder of a link without its target goes', 'unclear');
    removeBelow(nodes, path);
  }
  nodes.set(path, inode);
  return path;
}

function hasWaitingBelow(nodes: ReadonlyMap<string, Inode>, directory: string): boolean {
  return [...nodes].some(([path, { type }]) => type === 'waiting' && path.startsWith(`${directory}/`));
}

function inodeOf(entry: NamedEntry): Inode {
  if (entry.type === 'directory' || entry.type === 'symlink') return { entry, type: entry.type };
  return { entry, type: 'other' };
}

function realNode(nodes: Map<string, Inode>, names: readonly string[]): Inode | undefined {
  const path = realPath(nodes, names, false);
  return path === undefined ? undefined : nodes.get(path);
}

/** As `mkdir -p` in a root that no link leads out of. */
function makeDirectories(nodes: Map<string, Inode>, names: readonly string[]): void {
  const made = walk(nodes, names, true, (path) => {
    nodes.set(path, { entry: undefined, type: 'directory' });
  });
  if (made === undefined || nodes.get(made)?.type !== 'directory') throw new Invalid('below a file');
}

/** Where a path leads; undefined when something above it is not there. The last name need not be. */
function realPath(
  nodes: Map<string, Inode>,
  names: readonly string[],
  followLast: boolean,
): string | undefined {
  return walk(nodes, names, followLast, () => undefined);
}

/** `onMissing` may make a directory that is not there, and else ends the walk. */
function walk(
  nodes: Map<string, Inode>,
  names: readonly string[],
  followLast: boolean,
  onMissing: (path: string) => void,
): string | undefined {
  let at: string[] = [];
  let todo = [...names];
  for (let links = 0; todo.length > 0; ) {
    const name = todo[0] as string;
    todo = todo.slice(1);
    if (name === '..') {
      at = at.slice(0, -1);
      continue;
    }
    const path = [...at, name].join('/');
    const isLast = todo.length === 0;
    if (isLast && !followLast) return path;
    if (!nodes.has(path)) onMissing(path);
    const node = nodes.get(path);
    if (node?.type === 'symlink') {
      links += 1;
      if (links > MAX_LINKS) return undefined;
      const target = node.entry?.linkname ?? '';
      if (target.startsWith('/')) at = [];
      todo = [...target.split('/').filter((part) => part !== '' && part !== '.'), ...todo];
    } else if (node?.type === 'waiting') throw new Invalid('below a link without its target', 'unclear');
    else if (node?.type === 'directory') at = [...at, name];
    else if (isLast && node !== undefined) return path;
    else return undefined;
  }
  return at.join('/');
}

function removeBelow(nodes: Map<string, Inode>, directory: string): void {
  const prefix = directory === '' ? '' : `${directory}/`;
  for (const path of nodes.keys()) if (path !== '' && path.startsWith(prefix)) nodes.delete(path);
}

/** The names of a path from the root, `.` and `..` worked out. */
function namesOf(path: string | Buffer): string[] {
  const names: string[] = [];
  for (const name of path.toString().split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(name);
  }
  return names;
}

function describe(nodes: ReadonlyMap<string, Inode>): Omit<ModelResult, 'verdict'> {
  const tree = new Map<string, ModelFact>();
  const impliedDirectories = new Set<string>();
  const paths = new Map<Inode, string[]>();
  for (const [path, inode] of nodes) paths.set(inode, [...(paths.get(inode) ?? []), path]);
  for (const [path, inode] of nodes) {
    if (inode.entry === undefined) impliedDirectories.add(path);
    else {
      const names = (paths.get(inode) ?? []).sort();
      tree.set(path, factOf(inode.entry, names.length > 1 ? names[0] : undefined));
    }
  }
  return { tree, impliedDirectories };
}

function factOf(entry: NamedEntry, sameAs: string | undefined): ModelFact {
  const type = entry.type ?? 'file';
  const isDevice = type === 'character' || type === 'block';
  const xattrs = Object.entries(entry.xattrs ?? {}).map(([name, value]) => `${name}=${value.toString()}`);
  return {
    type,
    mode: entry.mode ?? (type === 'directory' ? 0o755 : 0o644),
    owner: `${entry.uid ?? 0}:${entry.gid ?? 0}`,
    mtime: entry.mtime ?? Date.UTC(2020, 0, 1) / 1000,
    sha1: type === 'file' ? sha1(entry.data ?? '') : undefined,
    target: type === 'symlink' ? entry.linkname : undefined,
    device: isDevice ? `${entry.devmajor ?? 0}:${entry.devminor ?? 0}` : undefined,
    xattrs: xattrs.sort().join('\n'),
    sameAs,
  };
}

export function sha1(bytes: Uint8Array | string): string {
  return createHash('sha1').update(bytes).digest('hex');
}
