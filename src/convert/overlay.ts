/** Applies complete layers to each other as the OCI specification has it, for the images that `merge` calls odd. */

import { FetchError } from '../errors.js';
import { type ByteString, displayPath } from '../tar/entry.js';
import { parentPath } from '../tar/path.js';
import { endOffset, type IndexEntry, isWhiteout } from './layer-index.js';

/** The next bytes of the image: a range of a layer, or a header that must be written anew. */
export type OverlayPiece =
  | { readonly kind: 'range'; readonly layer: number; readonly start: number; readonly end: number }
  | {
      readonly kind: 'header';
      readonly layer: number;
      /** The entry whose owner, mode, times and attributes the header takes. */
      readonly entry: IndexEntry;
      readonly path: ByteString;
      /** Makes it a hard link to this path of the image. */
      readonly link?: ByteString | undefined;
    };

export interface Overlay {
  /** The entry of the root directory, when a layer has one. */
  readonly root: { readonly layer: number; readonly entry: IndexEntry } | undefined;
  readonly pieces: OverlayPiece[];
  kindOf(path: ByteString): 'directory' | 'other' | undefined;
}

interface Source {
  readonly layer: number;
  readonly entry: IndexEntry;
}
/** A file under all its names; `firstPath` is the one that was written with the content. */
interface Inode {
  readonly source: Source;
  firstPath?: ByteString;
}
interface Directory {
  readonly parent: Directory | undefined;
  readonly children: Map<ByteString, Node>;
  source: Source | undefined;
}
interface Leaf {
  /** Undefined while a hard link waits for its target. */
  inode: Inode | undefined;
  readonly source: Source;
}
interface WaitingLink {
  readonly leaf: Leaf;
  readonly parent: Directory;
}
type Node = Directory | Leaf;

/** As Linux has it for one path. */
const MAX_SYMLINKS = 40;

/**
 * `layers`: the indexes, top layer first, as everywhere. Whiteouts of a layer only hide what is below it, wherever
 * they stand; of two entries with one path the last counts; parents that are symbolic links are followed without
 * leaving the root; a hard link shares the content that its target has at that moment, or at the end of the layer
 * when it has none yet. The pieces come top layer first, in the order of each layer but directories before what is
 * in them, so the same layers always give the same bytes.
 * @throws FetchError ERR_TAR_INVALID for a link to nothing or an entry below a file
 */
export function overlayLayers(layers: readonly (readonly IndexEntry[])[]): Overlay {
  const root: Directory = { parent: undefined, children: new Map(), source: undefined };
  for (let layer = layers.length - 1; layer >= 0; layer--) applyLayer(root, layer, layers[layer] ?? []);
  const surviving = new Map<IndexEntry, Shown>();
  collect(root, '', surviving);
  const pieces = layers.flatMap((entries, layer) => layerPieces(entries, layer, surviving));
  return { root: root.source, pieces, kindOf: (path) => kindOf(root, path) };
}

function applyLayer(root: Directory, layer: number, entries: readonly IndexEntry[]): void {
  const below = targetsBelow(root, entries);
  for (const entry of entries) {
    if (!isWhiteout(entry)) continue;
    if (entry.type === 'o') findDirectory(root, entry.path, 'find')?.children.clear();
    else findDirectory(root, parentPath(entry.path), 'find')?.children.delete(baseName(entry.path));
  }
  const waiting: WaitingLink[] = [];
  for (const entry of entries) {
    if (isWhiteout(entry)) continue;
    const link = applyEntry(root, { layer, entry });
    if (link !== undefined) waiting.push(link);
  }
  for (const { leaf, parent } of waiting) {
    const isReplaced = parent.children.get(baseName(leaf.source.entry.path)) !== leaf;
    if (!isReplaced) resolveLink(root, leaf, below, waiting.length);
  }
}

