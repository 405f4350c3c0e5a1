/** Layers applied to each other as the OCI specification has it. */

import { describe, expect, it } from 'vitest';
import { endOffset } from '../../../src/convert/layer-index.js';
import { type OverlayPiece, overlayLayers } from '../../../src/convert/overlay.js';
import { layerOf } from './index-entries.js';

/** The pieces in words, top layer first: `1 f a` as it stands, `1 f a -> b` renamed, `= c` as a hard link to c. */
function overlay(...layers: string[][]): string[] {
  const indexes = layers.map((lines) => layerOf(...lines));
  const words: string[] = [];
  for (const piece of overlayLayers(indexes).pieces) words.push(...wordsOf(piece, indexes));
  return words;
}

function wordsOf(piece: OverlayPiece, indexes: ReturnType<typeof layerOf>[]): string[] {
  const { layer } = piece;
  if (piece.kind === 'header') {
    const { type, path } = piece.entry;
    return [`${layer} ${type} ${path} -> ${piece.path}${piece.link === undefined ? '' : ` = ${piece.link}`}`];
  }
  const entry = indexes[layer]?.find(
    (candidate) => endOffset(candidate) === piece.end && candidate.headerBytes > 0,
  );
  if (entry === undefined) throw new Error(`no entry ends at ${piece.end}`);
  if (piece.start === entry.offset) return [`${layer} ${entry.type} ${entry.path || '.'}`];
  expect(piece.start).toBe(entry.offset + entry.headerBytes);
  return [`${layer} content of ${entry.path}`];
}

type Row = readonly [what: string, layers: string[][], pieces: string[]];

