/** What follows from a check of signatures: verified, stored as unverified, or refused. */

import { type ErrorCode, FetchError } from '../errors.js';
import type { Signer, Verdict } from './verify.js';

export interface TrustQuestion {
  /** `--insecure-options=image`: signatures are not looked at. */
  readonly insecureImage: boolean;
  /** `--require-signature`: what is not verified is refused. */
  readonly requireSignature: boolean;
  /** Whether any key is trusted for the image's name. */
  readonly isNameTrusted: boolean;
  /** What there is of a signature: none, one that cannot be read, or the verdicts on it. */
  readonly signature: 'absent' | { readonly malformed: string } | readonly Verdict[];
}

export type TrustDecision =
  | { readonly kind: 'verified'; readonly signers: readonly Signer[] }
  | { readonly kind: 'unverified'; readonly warning?: TrustWarning | undefined }
  /** What was kept of the content is not enough to tell: its bytes are needed. */
  | { readonly kind: 'content-needed' }
  | { readonly kind: 'refused'; readonly code: RefusalCode; readonly detail: string };

/** Nobody is trusted for the name, and the image is signed, or is not even that. */
export type TrustWarning = 'signed-by-nobody-trusted' | 'not-signed';

export type RefusalCode = Extract<ErrorCode, `ERR_SIGNATURE_${string}`>;

/**
 * | insecure | required | a key for the name | signature                    |                                |
 * |----------|----------|--------------------|------------------------------|--------------------------------|
 * | yes      | no       | any                | any                          | unverified, without a warning  |
 * | yes      | yes      | any                | any                          | refused: required              |
 * | no       | no       | none               | absent                       | unverified: not signed         |
 * | no       | no       | none               | anything else                | unverified: nobody trusted     |
 * | no       | yes      | none               | any                          | refused: required              |
 * | no       | any      | some               | one of them good             | verified                       |
 * | no       | any      | some               | none good, one not checkable | content needed                 |
 * | no       | any      | some               | one bad, or malformed        | refused: invalid               |
 * | no       | any      | some               | by other keys only           | refused: untrusted             |
 * | no       | any      | some               | absent                       | refused: missing               |
 *
 * The same for a download and for what the store has: verdicts are made anew from what was kept, with the keys that
 * are trusted now.
 */
export function decideTrust(question: TrustQuestion): TrustDecision {
  const { insecureImage, requireSignature, isNameTrusted, signature } = question;
  if (insecureImage || !isNameTrusted) {
    if (requireSignature) {
      return refused(
        'ERR_SIGNATURE_REQUIRED',
        insecureImage ? 'it is not checked' : 'no key is trusted for it',
      );
    }
    if (insecureImage) return { kind: 'unverified' };
    return {
      kind: 'unverified',
      warning: signature === 'absent' ? 'not-signed' : 'signed-by-nobody-trusted',
    };
  }
  if (signature === 'absent') return refused('ERR_SIGNATURE_MISSING', 'it has no signature');
  if ('malformed' in signature) return refused('ERR_SIGNATURE_INVALID', signature.malformed);
  const signers = signature.flatMap((verdict) => (verdict.status === 'good' ? [verdict.signer] : []));
  if (signers.length > 0) return { kind: 'verified', signers };
  if (signature.some(({ status }) => status === 'unchecked')) return { kind: 'content-needed' };
  const bad = signature.find((verdict) => verdict.status === 'bad');
  if (bad !== undefined) {
    return refused('ERR_SIGNATURE_INVALID', `${bad.reason}, by the key ${bad.fingerprint}: ${bad.detail}`);
  }
  const keyIds = signature.flatMap((verdict) => (verdict.status === 'unknown-key' ? [verdict.keyId] : []));
  return refused('ERR_SIGNATURE_UNTRUSTED', `by the key ${[...new Set(keyIds)].join(', ')}`);
}

function refused(code: RefusalCode, detail: string): TrustDecision {
  return { kind: 'refused', code, detail };
}

/** The names to show for those who signed: their user IDs, or the fingerprint of a key without any. */
export function signerNames(signers: readonly Signer[]): string[] {
  return signers.flatMap(({ fingerprint, userIds }) => (userIds.length > 0 ? userIds : [fingerprint]));
}

/** The command that trusts a key for images of this name. */
export function trustCommand(name: string): string {
  return `aci trust --prefix ${name}`;
}

/** A refusal as the error that it is; `image` as the user gave it, `name` the image's own. */
export function refusalError(
  { code, detail }: Extract<TrustDecision, { kind: 'refused' }>,
  { image, name }: { readonly image: string; readonly name: string },
): FetchError {
  return new FetchError(code, `${REFUSALS[code]}: ${detail}`, {
    stage: 'verify',
    image,
    hint: HINTS[code](name),
  });
}

const REFUSALS: Readonly<Record<RefusalCode, string>> = {
  ERR_SIGNATURE_REQUIRED: 'the image cannot be verified',
  ERR_SIGNATURE_MISSING: 'the image must be signed by a key that is trusted for its name',
  ERR_SIGNATURE_INVALID: 'the signature of the image is not valid',
  ERR_SIGNATURE_UNTRUSTED: 'the image is signed by no key that is trusted for its name',
};

const HINTS: Readonly<Record<RefusalCode, (name: string) => string | undefined>> = {
  ERR_SIGNATURE_REQUIRED: (name) => `trust its publisher with: ${trustCommand(name)} PUBKEY`,
  ERR_SIGNATURE_MISSING: () =>
    'aci trust list shows the trusted keys; a signature is given with --signature FILE',
  ERR_SIGNATURE_INVALID: () => 'ask the publisher for the image and its signature anew; nothing was stored',
  ERR_SIGNATURE_UNTRUSTED: (name) =>
    `if the publisher has a new key, trust it with: ${trustCommand(name)} PUBKEY`,
};