/** What the hard links of a layer lead to below it: for those whose target the layer itself takes away. */
function targetsBelow(root: Directory, entries: readonly IndexEntry[]): Map<ByteString, Inode> {
  const targets = new Map<ByteString, Inode>();
  for (const { type, link } of entries) {
    if (type !== 'h' || link === undefined) continue;
    const node = nodeAt(root, link);
    if (node !== undefined && !isDirectory(node) && node.inode !== undefined) targets.set(link, node.inode);
  }
  return targets;
}

/** Follows links that wait for links. */
function resolveLink(
  root: Directory,
  leaf: Leaf,
  below: ReadonlyMap<ByteString, Inode>,
  maxLinks: number,
): void {
  const passed: Leaf[] = [];
  let inode = leaf.inode;
  for (let current = leaf; inode === undefined; inode = current.inode) {
    const { path, link = '' } = current.source.entry;
    passed.push(current);
    const node = nodeAt(root, link);
    if (node !== undefined && isDirectory(node)) throw invalid(path, 'a hard link to a directory');
    inode = node === undefined ? below.get(link) : node.inode;
    if (inode !== undefined) break;
    if (node === undefined || passed.length > maxLinks) {
      throw invalid(path, `a hard link to ${JSON.stringify(displayPath(link))}, which does not exist`);
    }
    current = node;
  }
  for (const one of passed) one.inode = inode;
}

/** Returns a hard link whose target is not there yet. */
function applyEntry(root: Directory, source: Source): WaitingLink | undefined {
  const { entry } = source;
  if (entry.path === '') {
    if (entry.type !== 'd') throw invalid('.', 'the root is not a directory');
    root.source = source;
    return undefined;
  }
  let inode: Inode | undefined = { source };
  if (entry.type === 'h') {
    const target = nodeAt(root, entry.link ?? '');
    if (target !== undefined && isDirectory(target)) throw invalid(entry.path, 'a hard link to a directory');
    inode = target?.inode;
  }
  const parent = findDirectory(root, parentPath(entry.path), 'make');
  const name = baseName(entry.path);
  if (entry.type !== 'd') {
    const leaf: Leaf = { inode, source };
    parent.children.set(name, leaf);
    return inode === undefined ? { leaf, parent } : undefined;
  }
  const existing = parent.children.get(name);
  if (existing !== undefined && isDirectory(existing)) existing.source = source;
  else parent.children.set(name, { parent, children: new Map(), source });
  return undefined;
}

/** The root, too, which is a directory. */
function nodeAt(root: Directory, path: ByteString): Node | undefined {
  if (path === '') return root;
  return findDirectory(root, parentPath(path), 'find')?.children.get(baseName(path));
}

function findDirectory(root: Directory, path: ByteString, mode: 'make'): Directory;
function findDirectory(root: Directory, path: ByteString, mode: 'find'): Directory | undefined;
function findDirectory(root: Directory, path: ByteString, mode: 'find' | 'make'): Directory | undefined {
  let directory = root;
  let symlinks = 0;
  const todo = splitPath(path).reverse();
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    if (name === '..') {
      directory = directory.parent ?? root;
      continue;
    }
    const child = directory.children.get(name);
    if (child === undefined) {
      if (mode === 'find') return undefined;
      const made: Directory = { parent: directory, children: new Map(), source: undefined };
      directory.children.set(name, made);
      directory = made;
    } else if (isDirectory(child)) {
      directory = child;
    } else {
      const entry = child.inode?.source.entry;
      if (entry?.type !== 'l') {
        if (mode === 'find') return undefined;
        throw invalid(path, `${JSON.stringify(displayPath(name))} is not a directory`);
      }
      if (++symlinks > MAX_SYMLINKS) {
        if (mode === 'find') return undefined;
        throw invalid(path, 'too many symbolic links');
      }
      const target = entry.link ?? '';
      if (target.startsWith('/')) directory = root;
      todo.push(...splitPath(target).reverse());
    }
  }
  return directory;
}

