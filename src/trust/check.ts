/** The whole check of one image against the keystore: for a download, and for what the store has. */

import { type FetchError, isFetchError } from '../errors.js';
import type { TrustedKey } from './keystore.js';
import { decideTrust, type TrustDecision, type TrustQuestion } from './policy.js';
import { readSignature } from './read-signature.js';
import { type ContentHashRequest, hashRequestsOf, type KeptHash } from './signature.js';
import { type Verdict, verifySignature } from './verify.js';

export interface TrustCheck {
  readonly insecureImage: boolean;
  readonly requireSignature: boolean;
  /** Those that are trusted for the name of the image. */
  readonly keys: readonly TrustedKey[];
  /** The signature's file; undefined when there is none. */
  readonly signature: Uint8Array | undefined;
  /** What was kept of the content that it signs. */
  readonly hashes: readonly KeptHash[];
  readonly now?: Date | undefined;
}

/** With no key for the name, or none wanted, nothing of OpenPGP is loaded. */
export async function checkTrust(check: TrustCheck): Promise<TrustDecision> {
  const isNameTrusted = check.keys.length > 0;
  const { insecureImage, requireSignature } = check;
  const isChecked = isNameTrusted && !insecureImage;
  return decideTrust({
    insecureImage,
    requireSignature,
    isNameTrusted,
    signature: isChecked ? await verdictsOn(check) : check.signature === undefined ? 'absent' : [],
  });
}

async function verdictsOn(
  check: TrustCheck,
): Promise<Exclude<TrustQuestion['signature'], readonly Verdict[]> | Verdict[]> {
  if (check.signature === undefined) return 'absent';
  try {
    const signature = await readSignature(check.signature);
    return await verifySignature({ ...check, signature });
  } catch (error) {
    if (isMalformed(error)) return { malformed: error.message };
    throw error;
  }
}

/**
 * The hashes to compute over content that has this signature; none for one that cannot be read, of which
 * {@link checkTrust} says so.
 */
export async function hashesToKeep(signature: Uint8Array): Promise<ContentHashRequest[]> {
  try {
    return hashRequestsOf(await readSignature(signature));
  } catch (error) {
    if (isMalformed(error)) return [];
    throw error;
  }
}

function isMalformed(error: unknown): error is FetchError {
  return isFetchError(error) && error.code === 'ERR_SIGNATURE_INVALID';
}
