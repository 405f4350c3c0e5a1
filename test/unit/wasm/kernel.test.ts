/** The SHA-512 kernel against node:crypto and hash-wasm: lengths, chunkings, saved states, what it refuses. */

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { sealState } from '../../../wasm/saved-state.js';
import { createSha512 } from '../../../wasm/sha512.js';
import { loadKernel } from '../../../wasm/sha512-kernel.js';
import { createRandom, withRandom } from '../../support/images/random.js';
import { run } from '../../support/process.js';
import { projectDir } from '../../support/project.js';

const BLOCK_BYTES = 128;
const KERNELS = ['simd', 'hash-wasm'] as const;
type KernelName = (typeof KERNELS)[number];

const data = createRandom(512).bytes(400_000);

function expected(bytes: Uint8Array): string {
  return createHash('sha512').update(bytes).digest('hex');
}

async function hashOf(chunks: readonly Uint8Array[], kernel: KernelName = 'simd'): Promise<string> {
  const hash = await createSha512({ kernel });
  for (const chunk of chunks) hash.update(chunk);
  return hash.digestHex();
}

/** The digests of the first bytes of `data` that `kernel` has wrong. */
async function wrongLengths(lengths: readonly number[], kernel: KernelName): Promise<number[]> {
  const wrong: number[] = [];
  for (const length of lengths) {
    const bytes = data.subarray(0, length);
    if ((await hashOf([bytes], kernel)) !== expected(bytes)) wrong.push(length);
  }
  return wrong;
}

describe.each(KERNELS)('SHA-512 by %s', (kernel) => {
  // FIPS 180-4, as its examples have them.
  it.each([
    [
      'abc',
      'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
    ],
    [
      'abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu',
      '8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909',
    ],
  ])('gives the published digest of %j', async (message, digest) => {
    expect(await hashOf([Buffer.from(message)], kernel)).toBe(digest);
  });

  it('gives the digest of every length up to 300', async () => {
    const lengths = Array.from({ length: 301 }, (_, length) => length);
    expect(await wrongLengths(lengths, kernel)).toEqual([]);
  });

  it('gives the digest of a stream, however it is cut', async () => {
    await withRandom(async (random) => {
      for (let round = 0; round < 30; round++) {
        const bytes = random.bytes(random.int(0, 300_000));
        const longest = random.pick([3, 130, 5_000, 200_000]);
        const chunks: Buffer[] = [];
        for (let at = 0; at < bytes.length; ) {
          const chunk = bytes.subarray(at, at + random.int(0, longest));
          chunks.push(chunk);
          at += chunk.length;
        }
        expect(await hashOf(chunks, kernel)).toBe(expected(bytes));
      }
    });
  });

  it('goes on from a state saved at any place of a block', async () => {
    const wrong: number[] = [];
    for (let at = 0; at <= 2 * BLOCK_BYTES; at++) {
      const first = await createSha512({ kernel });
      first.update(data.subarray(0, at));
      const state = first.save();
      const second = await createSha512({ kernel });
      second.update(data.subarray(7, 1000));
      second.load(state);
      for (const hash of [first, second]) hash.update(data.subarray(at, 700));
      const digests = new Set([first.digestHex(), second.digestHex(), expected(data.subarray(0, 700))]);
      if (digests.size !== 1) wrong.push(at);
    }
    expect(wrong).toEqual([]);
  });

  it('goes on from a saved state after the end of a hash', async () => {
    const hash = await createSha512({ kernel });
    hash.update(data.subarray(0, 1000));
    const state = hash.save();
    hash.digestHex();
    hash.load(state);
    expect(hash.digestHex()).toBe(expected(data.subarray(0, 1000)));
  });

  it('says in a state what wrote it, in at most 300 bytes', async () => {
    const hash = await createSha512({ kernel });
    hash.update(data.subarray(0, 2 * BLOCK_BYTES - 1));
    const state = Buffer.from(hash.save());
    expect(state.toString('latin1', 0, 8)).toBe(kernel === 'simd' ? 'sha512k1' : 'sha512h1');
    expect(state.length).toBeLessThanOrEqual(300);
  });

  it('refuses what is not a state of its own, and stays as it was', async () => {
    const hash = await createSha512({ kernel });
    hash.update(data.subarray(0, 200));
    const state = Buffer.from(hash.save());
    const other = await createSha512({ kernel: kernel === 'simd' ? 'hash-wasm' : 'simd' });
    const bad = [
      Buffer.alloc(0),
      Buffer.alloc(state.length),
      state.subarray(0, 7),
      state.subarray(0, 16),
      state.subarray(0, -1),
      Buffer.concat([state, Buffer.alloc(1)]),
      other.save(),
      ...[0, 7, 8, 15, 16, 40, state.length - 1].map((at) => withFlippedBit(state, at)),
    ];
    for (const bytes of bad) expect(() => hash.load(bytes)).toThrow();
    hash.update(data.subarray(200, 500));
    expect(hash.digestHex()).toBe(expected(data.subarray(0, 500)));
  });

  it('ends with the digest', async () => {
    const hash = await createSha512({ kernel });
    hash.digestHex();
    expect(() => hash.update(data)).toThrow();
    expect(() => hash.save()).toThrow();
    expect(() => hash.digestHex()).toThrow();
  });
});