function kindOf(root: Directory, path: ByteString): 'directory' | 'other' | undefined {
  const node = nodeAt(root, path);
  if (node === undefined) return undefined;
  return isDirectory(node) ? 'directory' : 'other';
}

/** An entry that the image shows: where, and for all but directories as what. */
interface Shown {
  readonly path: ByteString;
  readonly leaf: Leaf | undefined;
}

function collect(directory: Directory, path: ByteString, surviving: Map<IndexEntry, Shown>): void {
  for (const [name, node] of directory.children) {
    const childPath = path === '' ? name : `${path}/${name}`;
    if (!isDirectory(node)) surviving.set(node.source.entry, { path: childPath, leaf: node });
    else {
      if (node.source !== undefined) surviving.set(node.source.entry, { path: childPath, leaf: undefined });
      collect(node, childPath, surviving);
    }
  }
}

function layerPieces(
  entries: readonly IndexEntry[],
  layer: number,
  surviving: ReadonlyMap<IndexEntry, Shown>,
): OverlayPiece[] {
  return directoriesFirst(entries, surviving).flatMap((entry) => {
    const shown = surviving.get(entry);
    return shown === undefined ? [] : entryPieces(entry, layer, shown);
  });
}

/** The entries that the image shows, in their order, but a directory not after what is in it. */
function directoriesFirst(
  entries: readonly IndexEntry[],
  surviving: ReadonlyMap<IndexEntry, Shown>,
): IndexEntry[] {
  const directories = new Map<ByteString, IndexEntry>();
  for (const entry of entries) {
    const path = entry.type === 'd' ? surviving.get(entry)?.path : undefined;
    if (path !== undefined) directories.set(path, entry);
  }
  const ordered = new Set<IndexEntry>();
  const entered = new Set<ByteString>(['']);
  function enter(path: ByteString): void {
    if (entered.has(path)) return;
    entered.add(path);
    enter(parentPath(path));
    const entry = directories.get(path);
    if (entry !== undefined) ordered.add(entry);
  }
  for (const entry of entries) {
    const path = surviving.get(entry)?.path;
    if (path === undefined) continue;
    enter(parentPath(path));
    ordered.add(entry);
  }
  return [...ordered];
}

function entryPieces(entry: IndexEntry, layer: number, { path, leaf }: Shown): OverlayPiece[] {
  const asItStands: OverlayPiece = { kind: 'range', layer, start: entry.offset, end: endOffset(entry) };
  if (leaf === undefined) return [path === entry.path ? asItStands : { kind: 'header', layer, entry, path }];
  const inode = leaf.inode as Inode;
  if (inode.firstPath !== undefined) {
    const link = inode.firstPath;
    const same = entry.type === 'h' && path === entry.path && link === entry.link;
    return [same ? asItStands : { kind: 'header', layer, entry, path, link }];
  }
  inode.firstPath = path;
  const content = inode.source;
  return content.entry === entry && path === entry.path ? [asItStands] : contentPieces(content, path);
}

/** The content of an entry under another name. */
function contentPieces({ layer, entry }: Source, path: ByteString): OverlayPiece[] {
  const header: OverlayPiece = { kind: 'header', layer, entry, path };
  if (entry.sizeBytes === 0) return [header];
  return [header, { kind: 'range', layer, start: entry.offset + entry.headerBytes, end: endOffset(entry) }];
}

function isDirectory(node: Node): node is Directory {
  return 'children' in node;
}

function baseName(path: ByteString): ByteString {
  return path.slice(path.lastIndexOf('/') + 1);
}

function splitPath(path: ByteString): ByteString[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

function invalid(path: ByteString, what: string): FetchError {
  return new FetchError('ERR_TAR_INVALID', `entry ${JSON.stringify(displayPath(path))}: ${what}`, {
    stage: 'convert',
  });
}
