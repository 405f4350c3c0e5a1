/** What the image shows of layers that stream in from the top one down. */

import { describe, expect, it } from 'vitest';
import { createLayerMerge, type Decision, type LayerMerge } from '../../../src/convert/merge.js';
import { layerOf } from './index-entries.js';

/** The decisions for the entries of all layers, top layer first, up to the first `odd`. */
function decide(...layers: string[][]): { merge: LayerMerge; decisions: string } {
  const merge = createLayerMerge();
  const decisions: Decision[] = [];
  for (const lines of layers) {
    for (const entry of layerOf(...lines)) {
      decisions.push(merge.decide(entry));
      if (decisions.at(-1) === 'odd') return { merge, decisions: decisions.join(' ') };
    }
    merge.endLayer();
  }
  return { merge, decisions: decisions.join(' ') };
}

type Row = readonly [what: string, layers: string[][], decisions: string];

const ORDINARY: readonly Row[] = [
  [
    'everything of one layer',
    [['d .', 'd a', 'f a/b', 'l a/c b', 'c dev', 'p pipe']],
    'keep keep keep keep keep keep',
  ],
  ['files of both layers', [['f a'], ['f b']], 'keep keep'],
  ['the upper of two files', [['f a'], ['f a']], 'keep hide'],
  [
    'the upper of two directories, and the content of both',
    [
      ['d a', 'f a/x'],
      ['d a', 'f a/y'],
    ],
    'keep keep hide keep',
  ],
  ['the uppermost of three', [['f a'], ['f a'], ['f a', 'f b']], 'keep hide hide keep'],
  ['nothing that is whited out', [['w a'], ['f a']], 'hide hide'],
  [
    'nothing below a directory that is whited out',
    [['w a'], ['d a', 'f a/b', 'd a/c', 'f a/c/d']],
    'hide hide hide hide hide',
  ],
  [
    'what is put back into a directory that is whited out',
    [
      ['w a', 'd a', 'f a/x'],
      ['d a', 'f a/y'],
    ],
    'hide keep keep hide hide',
  ],
  [
    'what is put back before its whiteout in the layer',
    [
      ['d a', 'f a/x', 'w a'],
      ['d a', 'f a/y'],
    ],
    'keep keep hide hide hide',
  ],
  ['a file that is put back by its whiteout\u2019s layer', [['f a', 'w a'], ['f a']], 'keep hide hide'],
  [
    'a file of the middle between a whiteout and what it hides',
    [['f b'], ['w a'], ['f a']],
    'keep hide hide',
  ],
  ['what stands above a whiteout', [['f a'], ['w a'], ['f a']], 'keep hide hide'],
  ['nothing of an opaque directory', [['o a'], ['d a', 'f a/b', 'f c']], 'hide keep hide keep'],
  [
    'the own entries of an opaque directory',
    [
      ['d a', 'f a/x', 'o a'],
      ['d a', 'f a/y'],
    ],
    'keep keep hide hide hide',
  ],
  ['nothing below an opaque root', [['o .'], ['d a', 'f a/b', 'f c']], 'hide hide hide hide'],
  [
    'nothing deep in an opaque directory',
    [['o a'], ['d a', 'd a/b', 'd a/b/c', 'f a/b/c/d']],
    'hide keep hide hide hide',
  ],
  ['the neighbour whose name begins the same', [['w a'], ['f ab', 'd a', 'f a/b']], 'hide keep hide hide'],
  ['nothing of a directory that became a file', [['f a'], ['d a', 'f a/b']], 'keep hide hide'],
  ['nothing of a directory that became a link', [['l a b'], ['d a', 'f a/b']], 'keep hide hide'],
  ['nothing of a file that became a directory', [['d a', 'f a/b'], ['f a']], 'keep keep hide'],
  [
    'nothing of a link that became a directory',
    [
      ['d a', 'f a/b'],
      ['l a c', 'f c'],
    ],
    'keep keep hide keep',
  ],
  // The middle layer's file is hidden itself, but replaced the directory for good.
  ['nothing below what a hidden file replaced', [['d a'], ['f a'], ['d a', 'f a/b']], 'keep hide hide hide'],
  ['a hard link in its layer', [['f a', 'h b a']], 'keep keep'],
  ['a hard link to a link in its layer', [['l a x', 'h b a', 'h c b']], 'keep keep keep'],
  ['no hard link that is hidden', [['f b'], ['f a', 'h b a']], 'keep keep hide'],
  ['entries without their directories', [['f a/b/c'], ['d a', 'd a/b', 'f a/b/d']], 'keep keep keep keep'],
  ['a directory after its whiteouts', [['w a/b', 'o a/c', 'd a', 'd a/c']], 'hide hide keep keep'],
  ['nothing in a layer of nothing', [[], ['f a'], []], 'keep'],
  ['a whiteout of what is not there', [['w x/y', 'o z'], ['f a']], 'hide hide keep'],
];

