/** Every implementation of SHA-512 gives what node:crypto gives: both in WebAssembly, and the system's tool. */

import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createSha512 } from '../../wasm/sha512.js';
import { createRandom, runSeed } from '../support/images/random.js';
import { runTool } from '../support/process.js';
import { tempDir } from '../support/temp.js';
import { hasTool } from '../support/tools.js';

const expectedOf = (bytes: Uint8Array): string => createHash('sha512').update(bytes).digest('hex');

describe.each(['simd', 'hash-wasm'] as const)('SHA-512 by %s', (kernel) => {
  async function hashOf(pieces: readonly Uint8Array[]): Promise<string> {
    const hash = await createSha512({ kernel });
    for (const piece of pieces) hash.update(piece);
    return hash.digestHex();
  }

  it('gives the digests of FIPS 180-4 examples', async () => {
    expect(await hashOf([Buffer.from('abc')])).toBe(
      'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
    );
    expect((await hashOf([])).slice(0, 16)).toBe('cf83e1357eefb8bd');
  });

  it('gives the digest of every length up to 300 bytes', async () => {
    const bytes = createRandom(1).bytes(300);
    for (let length = 0; length <= 300; length += 1) {
      const part = bytes.subarray(0, length);
      expect(await hashOf([part]), `${length} bytes`).toBe(expectedOf(part));
    }
  });

  // Blocks are 128 bytes, and the kernel's buffer is some KiB.
  it.each([128, 1024, 16_384, 65_536, 1_048_576])('gives the digest around %i bytes', async (edge) => {
    const bytes = createRandom(2).bytes(edge + 130);
    for (const length of [edge - 113, edge - 112, edge - 111, edge - 1, edge, edge + 1, edge + 129]) {
      const part = bytes.subarray(0, length);
      expect(await hashOf([part]), `${length} bytes`).toBe(expectedOf(part));
    }
  });

  it('does not depend on the pieces', async () => {
    const random = createRandom(runSeed());
    const bytes = random.bytes(200_000);
    for (let round = 0; round < 30; round += 1) {
      const pieces: Buffer[] = [];
      for (let at = 0; at < bytes.length; ) {
        const length = random.pick([0, 1, 127, 128, 129, random.int(1, 40_000)]);
        pieces.push(bytes.subarray(at, at + length));
        at += length;
      }
      expect(await hashOf(pieces), `ACI_TEST_SEED=${random.seed}`).toBe(expectedOf(bytes));
    }
  });

  it('takes views anywhere in their memory', async () => {
    const memory = new Uint8Array(createRandom(3).bytes(1000));
    for (const [from, to] of [
      [1, 999],
      [3, 130],
      [7, 7],
    ] as const) {
      const view = memory.subarray(from, to);
      expect(await hashOf([view])).toBe(expectedOf(view));
    }
  });

  it.runIf(hasTool('sha512sum'))('agrees with sha512sum', async () => {
    const path = join(tempDir(), 'x');
    const bytes = createRandom(4).bytes(3_000_001);
    writeFileSync(path, bytes);
    const { stdout } = await runTool('sha512sum', [path]);
    expect(stdout.slice(0, 128)).toBe(await hashOf([bytes]));
  });
});
