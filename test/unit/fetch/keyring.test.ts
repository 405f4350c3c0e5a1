/** The keyring: keys that are found, trusted, listed and taken back, without a store and without a network. */

import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { createKeyring } from '../../../src/fetch/keyring.js';
import { checkPrefix, parseFingerprint } from '../../../src/trust/keystore.js';
import { createSigningKey, type SigningKey } from '../../support/images/keys.js';
import { tempDir } from '../../support/temp.js';

const AN_HOUR_AGO = new Date(Date.now() - 3_600_000);
const [one, two, expired] = await Promise.all([
  createSigningKey({ name: 'One' }),
  createSigningKey({ name: 'Two', kind: 'rsa' }),
  createSigningKey({ name: 'Expired', createdAt: AN_HOUR_AGO, expiresInSeconds: 60 }),
]);
const nobody = '0'.repeat(40);

let dirs: { system: string; local: string; user: string };

beforeEach(() => {
  const root = tempDir();
  dirs = { system: join(root, 'system'), local: join(root, 'local'), user: join(root, 'user') };
});

const configDirs = () => [dirs.system, dirs.local, dirs.user];
const keyring = (trustDir: keyof typeof dirs = 'local') =>
  createKeyring({ configDirs: configDirs(), trustDir: dirs[trustDir] });

