/** Verified, unverified or refused: every row of the policy. */

import { describe, expect, it } from 'vitest';
import {
  decideTrust,
  refusalError,
  signerNames,
  type TrustDecision,
  type TrustQuestion,
} from '../../../src/trust/policy.js';
import type { Verdict } from '../../../src/trust/verify.js';

const fingerprint = 'a'.repeat(40);
const good: Verdict = { status: 'good', signer: { fingerprint, userIds: ['A <a@example.test>'] } };
const bad: Verdict = { status: 'bad', reason: 'signature', detail: '', fingerprint };
const expired: Verdict = { ...bad, reason: 'key-expired' };
const unknown: Verdict = { status: 'unknown-key', keyId: 'b'.repeat(16) };
const unchecked: Verdict = { status: 'unchecked', fingerprint };
const malformed = { malformed: 'it is empty' };

const everySignature: readonly TrustQuestion['signature'][] = [
  'absent',
  malformed,
  [],
  [good],
  [bad],
  [unknown],
  [unchecked],
];

function question(flags: string, signature: TrustQuestion['signature']): TrustQuestion {
  return {
    insecureImage: flags.includes('insecure'),
    requireSignature: flags.includes('required'),
    isNameTrusted: flags.includes('trusted'),
    signature,
  };
}

function outcome(decision: TrustDecision): string {
  if (decision.kind === 'refused') return decision.code;
  return decision.kind === 'unverified' ? (decision.warning ?? 'unverified') : decision.kind;
}

describe('an image', () => {
  it.each([
    ['', 'absent', 'not-signed'],
    ['', malformed, 'signed-by-nobody-trusted'],
    ['', [unknown], 'signed-by-nobody-trusted'],
    ['trusted', [good], 'verified'],
    ['trusted', [unknown, bad, unchecked, good], 'verified'],
    ['trusted required', [good], 'verified'],
    ['trusted', [unchecked], 'content-needed'],
    ['trusted', [bad, unchecked, unknown], 'content-needed'],
    ['trusted', [bad], 'ERR_SIGNATURE_INVALID'],
    ['trusted', [expired], 'ERR_SIGNATURE_INVALID'],
    ['trusted', [unknown, expired], 'ERR_SIGNATURE_INVALID'],
    ['trusted', malformed, 'ERR_SIGNATURE_INVALID'],
    ['trusted', [unknown], 'ERR_SIGNATURE_UNTRUSTED'],
    ['trusted', 'absent', 'ERR_SIGNATURE_MISSING'],
    ['trusted required', 'absent', 'ERR_SIGNATURE_MISSING'],
  ] as const)('with "%s" and the signature %j is %s', (flags, signature, expected) => {
    expect(outcome(decideTrust(question(flags, signature)))).toBe(expected);
  });

  it.each(everySignature)('is not looked at when signatures are switched off: %j', (signature) => {
    for (const trusted of ['', ' trusted']) {
      expect(outcome(decideTrust(question(`insecure${trusted}`, signature)))).toBe('unverified');
      expect(outcome(decideTrust(question(`insecure required${trusted}`, signature)))).toBe(
        'ERR_SIGNATURE_REQUIRED',
      );
    }
  });

  it.each(everySignature)(
    'of a name that no key is trusted for is refused where it must be verified: %j',
    (signature) => {
      expect(outcome(decideTrust(question('required', signature)))).toBe('ERR_SIGNATURE_REQUIRED');
    },
  );

  it('is verified by a good signature of a trusted key and by nothing else', () => {
    for (const flags of ['', 'required', 'trusted', 'trusted required', 'insecure trusted', 'insecure']) {
      for (const signature of everySignature) {
        const isGood = flags.startsWith('trusted') && Array.isArray(signature) && signature.includes(good);
        expect(decideTrust(question(flags, signature)).kind === 'verified').toBe(isGood);
      }
    }
  });
});

describe('a refusal', () => {
  it('ends with exit code 6, names the image and says what to do', () => {
    const decision = decideTrust(question('trusted', [unknown]));
    if (decision.kind !== 'refused') throw new Error(decision.kind);
    const error = refusalError(decision, { image: 'https://example.test/x.aci', name: 'example.test/app' });
    expect(error).toMatchObject({ code: 'ERR_SIGNATURE_UNTRUSTED', exitCode: 6, stage: 'verify' });
    expect(error.image).toBe('https://example.test/x.aci');
    expect(error.hint).toContain('aci trust --prefix example.test/app');
  });
});

describe('the signers', () => {
  it('are named by their user IDs, or the fingerprint where there is none', () => {
    const signers = [
      { fingerprint: 'a', userIds: ['A', 'A too'] },
      { fingerprint: 'b', userIds: [] },
    ];
    expect(signerNames(signers)).toEqual(['A', 'A too', 'b']);
  });
});