const ODD: readonly Row[] = [
  ['a path that is twice in one layer', [['f a', 'f a']], 'keep odd'],
  ['a directory that is twice in one layer', [['d a', 'f a/b', 'd a']], 'keep keep odd'],
  ['a hidden path that is twice in one layer', [['f a'], ['f a', 'f a']], 'keep hide odd'],
  ['a hard link to what comes later', [['h b a', 'f a']], 'odd'],
  ['a hard link to a lower layer', [['h b a'], ['f a']], 'odd'],
  ['a hard link to nothing', [['h b a']], 'odd'],
  ['a hard link to itself', [['h a a']], 'odd'],
  ['a hard link to itself, with a file of that name below', [['h a a'], ['f a']], 'odd'],
  ['a hard link to a directory', [['d a', 'h b a']], 'keep odd'],
  ['a hard link to the root', [['d .', 'h b .']], 'keep odd'],
  ['a hard link to a hidden file', [['f a'], ['f a', 'h b a']], 'keep hide odd'],
  ['a hard link to a file that is whited out', [['w a'], ['f a', 'h b a']], 'hide hide odd'],
  ['a directory after what is in it', [['f a/b', 'd a']], 'keep odd'],
  ['a directory after what is deep in it', [['d a/b', 'd a']], 'keep odd'],
  ['an entry below a file of its layer', [['f a', 'f a/b']], 'keep odd'],
  ['an entry below a link of its layer', [['l a c', 'f a/b']], 'keep odd'],
  ['an entry deep below a link of its layer', [['l a c', 'f a/b/c/d']], 'keep odd'],
  ['a whiteout below a link of its layer', [['l a c', 'w a/b']], 'keep odd'],
  ['an opaque directory that is a link of its layer', [['l a c', 'o a']], 'keep odd'],
  ['a link after what stands below it', [['f a/b', 'l a c']], 'keep odd'],
  ['a link under a file of an upper layer', [['f a/b'], ['l a c']], 'keep odd'],
  ['a file under a file of an upper layer', [['f a/b'], ['f a']], 'keep odd'],
  ['a link under a whiteout of an upper layer', [['w a/b'], ['l a c']], 'hide odd'],
  ['a link under opacity of an upper layer', [['o a'], ['l a c']], 'hide odd'],
  ['a link two layers under a file', [['f a/b'], ['f c'], ['l a c']], 'keep keep odd'],
  [
    'a link that is hidden now, but was followed by the layer above it',
    [['w a'], ['f a/b'], ['l a c']],
    'hide hide odd',
  ],
  ['a root after other entries', [['f a', 'd .']], 'keep odd'],
  ['a root in a lower layer only', [['f a'], ['d .']], 'keep odd'],
  ['a root in a layer under an empty one', [[], ['d .']], 'odd'],
  ['a root that is no directory', [['l . a']], 'odd'],
];

describe('layers from the top one down', () => {
  it.each(ORDINARY)('show %s', (_, layers, decisions) => {
    expect(decide(...layers).decisions).toBe(decisions);
  });

  it.each(ODD)('are odd with %s', (_, layers, decisions) => {
    expect(decide(...layers).decisions).toBe(decisions);
  });

  it('tell what the image has at a path', () => {
    const { merge } = decide(['d a', 'f a/x', 'w b', 'l s a'], ['d a', 'd b', 'f a/y', 'f a/x', 'd c']);
    const kinds = ['a', 'a/x', 'a/y', 's', 'c', 'b', 'none', ''].map((path) => merge.kindOf(path));
    expect(kinds).toEqual([
      'directory',
      'other',
      'other',
      'other',
      'directory',
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('tell it for the layer that is not over yet, too', () => {
    const merge = createLayerMerge();
    for (const entry of layerOf('w b', 'd a', 'f c')) merge.decide(entry);
    expect(['a', 'b', 'c'].map((path) => merge.kindOf(path))).toEqual(['directory', undefined, 'other']);
  });

  it('tell of directories that only what lies in them shows', () => {
    const { merge } = decide(['f dev/stdin/x', 'w a/b', 'w c'], ['f c/d', 'f e/f/g']);
    const kinds = ['dev', 'dev/stdin', 'e', 'e/f', 'a', 'c', 'dev/stdin/x'].map((path) => merge.kindOf(path));
    const shown = ['directory', 'directory', 'directory', 'directory', undefined, undefined, 'other'];
    expect(kinds).toEqual(shown);
  });
});

it('takes no longer for entries that lie deep', () => {
  const merge = createLayerMerge();
  const folder = 'a/'.repeat(2000);
  const entry = { offset: 0, headerBytes: 512, sizeBytes: 0 };
  const startMs = performance.now();
  for (let count = 0; count < 3000; count += 1) {
    merge.decide({ ...entry, type: 'f', path: `${folder}${count}` });
    merge.decide({ ...entry, type: 'w', path: `${folder}b/${count}` });
  }
  expect(performance.now() - startMs).toBeLessThan(5000);
});
