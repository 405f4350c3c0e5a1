/** A thousand random stacks of layers, as in the unit test of the same name. */

import { rmSync } from 'node:fs';
import { expect, it } from 'vitest';
import { runSeed } from '../support/images/random.js';
import { checkStack, describeStack } from '../support/layer-check.js';
import { randomStack } from '../support/layer-stacks.js';
import { tempDir } from '../support/temp.js';

const STACKS = 1000;

it('an ACI of random layers has what the layer specification says, whenever the layers arrive', async () => {
  const first = runSeed();
  for (let seed = first; seed < first + STACKS; seed += 1) {
    const directory = tempDir('layers-');
    const stack = randomStack(seed);
    const { problems } = await checkStack(directory, stack);
    expect(problems, `ACI_TEST_SEED=${seed}\n${describeStack(stack)}`).toEqual([]);
    rmSync(directory, { recursive: true });
  }
});
