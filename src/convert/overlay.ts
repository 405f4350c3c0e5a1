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
  readonly inode: Inode;
  readonly source: Source;
}
type Node = Directory | Leaf;

/** As Linux has it for one path. */
const MAX_SYMLINKS = 40;

/**
 * `layers`: the indexes, top layer first, as everywhere. Whiteouts of a layer only hide what is below it, wherever
 * they stand; of two entries with one path the last counts; parents that are symbolic links are followed without
 * leaving the root; a hard link shares the content that its target has at that moment. The pieces come top layer
 * first, in the order of each layer, so the same layers always give the same bytes.
 * @throws FetchError ERR_TAR_INVALID for a link to nothing or an entry below a file
 */
export function overlayLayers(layers: readonly (readonly IndexEntry[])[]): Overlay {
  const root: Directory = { parent: undefined, children: new Map(), source: undefined };
  for (let layer = layers.length - 1; layer >= 0; layer--) applyLayer(root, layer, layers[layer] ?? []);
  const surviving = new Map<IndexEntry, { path: ByteString; leaf: Leaf | undefined }>();
  collect(root, '', surviving);
  const pieces = layers.flatMap((entries, layer) => layerPieces(entries, layer, surviving));
  return { root: root.source, pieces, kindOf: (path) => kindOf(root, path) };
}

function applyLayer(root: Directory, layer: number, entries: readonly IndexEntry[]): void {
  for (const entry of entries) {
    if (!isWhiteout(entry)) continue;
    if (entry.type === 'o') findDirectory(root, entry.path, 'find')?.children.clear();
    else findDirectory(root, parentPath(entry.path), 'find')?.children.delete(baseName(entry.path));
  }
  const early: IndexEntry[] = [];
  for (const entry of entries) {
    if (isWhiteout(entry)) continue;
    if (!applyEntry(root, { layer, entry })) early.push(entry);
  }
  // Links that stand before their target.
  for (const entry of early) {
    if (isReplacedLater(root, { layer, entry })) continue;
    if (!applyEntry(root, { layer, entry })) {
      throw invalid(
        entry.path,
        `a hard link to ${JSON.stringify(displayPath(entry.link ?? ''))}, which does not exist`,
      );
    }
  }
}

/** Whether a later entry of the same layer has the path of this one. */
function isReplacedLater(root: Directory, { layer, entry }: Source): boolean {
  const node = findDirectory(root, parentPath(entry.path), 'find')?.children.get(baseName(entry.path));
  return node?.source?.layer === layer && node.source.entry.offset > entry.offset;
}

/** False for a hard link whose target is not there. */
function applyEntry(root: Directory, source: Source): boolean {
  const { entry } = source;
  if (entry.path === '') {
    if (entry.type !== 'd') throw invalid('.', 'the root is not a directory');
    root.source = source;
    return true;
  }
  let inode: Inode = { source };
  if (entry.type === 'h') {
    const link = entry.link ?? '';
    const target = findDirectory(root, parentPath(link), 'find')?.children.get(baseName(link));
    if (target === undefined) return false;
    if (isDirectory(target)) throw invalid(entry.path, 'a hard link to a directory');
    inode = target.inode;
  }
  const parent = findDirectory(root, parentPath(entry.path), 'make');
  const name = baseName(entry.path);
  if (entry.type !== 'd') {
    parent.children.set(name, { inode, source });
    return true;
  }
  const existing = parent.children.get(name);
  if (existing !== undefined && isDirectory(existing)) existing.source = source;
  else parent.children.set(name, { parent, children: new Map(), source });
  return true;
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
      const { entry } = child.inode.source;
      if (entry.type !== 'l') {
        if (mode === 'find') return undefined;
        throw invalid(path, `${JSON.stringify(displayPath(name))} is not a directory`);
      }
      if (++symlinks > MAX_SYMLINKS) throw invalid(path, 'too many symbolic links');
      const target = entry.link ?? '';
      if (target.startsWith('/')) directory = root;
      todo.push(...splitPath(target).reverse());
    }
  }
  return directory;
}

function kindOf(root: Directory, path: ByteString): 'directory' | 'other' | undefined {
  const node = findDirectory(root, parentPath(path), 'find')?.children.get(baseName(path));
  if (node === undefined) return undefined;
  return isDirectory(node) ? 'directory' : 'other';
}

function collect(
  directory: Directory,
  path: ByteString,
  surviving: Map<IndexEntry, { path: ByteString; leaf: Leaf | undefined }>,
): void {
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
  surviving: ReadonlyMap<IndexEntry, { path: ByteString; leaf: Leaf | undefined }>,
): OverlayPiece[] {
  const pieces: OverlayPiece[] = [];
  for (const entry of entries) {
    const found = surviving.get(entry);
    if (found === undefined) continue;
    const { path, leaf } = found;
    const asItStands: OverlayPiece = { kind: 'range', layer, start: entry.offset, end: endOffset(entry) };
    if (leaf === undefined) {
      pieces.push(path === entry.path ? asItStands : { kind: 'header', layer, entry, path });
    } else if (leaf.inode.firstPath !== undefined) {
      const link = leaf.inode.firstPath;
      const same = entry.type === 'h' && path === entry.path && link === entry.link;
      pieces.push(same ? asItStands : { kind: 'header', layer, entry, path, link });
    } else {
      leaf.inode.firstPath = path;
      const content = leaf.inode.source;
      if (content.entry === entry && path === entry.path) pieces.push(asItStands);
      else pieces.push(...contentPieces(content, path));
    }
  }
  return pieces;
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
