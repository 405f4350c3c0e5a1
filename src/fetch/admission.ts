/** Whether an ACI may be used: what its signature, the keystore and the name that was asked for say of it. */

import { quoteForMessage } from '../aci/json-fields.js';
import { FetchError } from '../errors.js';
import type { SignedRecord } from '../store/records.js';
import { checkTrust } from '../trust/check.js';
import { keysFor } from '../trust/keystore.js';
import {
  refusalError,
  signerNames,
  type TrustDecision,
  type TrustWarning,
  trustCommand,
} from '../trust/policy.js';
import type { Labels } from '../types.js';
import type { Session } from './session.js';

export interface Candidate {
  /** The argument, for messages and events. */
  readonly image: string;
  /** By its manifest, or before that is known, as it was asked for. */
  readonly name: string;
  readonly signed: SignedRecord;
  readonly requireSignature: boolean;
}

export interface Admission {
  readonly verified: boolean;
  readonly signers: readonly string[];
  readonly warning?: TrustWarning | undefined;
}

/**
 * Undefined when only the image's bytes can tell.
 * @throws FetchError ERR_SIGNATURE_*, ERR_KEYSTORE_DAMAGED
 */
export async function admit(session: Session, candidate: Candidate): Promise<Admission | undefined> {
  const decision = await decide(session, candidate);
  switch (decision.kind) {
    case 'refused':
      throw refusalError(decision, candidate);
    case 'content-needed':
      return undefined;
    case 'verified':
      return { verified: true, signers: signerNames(decision.signers) };
    case 'unverified':
      return { verified: false, signers: [], warning: decision.warning };
  }
}

async function decide(
  { insecure, configDirs }: Session,
  { name, signed, requireSignature }: Candidate,
): Promise<TrustDecision> {
  const { signature, hashes } = signed;
  return checkTrust({
    insecureImage: insecure.image,
    requireSignature,
    keys: insecure.image ? [] : await keysFor(name, configDirs),
    signature: signature === undefined ? undefined : Buffer.from(signature, 'base64'),
    hashes,
  });
}

/** Tells what was decided, in the words of rkt. */
export function tellAdmission(
  { emit, insecure }: Session,
  { image, name }: Pick<Candidate, 'image' | 'name'>,
  { verified, signers, warning }: Admission,
): void {
  if (verified) emit({ event: 'signature.verified', image, signers });
  // That checks are off was told before the download.
  if (verified || insecure.image || warning === undefined) return;
  const message = WARNINGS[warning](name);
  emit({ event: 'image.warning', image, warning: 'unverified', message });
}

const WARNINGS: Readonly<Record<TrustWarning, (name: string) => string>> = {
  'signed-by-nobody-trusted': (name) =>
    `the signature of ${name} was not verified, for no key is trusted for it: ${trustCommand(name)}`,
  'not-signed': (name) => `${name} has no signature, and no key is trusted for it: ${trustCommand(name)}`,
};

/** What was asked for by name. */
export interface Expected {
  readonly name: string;
  /** Those that were asked for: the image must have them. */
  readonly labels: Labels;
  /** Those of this host: the image may have none of them, but no other. */
  readonly defaults: Labels;
}

/** @throws FetchError ERR_NAME_MISMATCH */
export function checkExpected(
  expected: Expected | undefined,
  found: { readonly name: string; readonly labels: Labels },
): void {
  if (expected === undefined) return;
  const problem = mismatchOf(expected, found);
  if (problem !== undefined) throw new FetchError('ERR_NAME_MISMATCH', problem, { stage: 'verify' });
}

/** Pure: what of the name and labels differs, in the words of rkt; undefined when all fits. */
export function mismatchOf(
  { name, labels, defaults }: Expected,
  found: { readonly name: string; readonly labels: Labels },
): string | undefined {
  if (found.name !== name) {
    return `error when reading the app name: "${name}" expected but ${quoteForMessage(found.name)} found`;
  }
  for (const [label, value] of Object.entries({ ...defaults, ...labels })) {
    const actual = Object.hasOwn(found.labels, label) ? found.labels[label] : undefined;
    if (actual === undefined && Object.hasOwn(labels, label)) {
      return `requested label "${label}" not provided by the image manifest`;
    }
    if (actual !== undefined && actual !== value) {
      const [wanted, got] = [quoteForMessage(value), quoteForMessage(actual)];
      return `requested value for label "${label}": ${wanted} differs from fetched aci label value: ${got}`;
    }
  }
  return undefined;
}
