/** What the store has of an ACI, and whether it may be used again: by the keys of now, its signature and what was asked for. */

import { isFetchError } from '../errors.js';
import { takesUnauthenticated } from '../http/options.js';
import type { RemoteRecord, SignedRecord } from '../store/records.js';
import type { ImageFacts } from '../store/store.js';
import type { UrlReference } from '../types.js';
import {
  type Admission,
  admit,
  checkExpected,
  type Expected,
  mismatchOf,
  tellAdmission,
} from './admission.js';
import type { CompleteRequest, Found, Session } from './session.js';
import { readSignatureAt, type SignatureFile } from './signature-file.js';
import { urlKey } from './source.js';
import { foundInStore } from './stored.js';

/** What a URL was the last time, as far as this fetch may rely on it. */
export interface Remembered {
  readonly remote?: RemoteRecord | undefined;
  readonly known?: ImageFacts | undefined;
}

export async function remembered(
  { store, httpOptions }: Session,
  reference: UrlReference,
  { noStore }: CompleteRequest,
): Promise<Remembered> {
  const remote = noStore ? undefined : await store.readRemote(urlKey(reference));
  if (remote === undefined) return {};
  const known = await store.readWholeImage(remote.id);
  const isGoodEnough = remote.isAuthenticated || takesUnauthenticated(reference.url, httpOptions);
  return { remote: isGoodEnough ? remote : { ...remote, cached: undefined }, known };
}

/** What was asked for. */
export interface Asked {
  /** The argument. */
  readonly image: string;
  readonly expected?: Expected | undefined;
}

/**
 * Without asking anybody. Undefined when a server may know better, with another version, signature or content.
 * @throws FetchError ERR_SIGNATURE_* where the policy is `never`; ERR_NOT_FOUND for a signature that was named
 */
export async function foundIfAdmitted(
  session: Session,
  asked: Asked,
  known: ImageFacts,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<Found | undefined> {
  const { expected } = asked;
  if (expected !== undefined && mismatchOf(expected, known) !== undefined) return undefined;
  const { signature: path, pullPolicy } = request;
  const named =
    path === undefined || session.insecure.image
      ? undefined
      : await readSignatureAt({ path, isOptional: false }, signal);
  try {
    return await foundUnchanged(session, asked, { known, signature: named }, request);
  } catch (error) {
    const isRefused = isFetchError(error) && error.code.startsWith('ERR_SIGNATURE_');
    if (isRefused && pullPolicy !== 'never') return undefined;
    throw error;
  }
}

/**
 * Of content that is known to be current. Undefined when only its bytes can tell; `signature`: in place of the one
 * that was kept.
 * @throws FetchError ERR_NAME_MISMATCH, ERR_SIGNATURE_*
 */
export async function foundUnchanged(
  session: Session,
  { image, expected }: Asked,
  { known, signature }: { readonly known: ImageFacts; readonly signature: SignatureFile | undefined },
  { requireSignature, pullPolicy }: CompleteRequest,
): Promise<Found | undefined> {
  checkExpected(expected, known);
  const { name, signed: kept = { hashes: [] } } = known;
  const signed = signature === undefined ? kept : signedRecord(signature, kept.hashes);
  const isSame = signed.signature === kept.signature;
  let admission: Admission | undefined;
  try {
    admission = await admit(session, { image, name, signed, requireSignature });
  } catch (error) {
    // The hashes are of the bytes that came last, perhaps of the same image compressed in another way.
    const mayBeOfOthers = !isSame && isFetchError(error) && error.code === 'ERR_SIGNATURE_INVALID';
    if (mayBeOfOthers && pullPolicy !== 'never') return undefined;
    throw error;
  }
  if (admission === undefined) return undefined;
  tellAdmission(session, { image, name }, admission);
  const { verified, signers } = session.insecure.image ? known : admission;
  // Another signature belongs to the hashes that were kept only where it was checked against them.
  const { lastUsedAt: _, ...record } = { ...known, verified, signers, signed: verified ? signed : kept };
  if (verified !== known.verified || (verified && !isSame)) {
    await session.store.updateImage(record, session.lease);
  }
  return foundInStore(session.store, record);
}

export function signedRecord(
  signature: SignatureFile | undefined,
  hashes: SignedRecord['hashes'],
): SignedRecord {
  const isThere = typeof signature === 'object';
  return isThere ? { signature: signature.bytes.toString('base64'), hashes } : { hashes };
}
