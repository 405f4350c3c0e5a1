/** Random stacks of layers give the tree that the OCI layer specification says, as one valid ACI. */

import { rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { runSeed } from '../../support/images/random.js';
import type { NamedEntry } from '../../support/images/tar.js';
import { checkStack, describeStack } from '../../support/layer-check.js';
import { applyLayers } from '../../support/layer-model.js';
import { randomStack } from '../../support/layer-stacks.js';
import { tempDir } from '../../support/temp.js';

const STACKS = 100;

describe('an ACI of random layers', () => {
  it('has what the layer specification says, whenever the layers arrive', async () => {
    const first = runSeed();
    const seen = { streamed: 0, overlaid: 0, valid: 0 };
    for (let seed = first; seed < first + STACKS; seed += 1) {
      const directory = tempDir('layers-');
      const stack = randomStack(seed);
      const { problems, verdict, streamed } = await checkStack(directory, stack);
      expect(problems, `ACI_TEST_SEED=${seed}\n${describeStack(stack)}`).toEqual([]);
      rmSync(directory, { recursive: true });
      seen[streamed ? 'streamed' : 'overlaid'] += 1;
      if (verdict === 'valid') seen.valid += 1;
    }
    // The stacks have to be of both sorts for this to mean anything.
    expect(seen.streamed).toBeGreaterThan(STACKS / 10);
    expect(seen.overlaid).toBeGreaterThan(STACKS / 4);
    expect(seen.valid).toBeGreaterThan(STACKS / 2);
  });
});

const file = (path: string, data = path): NamedEntry => ({ path, data });
const directory = (path: string): NamedEntry => ({ path, type: 'directory' });
const symlink = (path: string, linkname: string): NamedEntry => ({ path, type: 'symlink', linkname });
const hardlink = (path: string, linkname: string): NamedEntry => ({ path, type: 'hardlink', linkname });

/** What the model itself says, by hand. */
describe('the model', () => {
  it.each<[string, NamedEntry[][], string[]]>([
    ['hides lower layers with a whiteout', [[file('a'), file('b')], [file('.wh.a')]], ['b']],
    ['hides no own entries with a whiteout', [[file('a')], [file('a'), file('.wh.a')]], ['a']],
    ['hides all below an opaque directory', [[file('d/a')], [file('d/.wh..wh..opq'), file('d/b')]], ['d/b']],
    ['replaces a directory by a file', [[directory('d'), file('d/a')], [file('d')]], ['d']],
    ['follows a link above an entry', [[symlink('l', 'd')], [file('l/a')]], ['d/a', 'l']],
    ['stays in the root', [[symlink('l', '../../d')], [file('l/a')]], ['d/a', 'l']],
    ['links to a lower layer', [[file('a')], [hardlink('b', 'a')], [file('.wh.a')]], ['b']],
    ['links to what comes later', [[hardlink('b', 'a'), file('a')]], ['a', 'b']],
  ])('%s', (_, layers, paths) => {
    const { tree, verdict } = applyLayers(layers);
    expect(verdict).toBe('valid');
    expect([...tree.keys()].sort()).toEqual(paths);
  });

  it.each<[string, NamedEntry[][], string]>([
    ['an entry below a file', [[file('a'), file('a/b')]], 'invalid'],
    ['a loop of links', [[symlink('a', 'b'), symlink('b', 'a'), file('a/x')]], 'invalid'],
    ['a link to nothing', [[hardlink('a', 'b')]], 'invalid'],
    ['a link to nothing that an upper layer hides', [[hardlink('a', 'b')], [file('a')]], 'doubtful'],
    ['a link to a directory', [[directory('a'), hardlink('b', 'a')]], 'invalid'],
  ])('judges %s', (_, layers, verdict) => {
    expect(applyLayers(layers).verdict).toBe(verdict);
  });
});
