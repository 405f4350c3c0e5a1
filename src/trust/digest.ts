/** The hashes over content that signatures need: computed while it streams by, kept, and finished later. */

import { createHash } from 'node:crypto';
import { createSha256 } from '../../wasm/sha256.js';
import { createSha512, type Sha512 } from '../../wasm/sha512.js';
import {
  base64Of,
  type ContentHashRequest,
  type HashAlgorithm,
  type KeptHash,
  type SignaturePacket,
} from './signature.js';

export interface ContentHashes {
  update(bytes: Uint8Array): void;
  /** Ends the hashes; in the order of the requests. */
  finish(): Promise<KeptHash[]>;
}

/** Starts every hash of `requests`. Knows nothing of OpenPGP, so that a worker need not load it. */
export async function startContentHashes(requests: readonly ContentHashRequest[]): Promise<ContentHashes> {
  const hashes = await Promise.all(requests.map(startHash));
  return {
    update(bytes) {
      for (const hash of hashes) hash.update(bytes);
    },
    finish: () => Promise.all(hashes.map((hash) => hash.finish())),
  };
}

/**
 * What is kept of content whose plain SHA-512 was computed anyway, as that of an uncompressed ACI is for its ID:
 * `state` is saved before that hash ends.
 */
export async function keepSha512(state: Uint8Array, trailers: readonly string[]): Promise<KeptHash> {
  return keepState({ algorithm: 'sha512', trailers }, state);
}

/**
 * The digest that `packet` signs. Undefined when what was kept is not enough for it: another hash, or a state that
 * another version of this program or another kind of machine wrote.
 */
export async function digestFor(
  packet: Pick<SignaturePacket, 'hashAlgorithm' | 'salt' | 'trailer'>,
  hashes: readonly KeptHash[],
): Promise<Uint8Array | undefined> {
  const salt = packet.salt && base64Of(packet.salt);
  const trailer = base64Of(packet.trailer);
  const kept = hashes.filter((hash) => hash.algorithm === packet.hashAlgorithm && hash.salt === salt);
  const finished = kept.flatMap(({ digests }) => digests).find((digest) => digest.trailer === trailer);
  if (finished !== undefined) return Buffer.from(finished.digest, 'hex');
  for (const { algorithm, state } of kept) {
    if (state === undefined) continue;
    const digest = await finishState(algorithm, Buffer.from(state, 'base64'), packet.trailer);
    if (digest !== undefined) return Buffer.from(digest, 'hex');
  }
  return undefined;
}

interface RunningHash {
  update(bytes: Uint8Array): void;
  finish(): Promise<KeptHash>;
}

async function startHash(request: ContentHashRequest): Promise<RunningHash> {
  const salt = Buffer.from(request.salt ?? '', 'base64');
  if (request.algorithm !== 'sha512' && request.keepState !== true) return startPlainHash(request, salt);
  const [createHasher] = HASHERS_WITH_STATE[request.algorithm] ?? [];
  if (createHasher === undefined) throw new Error(`no ${request.algorithm} has a state that can be kept`);
  const hash = await createHasher();
  hash.update(salt);
  return { update: hash.update, finish: () => keepState(request, hash.save()) };
}

/** The fastest there is, but its state cannot be taken out. */
function startPlainHash({ algorithm, salt, trailers }: ContentHashRequest, saltBytes: Buffer): RunningHash {
  const hash = createHash(algorithm).update(saltBytes);
  return {
    update: (bytes) => void hash.update(bytes),
    finish: async () => ({
      algorithm,
      ...(salt === undefined ? {} : { salt }),
      digests: trailers.map((trailer) => ({
        trailer,
        digest: hash.copy().update(trailer, 'base64').digest('hex'),
      })),
    }),
  };
}

/** Ways to go on from a saved state, the one that new hashes are made with first. */
const HASHERS_WITH_STATE: Partial<Record<HashAlgorithm, readonly (() => Promise<Sha512>)[]>> = {
  sha512: [() => createSha512(), () => createSha512({ kernel: 'hash-wasm' })],
  sha256: [createSha256],
};

async function keepState(request: ContentHashRequest, state: Uint8Array): Promise<KeptHash> {
  const { algorithm, salt, trailers } = request;
  const digests: { trailer: string; digest: string }[] = [];
  for (const trailer of trailers) {
    const digest = await finishState(algorithm, state, Buffer.from(trailer, 'base64'));
    if (digest === undefined)
      throw new Error(`the state of a ${algorithm} that was just saved cannot be loaded`);
    digests.push({ trailer, digest });
  }
  return { algorithm, ...(salt === undefined ? {} : { salt }), state: base64Of(state), digests };
}

async function finishState(
  algorithm: HashAlgorithm,
  state: Uint8Array,
  trailer: Uint8Array,
): Promise<string | undefined> {
  for (const createHasher of HASHERS_WITH_STATE[algorithm] ?? []) {
    const hash = await createHasher();
    try {
      hash.load(state);
    } catch {
      // Of another kernel, or damaged: without a state the content is simply needed again.
      continue;
    }
    hash.update(trailer);
    return hash.digestHex();
  }
  return undefined;
}
