/** The state of a running SHA-512, saved and taken up again. */

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createSha512 } from '../../../wasm/sha512.js';
import { createRandom } from '../../support/images/random.js';

const expectedOf = (bytes: Uint8Array): string => createHash('sha512').update(bytes).digest('hex');

describe.each(['simd', 'hash-wasm'] as const)('a running SHA-512 by %s', (kernel) => {
  it.each([0, 1, 63, 64, 127, 128, 129, 255, 256, 1000])(
    'goes on from a state after %i bytes',
    async (at) => {
      const bytes = createRandom(at).bytes(2000);
      const first = await createSha512({ kernel });
      first.update(bytes.subarray(0, at));
      const state = Buffer.from(first.save());
      const second = await createSha512({ kernel });
      second.update(Buffer.from('forgotten'));
      second.load(state);
      second.update(bytes.subarray(at));
      expect(second.digestHex()).toBe(expectedOf(bytes));
      // Saving has not changed the first.
      first.update(bytes.subarray(at));
      expect(first.digestHex()).toBe(expectedOf(bytes));
    },
  );

  it('keeps apart from others', async () => {
    const [one, two] = await Promise.all([createSha512({ kernel }), createSha512({ kernel })]);
    const [a, b] = [createRandom(1).bytes(1000), createRandom(2).bytes(1000)];
    for (let at = 0; at < 1000; at += 100) {
      one.update(a.subarray(at, at + 100));
      two.update(b.subarray(at, at + 100));
    }
    expect([one.digestHex(), two.digestHex()]).toEqual([expectedOf(a), expectedOf(b)]);
  });

  it('has taken its bytes when update returns', async () => {
    const hash = await createSha512({ kernel });
    const bytes = Buffer.from('content');
    hash.update(bytes);
    bytes.fill(0);
    expect(hash.digestHex()).toBe(expectedOf(Buffer.from('content')));
  });

  it('refuses a state that is none', async () => {
    const hash = await createSha512({ kernel });
    expect(() => hash.load(new Uint8Array(8))).toThrow();
  });
});
