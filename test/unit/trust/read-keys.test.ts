/** Files of public keys: every form, what they say of a key, and what is refused. */

import { config, generateKey } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KEYS_MAX_BYTES, readKeys } from '../../../src/trust/read-keys.js';
import { createGpg, type Gpg } from '../../support/gpg.js';
import { createSigningKey } from '../../support/images/keys.js';
import { requireTools } from '../../support/tools.js';

const day = 86_400_000;

describe.runIf(requireTools(['gpg']))('a file of keys by GnuPG', () => {
  let gpg: Gpg;
  let one: string;
  let two: string;
  beforeAll(async () => {
    gpg = createGpg();
    one = await gpg.createKey('One', { algorithm: 'rsa2048', expires: '30d' });
    two = await gpg.createKey('Two', { usage: 'cert' });
    await gpg.addSubkey(two, 'ed25519');
  });
  afterAll(() => gpg.close());

  it('tells what a person has to know of a key', async () => {
    const [key, ...others] = await readKeys(await gpg.exportKeys([one]));
    expect(others).toEqual([]);
    expect(key).toMatchObject({
      fingerprint: one,
      version: 4,
      algorithm: 'RSA 2048',
      userIds: ['One <one@example.test>'],
      isRevoked: false,
      subkeys: [],
      problem: undefined,
    });
    const lifeMs = (key?.expiresAt?.getTime() ?? 0) - (key?.createdAt.getTime() ?? 0);
    expect(Math.round(lifeMs / day)).toBe(30);
  });

  it('has several of them, in one block, in several, and in none', async () => {
    const inOne = await gpg.exportKeys([one, two]);
    const inSeveral = Buffer.concat([
      Buffer.from('The keys of example.test:\n\n'),
      await gpg.exportKeys([one]),
      Buffer.from('\r\nand\r\n'),
      await gpg.exportKeys([two]),
    ]);
    const binary = await gpg.exportKeys([one, two], { armor: false });
    for (const bytes of [inOne, inSeveral, binary]) {
      expect((await readKeys(bytes)).map(({ fingerprint }) => fingerprint)).toEqual([one, two]);
    }
  });

  it('names the sub-keys', async () => {
    const [key] = await readKeys(await gpg.exportKeys([two]));
    expect(key?.subkeys).toMatchObject([{ algorithm: 'EdDSA ed25519Legacy', isRevoked: false }]);
    expect(key?.problem).toBeUndefined();
  });

  it('gives each key alone, as a file for GnuPG', async () => {
    const [first] = await readKeys(await gpg.exportKeys([one, two]));
    const other = createGpg();
    try {
      await other.importKeys(Buffer.from(first?.armored ?? ''));
      expect((await readKeys(await other.exportKeys([one])))[0]).toEqual(first);
    } finally {
      await other.close();
    }
  });

  it('says what is wrong with a key that is revoked, expired or too short', async () => {
    const revoked = await gpg.createKey('Revoked');
    await gpg.revoke(revoked);
    const createdAt = new Date(Date.now() - 40 * day);
    const expired = await gpg.createKey('Expired', { createdAt, expires: '30d' });
    const short = await gpg.createKey('Short', { algorithm: 'dsa1024' });
    const keys = await readKeys(await gpg.exportKeys([revoked, expired, short]));
    expect(keys.map(({ isRevoked }) => isRevoked)).toEqual([true, false, false]);
    expect(keys.map(({ problem }) => problem !== undefined)).toEqual([true, true, true]);
  });

  it('is refused when the key is private', async () => {
    await expect(readKeys(await gpg.exportSecretKey(one))).rejects.toMatchObject({ code: 'ERR_KEY_INVALID' });
    const both = Buffer.concat([await gpg.exportKeys([two]), await gpg.exportSecretKey(one)]);
    await expect(readKeys(both)).rejects.toMatchObject({ code: 'ERR_KEY_INVALID' });
  });

  it('is refused when it is something else', async () => {
    const armored = (await gpg.exportKeys([one])).toString();
    const files: Record<string, Buffer> = {
      empty: Buffer.alloc(0),
      text: Buffer.from('no key'),
      page: Buffer.from('<!doctype html><title>404</title>'),
      'without an end': Buffer.from(armored.slice(0, 400)),
      'many beginnings': Buffer.from('-----BEGIN PGP PUBLIC KEY BLOCK-----\n'.repeat(20_000)),
      'nothing in it': Buffer.from(
        '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n',
      ),
      'a signature': await gpg.sign(one, Buffer.from('x'), { armor: true }),
      'a binary signature': await gpg.sign(one, Buffer.from('x')),
      'cut binary': (await gpg.exportKeys([one], { armor: false })).subarray(0, 200),
      'too large': Buffer.alloc(KEYS_MAX_BYTES + 1, 0x99),
      'bytes without a sense': Buffer.from(Array.from({ length: 1000 }, (_, at) => 0x80 | (at * 7))),
    };
    for (const [name, bytes] of Object.entries(files)) {
      const outcome = await readKeys(bytes).then(
        () => 'read',
        (error: { code?: string }) => error.code,
      );
      expect([name, outcome]).toEqual([name, 'ERR_KEY_INVALID']);
    }
  });
});

describe('a key by OpenPGP.js', () => {
  it('of version 6 has a longer fingerprint', async () => {
    const { publicKey } = await generateKey({
      ...{ type: 'curve25519' as const, userIDs: [{ name: 'Six' }], format: 'armored' as const },
      config: { ...config, v6Keys: true },
    });
    const [key] = await readKeys(Buffer.from(publicKey));
    expect(key).toMatchObject({ version: 6, userIds: ['Six'], algorithm: 'ed25519' });
    expect(key?.fingerprint).toMatch(/^[0-9a-f]{64}$/);
  });

  it('keeps a user ID that the key does not confirm to itself', async () => {
    const mine = await createSigningKey({ name: 'Mine' });
    const bytes = Buffer.from(mine.publicKey);
    const [key] = await readKeys(bytes);
    expect(key?.userIds).toEqual([mine.userId]);
    const binary = Buffer.from(await binaryOf(mine.publicKey));
    binary.write('Ours', binary.indexOf('Mine'));
    const [forged] = await readKeys(binary);
    expect(forged).toMatchObject({ fingerprint: mine.fingerprint, userIds: [] });
    expect(forged?.problem).toBeDefined();
  });
});

async function binaryOf(armored: string): Promise<Uint8Array> {
  const { readKey } = await import('openpgp');
  return (await readKey({ armoredKey: armored })).write();
}
