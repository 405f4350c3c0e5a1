/** What is kept of a hash over content gives the digests of the whole, now and later. */

import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { digestFor, keepSha512, startContentHashes } from '../../../src/trust/digest.js';
import {
  type ContentHashRequest,
  DEFERRED_HASHES,
  type HashAlgorithm,
  type KeptHash,
} from '../../../src/trust/signature.js';
import { createSha512 } from '../../../wasm/sha512.js';

const content = randomBytes(300_001);
const trailer = Buffer.from('signed fields');
const otherTrailer = Buffer.from('signed fields of another signature');
const salt = randomBytes(32);

function expected(hashAlgorithm: HashAlgorithm, end: Buffer, begin = Buffer.alloc(0)): string {
  return createHash(hashAlgorithm).update(begin).update(content).update(end).digest('hex');
}

async function keptOf(requests: readonly ContentHashRequest[]): Promise<KeptHash[]> {
  // As in a fetch: the request goes to a thread, the answer comes back and is written to a record.
  const hashes = await startContentHashes(structuredClone(requests));
  for (let at = 0; at < content.length; at += 70_001) hashes.update(content.subarray(at, at + 70_001));
  return JSON.parse(JSON.stringify(await hashes.finish())) as KeptHash[];
}

async function digestHex(
  packet: Parameters<typeof digestFor>[0],
  hashes: readonly KeptHash[],
): Promise<string | undefined> {
  const digest = await digestFor(packet, hashes);
  return digest === undefined ? undefined : Buffer.from(digest).toString('hex');
}

describe('the digest that a signature is of', () => {
  it.each<HashAlgorithm>(['sha224', 'sha256', 'sha384', 'sha512', 'sha3-256', 'sha3-512'])(
    'is that of content and trailer, with %s',
    async (algorithm) => {
      const trailers = [trailer, otherTrailer].map((bytes) => bytes.toString('base64'));
      const kept = await keptOf([{ algorithm, trailers }]);
      for (const end of [trailer, otherTrailer]) {
        const packet = { hashAlgorithm: algorithm, trailer: end };
        expect(await digestHex(packet, kept)).toBe(expected(algorithm, end));
      }
    },
  );

  it.each<HashAlgorithm>(['sha256', 'sha512'])('begins with its salt, with %s', async (algorithm) => {
    const kept = await keptOf([
      { algorithm, salt: salt.toString('base64'), trailers: [trailer.toString('base64')] },
    ]);
    expect(await digestHex({ hashAlgorithm: algorithm, salt, trailer }, kept)).toBe(
      expected(algorithm, trailer, salt),
    );
    expect(await digestHex({ hashAlgorithm: algorithm, trailer }, kept)).toBeUndefined();
    expect(
      await digestHex({ hashAlgorithm: algorithm, salt: randomBytes(32), trailer }, kept),
    ).toBeUndefined();
  });

  it('can be computed for a signature that came later, from a state that was kept', async () => {
    const kept = await keptOf(DEFERRED_HASHES);
    for (const hashAlgorithm of ['sha256', 'sha512'] as const) {
      expect(await digestHex({ hashAlgorithm, trailer }, kept)).toBe(expected(hashAlgorithm, trailer));
    }
    expect(await digestHex({ hashAlgorithm: 'sha384', trailer }, kept)).toBeUndefined();
  });

  it('is there for the signatures asked for alone where no state was kept', async () => {
    const kept = await keptOf([{ algorithm: 'sha256', trailers: [trailer.toString('base64')] }]);
    expect(kept[0]?.state).toBeUndefined();
    expect(await digestHex({ hashAlgorithm: 'sha256', trailer: otherTrailer }, kept)).toBeUndefined();
  });

  it('can be computed from the hash that gives the ID of an uncompressed image', async () => {
    const hash = await createSha512();
    hash.update(content);
    const kept = await keepSha512(hash.save(), [trailer.toString('base64')]);
    expect(kept).toEqual(
      (await keptOf([{ algorithm: 'sha512', trailers: [trailer.toString('base64')] }]))[0],
    );
    expect(hash.digestHex()).toBe(createHash('sha512').update(content).digest('hex'));
  });

  it('goes on from a state of the other kernel', async () => {
    const hash = await createSha512({ kernel: 'hash-wasm' });
    hash.update(content);
    const kept = await keepSha512(hash.save(), []);
    expect(await digestHex({ hashAlgorithm: 'sha512', trailer }, [kept])).toBe(expected('sha512', trailer));
  });

  it('is unknown when the state is damaged', async () => {
    const [kept] = await keptOf([{ algorithm: 'sha512', trailers: [] }]);
    const state = Buffer.from(kept?.state ?? '', 'base64');
    state[state.length - 1] = (state.at(-1) as number) ^ 1;
    const damaged = { ...(kept as KeptHash), state: state.toString('base64') };
    expect(await digestHex({ hashAlgorithm: 'sha512', trailer }, [damaged])).toBeUndefined();
  });
});

describe('what is kept', () => {
  it('is small', async () => {
    const kept = await keptOf([...DEFERRED_HASHES, { algorithm: 'sha384', trailers: ['AAAA'] }]);
    expect(JSON.stringify(kept).length).toBeLessThan(1500);
  });
});
