/** The inflate kernel against zlib on many thousands of damaged and of random deflate data. */

import { expect, it } from 'vitest';
import {
  differentVerdicts,
  isSameVerdict,
  kernelVerdict,
  randomBlocks,
  zlibVerdict,
} from '../support/deflate.js';
import { createRandom, runSeed } from '../support/images/random.js';

it('has the verdict of zlib on data that are damaged at random', () => {
  const seed = runSeed();
  expect(differentVerdicts(createRandom(seed), 60_000), `ACI_TEST_SEED=${seed}`).toEqual([]);
});

it('takes random codes and every symbol of them for what zlib does', () => {
  const random = createRandom(runSeed());
  for (let round = 0; round < 3000; round++) {
    const data = randomBlocks(random);
    const isSame = isSameVerdict(zlibVerdict(data), kernelVerdict([data]));
    expect(isSame, `round ${round}, ACI_TEST_SEED=${random.seed}`).toBe(true);
  }
});