function put(dir: keyof typeof dirs, place: string, key: SigningKey, text = key.publicKey): string {
  const path = join(dirs[dir], 'trustedkeys', place, key.fingerprint);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

function keyFile(...keys: readonly SigningKey[]): string {
  const path = join(tempDir(), 'keys.asc');
  writeFileSync(path, keys.map(({ publicKey }) => publicKey).join('\n'));
  return path;
}

describe('finding keys', () => {
  test('gives every key of every file, each once, and trusts none', async () => {
    const locations = [keyFile(one, two), keyFile(two, expired)];
    const found = await keyring().findKeys({ locations });
    expect(found.map(({ key }) => key.fingerprint)).toEqual(
      [one, two, expired].map(({ fingerprint }) => fingerprint),
    );
    expect(found.every(({ isFromHttpsDiscovery }) => !isFromHttpsDiscovery)).toBe(true);
    expect(existsSync(dirs.local)).toBe(false);
  });

  test.each([
    ['neither a prefix nor a location', {}],
    ['a prefix that is none', { prefix: 'example.com/app/*', locations: [] }],
  ])('refuses %s', async (_, request) => {
    await expect(keyring().findKeys(request)).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });

  test('ends when the signal or the engine does', async () => {
    const request = { prefix: 'example.test' };
    const aborted = AbortSignal.abort();
    await expect(keyring().findKeys(request, aborted)).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    const closed = createKeyring({}, aborted).findKeys(request);
    await expect(closed).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

describe('trusting a key', () => {
  test.each([
    [{ prefix: 'example.com/app' }, 'prefix.d/example.com/app'],
    [{ root: true } as const, 'root.d'],
  ])('for %j writes one file', async (place, folder) => {
    const [found] = await keyring().findKeys({ locations: [keyFile(one)] });
    if (found === undefined) throw new Error('no key');
    const path = await keyring().trustKey(found.key, place);
    expect(path).toBe(join(dirs.local, 'trustedkeys', folder, one.fingerprint));
    expect(readFileSync(path, 'utf8')).toContain('PUBLIC KEY BLOCK');
    expect(await keyring().listTrustedKeys()).toMatchObject([
      { fingerprint: one.fingerprint, status: 'trusted', path, key: { userIds: [one.userId] } },
    ]);
  });

  test('is refused where no signature by it would be good, and without a folder for it', async () => {
    const found = await keyring().findKeys({ locations: [keyFile(expired, one)] });
    const [past, good] = found.map(({ key }) => key);
    if (past === undefined || good === undefined) throw new Error('no keys');
    await expect(keyring().trustKey(past, { root: true })).rejects.toMatchObject({ code: 'ERR_KEY_INVALID' });
    const readOnly = createKeyring({ configDirs: configDirs() });
    await expect(readOnly.trustKey(good, { root: true })).rejects.toMatchObject({ code: 'ERR_USAGE' });
    expect(existsSync(dirs.local)).toBe(false);
  });
});

describe('the list', () => {
  /** Where each of the files stands, and how the key of the system is listed then. */
  const cases: readonly (readonly [string, (system: string) => void, string])[] = [
    ['trusted', () => {}, 'trusted'],
    ['disabled by an empty file of the same place', () => put('local', 'prefix.d/h/a', one, ''), 'disabled'],
    ['disabled by a later one for a shorter prefix', () => put('user', 'prefix.d/h', one, ''), 'disabled'],
    ['trusted in spite of one for a longer prefix', () => put('user', 'prefix.d/h/a/b', one, ''), 'trusted'],
    ['trusted in spite of one for every name', () => put('user', 'root.d', one, ''), 'trusted'],
    ['trusted in spite of one for another key', () => put('local', 'prefix.d/h/a', two, ''), 'trusted'],
  ];

  test.each(cases)('has a key of the system as %s', async (_, addMore, status) => {
    addMore(put('system', 'prefix.d/h/a', one));
    const listed = await keyring().listTrustedKeys();
    const ofPlace = listed.filter(
      ({ prefix, fingerprint }) => prefix === 'h/a' && fingerprint === one.fingerprint,
    );
    expect(ofPlace).toMatchObject([{ status, key: { userIds: [one.userId] } }]);
  });

  test('has a key once for each place, with the file that decides', async () => {
    put('system', 'root.d', one);
    const path = put('local', 'root.d', one);
    put('local', 'prefix.d/h', one);
    const listed = await keyring().listTrustedKeys();
    expect(listed).toMatchObject([
      { prefix: undefined, path, status: 'trusted' },
      { prefix: 'h', status: 'trusted' },
    ]);
  });

  test('says of a trusted key that it has expired', async () => {
    put('local', 'root.d', expired);
    const [listed] = await keyring().listTrustedKeys();
    expect(listed).toMatchObject({ status: 'unusable', key: { problem: expect.any(String) } });
  });

  test('is refused where a file is not what its name says', async () => {
    put('local', 'root.d', one, two.publicKey);
    await expect(keyring().listTrustedKeys()).rejects.toMatchObject({ code: 'ERR_KEYSTORE_DAMAGED' });
  });
});

describe('taking trust back', () => {
  test('removes what was written, for one place or for all', async () => {
    const [root] = ['root.d', 'prefix.d/h', 'prefix.d/h/a'].map((place) => put('local', place, one));
    const first = await keyring().untrustKey(one.fingerprint, { prefix: 'h' });
    expect(first).toMatchObject({ fingerprint: one.fingerprint, disabled: [], remaining: [root] });
    expect(first.removed).toHaveLength(1);
    expect((await keyring().untrustKey(` ${one.fingerprint.toUpperCase()}`)).removed).toHaveLength(2);
    expect(await keyring().listTrustedKeys()).toEqual([]);
  });

  test('disables a key of the system by an empty file', async () => {
    put('system', 'root.d', one);
    const { disabled } = await keyring().untrustKey(one.fingerprint, { root: true });
    expect(disabled.map((path) => statSync(path).size)).toEqual([0]);
    expect(await keyring().listTrustedKeys()).toMatchObject([{ status: 'disabled', path: disabled[0] }]);
  });

  test('tells what it does not change', async () => {
    const path = put('user', 'root.d', one);
    expect(await keyring().untrustKey(one.fingerprint)).toMatchObject({ removed: [], remaining: [path] });
  });

  test.each([
    ['a key that is not trusted', nobody, undefined, 'ERR_NOT_FOUND'],
    ['a key that is not trusted for the prefix', one.fingerprint, { prefix: 'other' }, 'ERR_NOT_FOUND'],
    ['what is no fingerprint', 'abc', undefined, 'ERR_USAGE'],
    ['a prefix that is none', one.fingerprint, { prefix: 'https://h' }, 'ERR_USAGE'],
  ])('is refused for %s', async (_, fingerprint, place, code) => {
    put('local', 'prefix.d/h', one);
    await expect(keyring().untrustKey(fingerprint, place)).rejects.toMatchObject({ code });
  });
});

test.each([
  ['example.com', true],
  ['example.com/app/x', true],
  ['example.com/app/*', 'example.com/app'],
  ['example.com/app/', 'example.com/app'],
  ['https://example.com/app', 'example.com/app'],
  ['Example.com', false],
  ['example.com/../app', false],
  ['', false],
])('the prefix %j can be trusted for, or is meant as: %j', (prefix, expected) => {
  const check = () => checkPrefix(prefix);
  if (expected === true) return expect(check).not.toThrow();
  const hint = expected === false ? undefined : expect.stringContaining(`: ${expected}`);
  expect(check).toThrow(expect.objectContaining({ code: 'ERR_USAGE', hint }));
});

test.each([
  [nobody, nobody],
  ['ABCD 1234 '.repeat(5), 'abcd1234'.repeat(5)],
  [`0x${'a'.repeat(64)}`, 'a'.repeat(64)],
])('the fingerprint %j is understood', (text, fingerprint) => {
  expect(parseFingerprint(text)).toBe(fingerprint);
});

test.each(['', 'abc', 'g'.repeat(40), 'a'.repeat(16), `${'a'.repeat(38)}/..`])(
  '%j is no fingerprint',
  (text) => {
    expect(() => parseFingerprint(text)).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
  },
);
