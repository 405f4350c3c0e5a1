/** From files of public keys to what a person reviews before trusting them. */

import type { Key, PublicKey, Subkey } from 'openpgp';
import { FetchError, isFetchError } from '../errors.js';
import { armorBlocksOf, KEY_MIN_BITS, type Library, loadOpenPgp, type OpenPgp, reasonOf } from './openpgp.js';

/** Keys with hundreds of signatures by others have less. */
export const KEYS_MAX_BYTES = 1024 * 1024;
const MAX_KEYS = 100;

/** What a public key says of itself, checked by its own signatures. */
export interface PublicKeyFacts {
  /** 40 hex digits, lower case; 64 for version 6. */
  readonly fingerprint: string;
  readonly version: number;
  /** `RSA 2048`, `DSA 2048`, `ECDSA nistP256`, `EdDSA`, … */
  readonly algorithm: string;
  /** Those that the key itself vouches for. */
  readonly userIds: readonly string[];
  readonly createdAt: Date;
  /** Absent when it never expires. */
  readonly expiresAt?: Date | undefined;
  readonly isRevoked: boolean;
  readonly subkeys: readonly SubkeyFacts[];
  /** Why no signature by it would be good now; absent for a key that is fit to sign. */
  readonly problem?: string | undefined;
  /** The key alone, armored, as the keystore has it. */
  readonly armored: string;
}

export interface SubkeyFacts {
  readonly fingerprint: string;
  readonly algorithm: string;
  readonly createdAt: Date;
  readonly expiresAt?: Date | undefined;
  readonly isRevoked: boolean;
}

/** Every key of a file: armored, in one block or several, or binary. @throws FetchError ERR_KEY_INVALID */
export async function readKeys(bytes: Uint8Array, now = new Date()): Promise<PublicKeyFacts[]> {
  const openPgp = await loadOpenPgp();
  const keys = await parseKeys(bytes, openPgp.library);
  return Promise.all(keys.map((key) => factsOf(key, openPgp, now)));
}

/** As {@link readKeys}, in the library's own form, for this folder. */
export async function parseKeys(bytes: Uint8Array, library: Library): Promise<PublicKey[]> {
  if (bytes.length > KEYS_MAX_BYTES) throw invalid(`more than ${KEYS_MAX_BYTES} bytes`);
  try {
    const keys = await readAll(bytes, library);
    if (keys.length > MAX_KEYS) throw invalid(`more than ${MAX_KEYS} keys in one file`);
    return keys;
  } catch (cause) {
    throw isFetchError(cause) ? cause : invalid(reasonOf(cause), cause);
  }
}

async function readAll(bytes: Uint8Array, library: Library): Promise<PublicKey[]> {
  const blocks = armorBlocksOf(bytes);
  if (blocks === undefined) return publicOnly(await library.readKeys({ binaryKeys: bytes }));
  const keys: PublicKey[] = [];
  for (const { label, text } of blocks) {
    if (label.startsWith('PRIVATE')) throw privateKey();
    if (label !== 'PUBLIC KEY BLOCK') throw invalid(`a PGP ${label} is not a public key`);
    keys.push(...publicOnly(await library.readKeys({ armoredKeys: text })));
  }
  return keys;
}

function publicOnly(keys: Key[]): PublicKey[] {
  if (keys.some((key) => key.isPrivate())) throw privateKey();
  return keys;
}

async function factsOf(key: PublicKey, { library, config }: OpenPgp, now: Date): Promise<PublicKeyFacts> {
  const [userIds, expiresAt, isRevoked, problem] = await Promise.all([
    selfSignedUserIds(key, { library, config }, now),
    key.getExpirationTime(undefined, config),
    key.isRevoked(undefined, undefined, now, config),
    signingProblemOf(key, { library, config }, now),
  ]);
  return {
    fingerprint: key.getFingerprint(),
    version: key.keyPacket.version,
    algorithm: algorithmOf(key),
    userIds,
    createdAt: key.getCreationTime(),
    expiresAt: expiresAt instanceof Date ? expiresAt : undefined,
    isRevoked,
    subkeys: await Promise.all(key.subkeys.map((subkey) => subkeyFactsOf(subkey, { library, config }, now))),
    problem,
    armored: key.armor(),
  };
}

async function subkeyFactsOf(subkey: Subkey, { config }: OpenPgp, now: Date): Promise<SubkeyFacts> {
  const expiresAt = await subkey.getExpirationTime(now, config);
  return {
    fingerprint: subkey.getFingerprint(),
    algorithm: algorithmOf(subkey),
    createdAt: subkey.getCreationTime(),
    expiresAt: expiresAt instanceof Date ? expiresAt : undefined,
    isRevoked: await isSubkeyRevoked(subkey, { config }, now),
  };
}

/** Its type asks for a signature and a key, where the library itself passes neither. */
export async function isSubkeyRevoked(
  subkey: Subkey,
  { config }: Pick<OpenPgp, 'config'>,
  now: Date,
): Promise<boolean> {
  const loose: Pick<Key, 'isRevoked'> = subkey as unknown as Pick<Key, 'isRevoked'>;
  return loose.isRevoked(undefined, undefined, now, config);
}

/** The user IDs that the key's own signatures confirm now. Nobody else's are asked: trust is in the fingerprint. */
export async function selfSignedUserIds(key: PublicKey, { config }: OpenPgp, now: Date): Promise<string[]> {
  const userIds: string[] = [];
  for (const user of key.users) {
    const text = user.userID?.userID;
    const isConfirmed = await user.verify(now, config).catch(() => false);
    if (text !== undefined && isConfirmed) userIds.push(text);
  }
  return userIds;
}

async function signingProblemOf(key: PublicKey, { config }: OpenPgp, now: Date): Promise<string | undefined> {
  const weakness = weaknessOf(key);
  if (weakness !== undefined) return weakness;
  try {
    return weaknessOf(await key.getSigningKey(undefined, now, undefined, config));
  } catch (error) {
    return reasonOf(error);
  }
}

/** Why a key of this kind is not used, whatever it signs. */
export function weaknessOf(key: Key | Subkey): string | undefined {
  const { algorithm, bits, curve } = key.getAlgorithmInfo();
  // The library looks at the length of RSA keys only.
  if (bits !== undefined && bits < KEY_MIN_BITS) return `${bits} bits are too few`;
  // For other curves the library asks for a module that does not come with it.
  if (algorithm === 'ecdsa' && curve?.startsWith('nistP') !== true)
    return `the curve ${curve} is not supported`;
  return undefined;
}

const ALGORITHM_NAMES: Readonly<Record<string, string>> = {
  rsaEncryptSign: 'RSA',
  rsaSign: 'RSA',
  rsaEncrypt: 'RSA',
  dsa: 'DSA',
  ecdsa: 'ECDSA',
  ecdh: 'ECDH',
  elgamal: 'ElGamal',
  eddsaLegacy: 'EdDSA',
};

function algorithmOf(key: Key | Subkey): string {
  const { algorithm, bits, curve } = key.getAlgorithmInfo();
  return [ALGORITHM_NAMES[algorithm] ?? algorithm, bits ?? curve]
    .filter((word) => word !== undefined)
    .join(' ');
}

function privateKey(): FetchError {
  return invalid('a private key; what is trusted is the public one, gpg --armor --export writes it');
}

function invalid(reason: string, cause?: unknown): FetchError {
  return new FetchError('ERR_KEY_INVALID', `not public keys that can be used: ${reason}`, {
    stage: 'verify',
    cause,
  });
}