const CASES: readonly Row[] = [
  [
    'keep what no layer hides, top layer first',
    [
      ['f a', 'd d'],
      ['f b', 'f d/x'],
    ],
    ['0 f a', '0 d d', '1 f b', '1 f d/x'],
  ],
  ['show the upper of two files', [['f a'], ['f a']], ['0 f a']],
  [
    'show the upper of two directories with the content of both',
    [['d a'], ['d a', 'f a/x']],
    ['0 d a', '1 f a/x'],
  ],
  ['hide what is whited out, with all below', [['w a'], ['d a', 'f a/x', 'f b']], ['1 f b']],
  ['hide lower layers only, with the whiteout first', [['w a', 'f a'], ['f a']], ['0 f a']],
  ['hide lower layers only, with the whiteout last', [['f a', 'w a'], ['f a']], ['0 f a']],
  [
    'hide with an opaque directory first',
    [
      ['o d', 'd d', 'f d/x'],
      ['d d', 'f d/y'],
    ],
    ['0 d d', '0 f d/x'],
  ],
  [
    'hide with an opaque directory last',
    [
      ['d d', 'f d/x', 'o d'],
      ['d d', 'f d/y'],
    ],
    ['0 d d', '0 f d/x'],
  ],
  ['keep an opaque directory of a lower layer itself', [['o d'], ['d d', 'f d/y']], ['1 d d']],
  [
    'hide everything with an opaque root',
    [
      ['o .', 'f x'],
      ['d d', 'f d/y'],
    ],
    ['0 f x'],
  ],
  ['show again what a whiteout of a middle layer hid', [['f a'], ['w a'], ['f a']], ['0 f a']],
  ['replace a directory by a file', [['f a'], ['d a', 'f a/x']], ['0 f a']],
  ['replace a directory by a link', [['l a b'], ['d a', 'f a/x', 'd b']], ['0 l a', '1 d b']],
  [
    'replace a link by a directory',
    [
      ['d a', 'f a/x'],
      ['l a b', 'f b/y'],
    ],
    ['0 d a', '0 f a/x', '1 f b/y'],
  ],
  ['replace a file by a directory', [['d a', 'f a/x'], ['f a']], ['0 d a', '0 f a/x']],
  [
    'put a file through a link of a lower layer',
    [['f lib/x'], ['l lib usr/lib', 'd usr/lib']],
    ['0 f lib/x -> usr/lib/x', '0 content of lib/x', '1 l lib', '1 d usr/lib'],
  ],
  [
    'put a file through a link of its layer',
    [['l lib usr', 'd usr', 'f lib/x']],
    ['0 l lib', '0 d usr', '0 f lib/x -> usr/x', '0 content of lib/x'],
  ],
  [
    'put a file through an absolute link',
    [['f a/b/x'], ['l a/b /c', 'd c']],
    ['0 f a/b/x -> c/x', '0 content of a/b/x', '1 l a/b', '1 d c'],
  ],
  [
    'put a file through a link upwards',
    [['f a/b/x'], ['l a/b ../c', 'd c']],
    ['0 f a/b/x -> c/x', '0 content of a/b/x', '1 l a/b', '1 d c'],
  ],
  [
    'stop a link upwards at the root',
    [['f a/x'], ['l a ../../../c', 'd c']],
    ['0 f a/x -> c/x', '0 content of a/x', '1 l a', '1 d c'],
  ],
  [
    'put a file through a chain of links',
    [['f a/x'], ['l a b', 'l b c', 'd c']],
    ['0 f a/x -> c/x', '0 content of a/x', '1 l a', '1 l b', '1 d c'],
  ],
  [
    'make the directory that a link means',
    [['f a/x'], ['l a b/c']],
    ['0 f a/x -> b/c/x', '0 content of a/x', '1 l a'],
  ],
  ['put a directory through a link', [['d a/x'], ['l a b', 'd b']], ['0 d a/x -> b/x', '1 l a', '1 d b']],
  ['white out through a link', [['w a/x'], ['l a b', 'f b/x', 'f b/y']], ['1 l a', '1 f b/y']],
  ['hide through an opaque link', [['o a'], ['l a b', 'd b', 'f b/x']], ['1 l a', '1 d b']],
  ['replace a link by what is put at its own path', [['f a'], ['l a b', 'f b']], ['0 f a', '1 f b']],
  ['count the last of two files', [['f a', 'f b', 'f a']], ['0 f b', '0 f a']],
  [
    'count the last of two directories, with the content of both',
    [['d a', 'f a/x', 'd a']],
    ['0 d a', '0 f a/x'],
  ],
  ['count the last of a directory and a file', [['d a', 'f a/x', 'f a']], ['0 f a']],
  ['count the last of a link and a file', [['l a b', 'f a']], ['0 f a']],
  ['keep a hard link in its layer', [['f a', 'h b a']], ['0 f a', '0 h b']],
  [
    'give a hard link the content of its hidden target',
    [['f a'], ['f a', 'h b a']],
    ['0 f a', '1 f a -> b', '1 content of a'],
  ],
  [
    'give the second of two hard links a link to the first',
    [['w a'], ['f a', 'h b a', 'h c a']],
    ['1 f a -> b', '1 content of a', '1 h c -> c = b'],
  ],
  [
    'link to what comes later in the layer',
    [['h b a', 'f a']],
    ['0 f a -> b', '0 content of a', '0 f a -> a = b'],
  ],
  ['link to a symbolic link', [['h b a'], ['l a x']], ['1 l a -> b', '1 l a -> a = b']],
  ['link to a lower layer', [['h b a'], ['f a']], ['1 f a -> b', '1 content of a', '1 f a -> a = b']],
  [
    'link to what the target was at that time',
    [['f a'], ['h b a'], ['f a']],
    ['0 f a', '2 f a -> b', '2 content of a'],
  ],
  [
    'link through a symbolic link',
    [['h b d/a'], ['l d e', 'f e/a']],
    ['1 f e/a -> b', '1 content of e/a', '1 l d', '1 f e/a -> e/a = b'],
  ],
  [
    'link to what a whiteout of the layer hides, wherever it stands',
    [
      ['h b a', 'w a', 'h c a'],
      ['f a', 'f d'],
    ],
    ['1 f a -> b', '1 content of a', '0 h c -> c = b', '1 f d'],
  ],
  [
    'link to what an opaque directory of the layer hides',
    [['o d', 'h d/b d/a'], ['f d/a']],
    ['1 f d/a -> d/b', '1 content of d/a'],
  ],
  [
    'link to what went with a directory that the layer replaced',
    [['f d', 'h b d/a'], ['f d/a']],
    ['0 f d', '1 f d/a -> b', '1 content of d/a'],
  ],
  [
    'link to what the layer has rather than to what it hides',
    [['w a', 'h b a', 'f a'], ['f a']],
    ['0 f a -> b', '0 content of a', '0 f a -> a = b'],
  ],
  [
    'link over links that come later',
    [['h d c', 'h c b', 'h b a', 'f a']],
    ['0 f a -> d', '0 content of a', '0 h c -> c = d', '0 h b -> b = d', '0 f a -> a = d'],
  ],
  [
    'stand before what is in them when they are directories',
    [['f a/b/c', 'f a/d', 'd a/b', 'f e', 'd a'], ['f a/b/f']],
    ['0 d a', '0 d a/b', '0 f a/b/c', '0 f a/d', '0 f e', '1 f a/b/f'],
  ],
  [
    'stand before what is put into them through a link',
    [['f s/x', 'd d'], ['l s d']],
    ['0 d d', '0 f s/x -> d/x', '0 content of s/x', '1 l s'],
  ],
  ['show nothing of nothing', [[], []], []],
];

