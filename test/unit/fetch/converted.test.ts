/** Whether the store answers for a Docker image, and what is refused before its source is asked. */

import { expect, it } from 'vitest';
import { type ConvertedFacts, storeAnswers } from '../../../src/fetch/converted.js';
import { isFetchError } from '../../../src/index.js';

const usual: ConvertedFacts = {
  image: 'docker://a',
  platform: { os: 'linux', architecture: 's390x' },
  isKnown: false,
  pullPolicy: 'update',
  requireSignature: false,
  insecureImage: true,
};

it.each<[title: string, facts: Partial<ConvertedFacts>, expected: boolean | string]>([
  ['an unknown image', {}, false],
  ['a known one, which may have changed', { isKnown: true }, false],
  ['a known one that need not be asked about', { isKnown: true, pullPolicy: 'new' }, true],
  ['an unknown one of that policy', { pullPolicy: 'new' }, false],
  ['a known one of the store only', { isKnown: true, pullPolicy: 'never' }, true],
  ['an unknown one of the store only', { pullPolicy: 'never' }, 'ERR_NOT_IN_STORE'],
  ['one whose signature is to be checked', { insecureImage: false }, 'ERR_SIGNATURE_REQUIRED'],
  [
    'a known one whose signature is to be checked',
    { isKnown: true, insecureImage: false },
    'ERR_SIGNATURE_REQUIRED',
  ],
  // What is in the store was let in, and to look there shows more than what could not be had anyway.
  ['an answer of the store', { isKnown: true, insecureImage: false, pullPolicy: 'new' }, true],
  ['nothing in the store', { insecureImage: false, pullPolicy: 'never' }, 'ERR_NOT_IN_STORE'],
  [
    'a demand for a signature',
    { requireSignature: true, isKnown: true, pullPolicy: 'new' },
    'ERR_SIGNATURE_REQUIRED',
  ],
  [
    'such a demand of the store only',
    { requireSignature: true, pullPolicy: 'never' },
    'ERR_SIGNATURE_REQUIRED',
  ],
])('%s', (_, facts, expected) => {
  expect(outcome({ ...usual, ...facts })).toBe(expected);
});

it('what is not in the store is said with its platform, for it may be there for another one', () => {
  expect(() => storeAnswers({ ...usual, pullPolicy: 'never' })).toThrow('linux/s390x');
});

function outcome(facts: ConvertedFacts): boolean | string {
  try {
    return storeAnswers(facts);
  } catch (error) {
    return isFetchError(error) ? error.code : String(error);
  }
}
