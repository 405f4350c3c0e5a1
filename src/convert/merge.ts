/** Decides, while layers stream in from the top one down, which entries the image shows. */

import type { ByteString } from '../tar/entry.js';
import { parentPath } from '../tar/path.js';
import { type IndexEntry, isWhiteout } from './layer-index.js';

/**
 * keep: part of the image. hide: an upper layer has it, whited it out, or made its directory opaque.
 * odd: the layers below or the rest of this one decide, so this order does not fit and the image needs
 * `overlayLayers`.
 */
export type Decision = 'keep' | 'hide' | 'odd';

export interface LayerMerge {
  decide(entry: IndexEntry): Decision;
  /** The layer is over; the next entries are of the layer below it. */
  endLayer(): void;
  /** What the image has at this path by what was kept so far. */
  kindOf(path: ByteString): 'directory' | 'other' | undefined;
}

/**
 * Top layer first, an entry is hidden exactly when an upper layer has its path, has something other than a
 * directory above it, whited it out or made a directory above it opaque (OCI image-spec, layer.md).
 *
 * | found | decision |
 * |---|---|
 * | a path twice in one layer | odd: the last one counts, and it is still to come |
 * | a hard link to itself, to what this layer does not have before it, or to something hidden | odd |
 * | an entry below something that is not a directory in its own layer | odd |
 * | a directory after what its layer puts into it | odd: it stands before that in an ACI |
 * | an entry that is no directory where an upper layer put files below | odd: perhaps a symbolic link to follow |
 * | the root directory, when no upper layer has it, anywhere but first in the top layer | odd: its header stands first in an ACI |
 */
export function createLayerMerge(): LayerMerge {
  /** Paths that the image has from upper layers, and whether they are directories. */
  const taken = new Map<ByteString, boolean>();
  /** Paths that lower layers cannot reach, nor anything below: whiteouts, and what is no directory. */
  const cut = new Set<ByteString>();
  const opaque = new Set<ByteString>();
  /** Directories that entries of some layer lie in without the layer having them as entries. */
  const implied = new Set<ByteString>();
  /** Those of this layer that have more than whiteouts in them. */
  let entered = new Set<ByteString>();
  /** Those of this layer that had nothing but whiteouts in them at first. */
  let whitedOutInside = new Set<ByteString>();
  /** Directories of the image that no entry names. */
  const shown = new Set<ByteString>();
  let own = new Map<ByteString, { isDirectory: boolean; kept: boolean }>();
  let ownWhiteouts: IndexEntry[] = [];
  let hiddenDirectories = new Map<ByteString, boolean>();
  let isFirstEntry = true;

  /** Whether upper layers hide everything in this directory. */
  function hidesInside(directory: ByteString): boolean {
    const known = hiddenDirectories.get(directory);
    if (known !== undefined) return known;
    const hides =
      cut.has(directory) || opaque.has(directory) || (directory !== '' && hidesInside(parentPath(directory)));
    hiddenDirectories.set(directory, hides);
    return hides;
  }

  /**
   * Notes the directories from `directory` up that the layer does not have; false when one is no directory. Ends at one
   * that was noted before, for those above it were noted then: what they may have become since is a directory, or odd.
   */
  function imply(directory: ByteString, isWhiteoutInside: boolean): boolean {
    for (let path = directory; path !== ''; path = parentPath(path)) {
      const entry = own.get(path);
      if (entry !== undefined) return entry.isDirectory;
      if (entered.has(path) || (isWhiteoutInside && whitedOutInside.has(path))) return true;
      implied.add(path);
      (isWhiteoutInside ? whitedOutInside : entered).add(path);
    }
    return true;
  }

  function decide(entry: IndexEntry): Decision {
    const { path } = entry;
    if (isWhiteout(entry)) {
      isFirstEntry = false;
      ownWhiteouts.push(entry);
      return imply(entry.type === 'o' ? path : parentPath(path), true) ? 'hide' : 'odd';
    }
    const isDirectory = entry.type === 'd';
    if (path === '' && !(isDirectory && (isFirstEntry || taken.has('')))) return 'odd';
    isFirstEntry = false;
    if (own.has(path) || (isDirectory ? entered : implied).has(path)) return 'odd';
    if (!imply(parentPath(path), false)) return 'odd';
    const hidden = taken.has(path) || cut.has(path) || (path !== '' && hidesInside(parentPath(path)));
    own.set(path, { isDirectory, kept: !hidden });
    if (hidden) return 'hide';
    if (entry.type === 'h') {
      const target = entry.link === path ? undefined : own.get(entry.link ?? '');
      if (target === undefined || !target.kept || target.isDirectory) return 'odd';
    }
    showParents(path);
    return 'keep';
  }

  /** Notes the directories that are there because something in them is, from the nearest up. */
  function showParents(path: ByteString): void {
    for (let parent = parentPath(path); parent !== ''; parent = parentPath(parent)) {
      if (own.has(parent) || taken.has(parent) || shown.has(parent)) return;
      shown.add(parent);
    }
  }

  function endLayer(): void {
    for (const [path, { isDirectory, kept }] of own) {
      if (kept) taken.set(path, isDirectory);
      // Also when it is hidden itself: it replaced what lower layers had below that path.
      if (!isDirectory) cut.add(path);
    }
    for (const { type, path } of ownWhiteouts) (type === 'o' ? opaque : cut).add(path);
    own = new Map();
    entered = new Set();
    whitedOutInside = new Set();
    ownWhiteouts = [];
    hiddenDirectories = new Map();
    isFirstEntry = false;
  }

  function kindOf(path: ByteString): 'directory' | 'other' | undefined {
    const entry = own.get(path);
    const isDirectory = taken.get(path) ?? (entry?.kept === true ? entry.isDirectory : undefined);
    if (isDirectory === undefined) return shown.has(path) ? 'directory' : undefined;
    return isDirectory ? 'directory' : 'other';
  }

  return { decide, endLayer, kindOf };
}