describe('layers applied to each other', () => {
  it.each(CASES)('%s', (_, layers, pieces) => {
    expect(overlay(...layers)).toEqual(pieces);
  });

  it('count the last of a hard link and a file, also when the link has to wait for its target', () => {
    expect(overlay(['h x t', 'f x', 'f t'])).toEqual(['0 f x', '0 f t']);
  });

  it('have the root of the uppermost layer that has one', () => {
    const layers = [layerOf('f a'), layerOf('d .'), layerOf('d .', 'f b')];
    const { root, pieces } = overlayLayers(layers);
    expect(root).toEqual({ layer: 1, entry: layers[1]?.[0] });
    expect(pieces.length).toBe(2);
    expect(overlayLayers([layerOf('f a')]).root).toBeUndefined();
  });

  it('have no piece twice and each hard link after its target', () => {
    const pieces = overlay(['h a/1 b/1', 'h a/2 a/1', 'w c'], ['h b/1 c/1'], ['f c/1']);
    expect(pieces).toEqual(['2 f c/1 -> a/1', '2 content of c/1', '0 h a/2', '1 h b/1 -> b/1 = a/1']);
  });

  it('tell what there is at a path', () => {
    const { kindOf } = overlayLayers([layerOf('w gone', 'f lib/x'), layerOf('l lib usr', 'f gone', 'd d')]);
    const kinds = ['lib', 'usr', 'usr/x', 'lib/x', 'd', 'gone', 'none/x'].map(kindOf);
    expect(kinds).toEqual(['other', 'directory', 'other', 'other', 'directory', undefined, undefined]);
  });

  it.each<[string, string[][]]>([
    ['a hard link to nothing', [['h b a']]],
    ['a hard link to what a lower layer hid', [['h b a'], ['w a'], ['f a']]],
    ['a hard link to a directory that its layer hides', [['h b a', 'w a'], ['d a']]],
    ['a hard link to what an upper layer has', [['f a'], ['h b a']]],
    ['a hard link to itself', [['h a a']]],
    ['two hard links to each other', [['h a b', 'h b a']]],
    ['a hard link to a directory', [['d a', 'h b a']]],
    ['a hard link to the root', [['h b .']]],
    ['a hard link into a file', [['f a', 'h b a/x']]],
    ['an entry below a file', [['f a', 'f a/b']]],
    ['an entry below a file of a lower layer', [['f a/b'], ['f a']]],
    ['an entry below a device', [['c a', 'f a/b']]],
    ['an entry below a link to a file', [['f a/b'], ['l a c', 'f c']]],
    ['an entry below a link to itself', [['f a/b'], ['l a a']]],
    ['an entry below a loop of links', [['f a/b'], ['l a b', 'l b a']]],
    ['an entry below an ever longer link', [['f a/b'], ['l a a/a']]],
    ['a root that is a file', [['f .']]],
    ['a root that is a link', [['l . a']]],
  ])('are refused for %s', (_, layers) => {
    const indexes = layers.map((lines) => layerOf(...lines));
    expect(() => overlayLayers(indexes)).toThrow(expect.objectContaining({ code: 'ERR_TAR_INVALID' }));
  });

  it('look into no loop of a lower layer for what their own layer has', () => {
    // The layer replaces a link of the loop by the directory that its hard link leads into.
    const upper = ['d d/a', 'f d/a/x', 'h b d/a/x', 'h b d/a/x'];
    expect(overlay(upper, ['d d', 'l d/a d/a'])).toEqual(['0 d d/a', '0 f d/a/x', '0 h b', '1 d d']);
  });

  it('hide nothing with a whiteout below a loop of links', () => {
    expect(overlay(['w a/x'], ['l a b', 'l b a', 'f c', 'f c'])).toEqual(['1 l a', '1 l b', '1 f c']);
  });

  it('follow forty links one after another', () => {
    const chain = Array.from({ length: 40 }, (_, at) => `l s${at} s${at + 1}`);
    expect(overlay(['f s0/x'], [...chain, 'd s40']).slice(0, 1)).toEqual(['0 f s0/x -> s40/x']);
  });
});
