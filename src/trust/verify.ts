/** Checks the signatures of a file with public keys, from the digests that were computed before. */

import type { PublicKey, Subkey } from 'openpgp';
import { digestFor } from './digest.js';
import { loadOpenPgp, type OpenPgp, reasonOf } from './openpgp.js';
import { isSubkeyRevoked, parseKeys, selfSignedUserIds, weaknessOf } from './read-keys.js';
import type { DetachedSignature, KeptHash, SignaturePacket } from './signature.js';

/** What a check of one signature found. */
export type Verdict =
  | { readonly status: 'good'; readonly signer: Signer }
  /** By none of the keys. */
  | { readonly status: 'unknown-key'; readonly keyId: string }
  | {
      readonly status: 'bad';
      readonly reason: BadReason;
      readonly detail: string;
      readonly fingerprint: string;
    }
  /** By one of the keys, but nothing was kept of the content from which its digest could be computed. */
  | { readonly status: 'unchecked'; readonly fingerprint: string };

export interface Signer {
  /** Of the whole key, also where a sub-key signed. */
  readonly fingerprint: string;
  readonly userIds: readonly string[];
}

export type BadReason =
  /** Not a signature of this content by this key, or one that asks for what is not known here. */
  | 'signature'
  | 'signature-expired'
  | 'signature-in-future'
  | 'key-revoked'
  | 'key-expired'
  /** Not yet made when the signature was, not made for signing, too weak, not bound to its main key, … */
  | 'key-unfit';

export interface VerifyInput {
  readonly signature: DetachedSignature;
  readonly hashes: readonly KeptHash[];
  readonly keys: readonly { readonly armored: string }[];
  readonly now?: Date | undefined;
}

/** One verdict for each signature, in their order. @throws FetchError ERR_KEY_INVALID */
export async function verifySignature({ signature, hashes, keys, now }: VerifyInput): Promise<Verdict[]> {
  const openPgp = await loadOpenPgp();
  const parsed = await Promise.all(
    keys.map(({ armored }) => parseKeys(Buffer.from(armored), openPgp.library)),
  );
  const verdicts: Verdict[] = [];
  for (const packet of signature.packets) {
    const digest = await digestFor(packet, hashes);
    verdicts.push(await verifyDigest(packet, digest, parsed.flat(), { openPgp, now: now ?? new Date() }));
  }
  return verdicts;
}

interface Check {
  readonly openPgp: OpenPgp;
  readonly now: Date;
}

/** A key ID has 64 bits and two keys may share it, so every key that has it is tried. */
async function verifyDigest(
  packet: SignaturePacket,
  digest: Uint8Array | undefined,
  keys: readonly PublicKey[],
  check: Check,
): Promise<Verdict> {
  let verdict: Verdict = { status: 'unknown-key', keyId: packet.issuerKeyId };
  for (const key of keys) {
    for (const signer of issuersIn(key, packet)) {
      const fingerprint = key.getFingerprint();
      if (digest === undefined) return { status: 'unchecked', fingerprint };
      const bad = await faultOf(packet, digest, { key, signer }, check);
      if (bad === undefined) {
        const userIds = await selfSignedUserIds(key, check.openPgp, check.now);
        return { status: 'good', signer: { fingerprint, userIds } };
      }
      verdict = { status: 'bad', ...bad, fingerprint };
    }
  }
  return verdict;
}

/** The main key or the sub-key that the signature names. */
function issuersIn(key: PublicKey, packet: SignaturePacket): (PublicKey | Subkey)[] {
  return [key, ...key.subkeys].filter(
    (one) =>
      one.getKeyID().toHex() === packet.issuerKeyId &&
      (packet.issuerFingerprint ?? one.getFingerprint()) === one.getFingerprint(),
  );
}

interface Issuer {
  readonly key: PublicKey;
  readonly signer: PublicKey | Subkey;
}

interface Fault {
  readonly reason: BadReason;
  readonly detail: string;
}

/** What is wrong with the signature, or undefined. */
async function faultOf(
  packet: SignaturePacket,
  digest: Uint8Array,
  issuer: Issuer,
  check: Check,
): Promise<Fault | undefined> {
  const { library, config } = check.openPgp;
  const signature = new library.SignaturePacket();
  signature.read(packet.body);
  try {
    // With `hashed` set the library takes that digest instead of hashing. At the time of the signature itself no
    // clock is against it, so what fails here is the signature.
    const withDigest = Object.assign(signature, { hashed: digest });
    const { binary } = library.enums.signature;
    await withDigest.verify(issuer.signer.keyPacket, binary, {}, packet.createdAt, true, config);
  } catch (error) {
    return { reason: 'signature', detail: reasonOf(error) };
  }
  if (packet.createdAt > check.now) {
    return { reason: 'signature-in-future', detail: `made at ${packet.createdAt.toISOString()}` };
  }
  if (signature.isExpired(check.now)) {
    return { reason: 'signature-expired', detail: `expired at ${String(signature.getExpirationTime())}` };
  }
  return keyFaultOf(packet, issuer, check);
}

/** The key has to be good for signing both now and, as far as it still tells, when it signed. */
async function keyFaultOf(packet: SignaturePacket, issuer: Issuer, check: Check): Promise<Fault | undefined> {
  const { key, signer } = issuer;
  if ((signer.keyPacket.version === 6) !== (packet.version === 6)) {
    return { reason: 'key-unfit', detail: 'key and signature are of different versions' };
  }
  const weakness = weaknessOf(key) ?? weaknessOf(signer);
  if (weakness !== undefined) return { reason: 'key-unfit', detail: weakness };
  if (signer.getCreationTime() > packet.createdAt) {
    return { reason: 'key-unfit', detail: 'the key is younger than the signature' };
  }
  for (const date of isRenewed(packet, issuer) ? [check.now] : [check.now, packet.createdAt]) {
    try {
      const fit = await key.getSigningKey(signer.getKeyID(), date, undefined, check.openPgp.config);
      // The library looks for a key ID, and another sub-key may have the same one.
      if (fit.getFingerprint() !== signer.getFingerprint()) throw new Error('not bound to its main key');
    } catch (error) {
      return { reason: await keyReasonOf(issuer, check), detail: reasonOf(error) };
    }
  }
  return undefined;
}

/**
 * Whether what the key says of itself was all said after the signature: who renews a key with GnuPG replaces it.
 * Then there is nothing left to tell how the key stood when it signed.
 */
function isRenewed({ createdAt }: SignaturePacket, { key, signer }: Issuer): boolean {
  const isYounger = ({ created }: { readonly created: Date | null }): boolean =>
    created !== null && created > createdAt;
  const ofKey = key.users.flatMap(({ selfCertifications }) => selfCertifications);
  return (
    (ofKey.length > 0 && ofKey.every(isYounger)) ||
    ('bindingSignatures' in signer && signer.bindingSignatures.every(isYounger))
  );
}

/** Why a key or sub-key that cannot be used now cannot. */
async function keyReasonOf({ key, signer }: Issuer, { openPgp, now }: Check): Promise<BadReason> {
  const { config } = openPgp;
  if (await key.isRevoked(undefined, undefined, now, config)) return 'key-revoked';
  if ('mainKey' in signer && (await isSubkeyRevoked(signer, openPgp, now))) return 'key-revoked';
  const expirations = [
    await key.getExpirationTime(undefined, config),
    'mainKey' in signer ? await signer.getExpirationTime(now, config) : null,
  ];
  return expirations.some((at) => at instanceof Date && at <= now) ? 'key-expired' : 'key-unfit';
}