function withFlippedBit(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

describe('the kernel', () => {
  const input = loadKernel()?.input;
  const inputBytes = input?.length ?? 0;

  it('has room for whole blocks, on the boundary of a vector', () => {
    expect(inputBytes).toBeGreaterThan(0);
    expect(inputBytes % BLOCK_BYTES).toBe(0);
    expect((input?.byteOffset ?? 1) % 16).toBe(0);
  });

  it.each([1, 2, 3])(
    'gives the digest of lengths around %i times its room, and around blocks',
    async (times) => {
      const lengths: number[] = [];
      for (let around = -130; around <= 130; around++) lengths.push(times * inputBytes + around);
      for (let blocks = 3; blocks < 40; blocks++) {
        for (let around = -18; around <= 2; around++) lengths.push(times * blocks * BLOCK_BYTES + around);
      }
      expect(await wrongLengths(lengths, 'simd')).toEqual([]);
    },
  );

  it.each([1, 64, 127])('fills its room to the end behind %i bytes of a begun block', async (begun) => {
    for (const more of [inputBytes - begun - 1, inputBytes - begun, inputBytes - begun + 1, 2 * inputBytes]) {
      const chunks = [data.subarray(0, begun), data.subarray(begun, begun + more)];
      expect(await hashOf(chunks)).toBe(expected(data.subarray(0, begun + more)));
    }
  });

  it('takes Buffers, views and shared memory', async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(5_000));
    shared.set(data.subarray(0, 5_000));
    const views = [data.subarray(0, 5_000), Uint8Array.from(data.subarray(0, 5_000)), shared];
    for (const view of views) expect(await hashOf([view])).toBe(expected(data.subarray(0, 5_000)));
  });

  it('leaves what it is given alone', async () => {
    const bytes = Buffer.from(data.subarray(0, 10_000));
    await hashOf([bytes]);
    expect(bytes.equals(data.subarray(0, 10_000))).toBe(true);
  });

  it('serves several hashes of a thread in turn', async () => {
    await withRandom(async (random) => {
      const hashes = await Promise.all(
        Array.from({ length: 5 }, async () => ({ hash: await createSha512(), bytes: [] as Buffer[] })),
      );
      for (let step = 0; step < 200; step++) {
        const { hash, bytes } = random.pick(hashes);
        const chunk = random.bytes(random.int(0, 1000));
        hash.update(chunk);
        bytes.push(chunk);
      }
      for (const { hash, bytes } of hashes) expect(hash.digestHex()).toBe(expected(Buffer.concat(bytes)));
    });
  });

  // The states after so many zeros, which takes too long here, and what node:crypto makes of them and "abc".
  it.each([
    [
      2 ** 29,
      'a95f2a1c77bf03f064304bbf24fe3ffd1dcde35bf925cfc9d88d50f1820441b4350a503a5eb23a6fdd1619565bc3b7472f69e52c5053abb018dc0a25dc28ea92',
      '27bf03b06ec070ede888d044bae3e9190c216df8959b58794dd02ceaa21b1f8572806270852b27c6dc03ada6dc30498395c70a4e2819bf69b327e2d027867f6a',
    ],
    [
      2 ** 32,
      '9993b45f7cf795ad7e0cb6acc72143fb78462413aa6801da17f55395a14546c6e228ddb6bcea02d1e61d4c13869d2f14a7d33b749ebe4333cc488be37fae34dd',
      '1ace1917615758323a4a9a30248dda743c677efef5bb1cf0d7b8863dc3e072e2504672d40ce447cad1b9d310d134349fb6ad8b74915efb6690c521abb088b727',
    ],
  ])('counts beyond %i bytes', async (length, state, digest) => {
    const hash = await createSha512({ kernel: 'simd' });
    hash.load(savedState(BigInt(length), Buffer.from(state, 'hex')));
    hash.update(Buffer.from('abc'));
    const again = await createSha512({ kernel: 'simd' });
    again.load(hash.save());
    expect([hash.digestHex(), again.digestHex()]).toEqual([digest, digest]);
  });

  it.each([
    ['a length that is no length', savedState(2n ** 63n, Buffer.alloc(64))],
    ['more bytes than its length says', savedState(256n, Buffer.alloc(65))],
    ['fewer bytes than its length says', savedState(257n, Buffer.alloc(64))],
    ['no state', sealState('sha512k1', Buffer.alloc(71))],
  ])('refuses a state with %s', async (_, state) => {
    const hash = await createSha512({ kernel: 'simd' });
    expect(() => hash.load(state)).toThrow(TypeError);
  });

  it('is what a hash uses by default', async () => {
    const [byDefault, simd] = [await createSha512(), await createSha512({ kernel: 'simd' })];
    for (const hash of [byDefault, simd]) hash.update(data);
    expect(byDefault.save()).toEqual(simd.save());
  });

  it.runIf(process.arch === 'x64')('gives way to hash-wasm on a processor without SIMD', async () => {
    const module = pathToFileURL(join(projectDir, 'dist', 'wasm', 'sha512.js')).href;
    const script = `
      import { createSha512 } from ${JSON.stringify(module)};
      const hash = await createSha512();
      hash.update(Buffer.from('abc'));
      const label = Buffer.from(hash.save()).toString('latin1', 0, 8);
      const refusal = await createSha512({ kernel: 'simd' }).catch((error) => error.message);
      process.stdout.write([label, hash.digestHex(), refusal].join(' '));`;
    const args = ['--no-enable-sse4-1', '--input-type=module', '--eval', script];
    const { stdout, stderr } = await run(process.execPath, args);
    expect(stdout, stderr).toBe(`sha512h1 ${expected(Buffer.from('abc'))} WebAssembly has no SIMD here`);
  });
});

function savedState(length: bigint, stateAndPending: Uint8Array): Uint8Array {
  const field = Buffer.alloc(8);
  field.writeBigUInt64BE(length);
  return sealState('sha512k1', Buffer.concat([field, stateAndPending]));
}
