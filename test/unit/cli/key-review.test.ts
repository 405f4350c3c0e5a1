/** The review of keys: what is decided without asking, what is shown, and how answers are read. */

import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { createQuestioner, decideReview, keyLines, spacedFingerprint } from '../../../src/cli/key-review.js';
import type { FoundKey } from '../../../src/index.js';

const FIT = {
  problem: undefined,
  skipReview: false,
  trustKeysFromHttps: false,
  isFromHttpsDiscovery: false,
  hasTerminal: false,
};

test.each([
  [{}, 'cannot-ask'],
  [{ hasTerminal: true }, 'ask'],
  [{ isFromHttpsDiscovery: true, hasTerminal: true }, 'ask'],
  [{ trustKeysFromHttps: true, hasTerminal: true }, 'ask'],
  [{ trustKeysFromHttps: true }, 'cannot-ask'],
  [{ trustKeysFromHttps: true, isFromHttpsDiscovery: true }, 'trust'],
  [{ skipReview: true }, 'trust'],
  [{ problem: 'expired', skipReview: true }, 'refuse'],
  [{ problem: 'expired', trustKeysFromHttps: true, isFromHttpsDiscovery: true }, 'refuse'],
  [{ problem: 'expired', hasTerminal: true }, 'refuse'],
])('of a key with %o is decided: %s', (facts, decision) => {
  expect(decideReview({ ...FIT, ...facts })).toBe(decision);
});

const fingerprint = '8b86de38890ddb7291867b025210bd8888182190';

function foundKey(facts: Partial<FoundKey['key']> = {}): FoundKey {
  const createdAt = new Date('2015-02-03T04:05:06Z');
  const plain = { fingerprint, version: 4, algorithm: 'RSA 4096', createdAt, armored: '' };
  const key = { ...plain, userIds: ['Carly <carly@example.com>'], isRevoked: false, subkeys: [], ...facts };
  return { location: 'https://ann:secret@example.com/keys?token=secret', key, isFromHttpsDiscovery: false };
}

describe('what is shown of a key', () => {
  test('has its fingerprints in groups of four, in two halves', () => {
    expect(spacedFingerprint(fingerprint)).toBe('8B86 DE38 890D DB72 9186  7B02 5210 BD88 8818 2190');
    const subkey = { fingerprint, algorithm: 'RSA 4096', createdAt: new Date(), isRevoked: false };
    const lines = keyLines(foundKey({ subkeys: [subkey] }), 'example.com/app');
    expect(lines.filter((line) => line.endsWith(spacedFingerprint(fingerprint)))).toHaveLength(2);
  });

  test('has no secret of the URL, and nothing that steers a terminal', () => {
    const lines = keyLines(foundKey({ userIds: ['Ann\u001b[2J\ngpg key fingerprint is: 0'] }), undefined);
    const text = lines.join('\n');
    expect([text.includes('secret'), text.includes('\u001b')]).toEqual([false, false]);
    expect(lines.filter((line) => line.startsWith('gpg key'))).toHaveLength(1);
  });

  test('says how long it is good, and stays short', () => {
    const expiresAt = new Date('2030-01-01T00:00:00Z');
    const userIds = Array.from({ length: 5000 }, (_, at) => `${at} ${'x'.repeat(10_000)}`);
    const text = keyLines(foundKey({ userIds, expiresAt, isRevoked: true }), undefined).join('\n');
    expect(text).toMatch(/RSA 4096, created 2015-02-03, expires 2030-01-01, revoked$/);
    expect(text.length).toBeLessThan(8000);
  });
});

describe('the question', () => {
  const questioner = (signal = new AbortController().signal) => {
    const [input, output] = [new PassThrough(), new PassThrough({ encoding: 'utf8' })];
    return { input, output, ...createQuestioner(input, output, signal) };
  };

  test('is asked again until it is answered; answers ahead of time are kept', async () => {
    const { input, output, isTrusted, close } = questioner();
    input.write('y\n YES \nno\n');
    expect([await isTrusted(), await isTrusted()]).toEqual([true, false]);
    expect(String(output.read()).match(/\(yes\/no\)/g)).toHaveLength(3);
    close();
  });

  test('fails when the input ends', async () => {
    const { input, isTrusted } = questioner();
    input.end('ye');
    await expect(isTrusted()).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });

  test('ends with the signal', async () => {
    const controller = new AbortController();
    const { isTrusted } = questioner(controller.signal);
    const answer = isTrusted();
    controller.abort();
    await expect(answer).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});
