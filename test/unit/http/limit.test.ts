/** Bounded reads. */

import { expect, it } from 'vitest';
import { readBounded } from '../../../src/http/limit.js';

it.each([
  [0, 0],
  [9, 10],
  [10, 10],
])('reads %i bytes where %i are allowed', async (sizeBytes, maxBytes) => {
  const { body } = countedBody(sizeBytes);
  expect(await readBounded(body, maxBytes, 'the thing', 'resolve')).toHaveLength(sizeBytes);
});

it('fails at the first byte past the bound, and reads no further', async () => {
  const { body, state } = countedBody(1000);
  await expect(readBounded(body, 10, 'the thing', 'resolve')).rejects.toMatchObject({
    code: 'ERR_LIMIT',
    stage: 'resolve',
  });
  expect(state).toEqual({ yieldedBytes: 11, isClosed: true });
});

function countedBody(sizeBytes: number) {
  const state = { yieldedBytes: 0, isClosed: false };
  async function* bytes() {
    try {
      while (state.yieldedBytes < sizeBytes) {
        state.yieldedBytes++;
        yield Buffer.from('x');
      }
    } finally {
      state.isClosed = true;
    }
  }
  return { body: bytes(), state };
}
