/** The check of one image, when it is downloaded and again when it is in the store. */

import { beforeAll, describe, expect, it } from 'vitest';
import { checkTrust, hashesToKeep, type TrustCheck } from '../../../src/trust/check.js';
import { startContentHashes } from '../../../src/trust/digest.js';
import { addKey, keysFor, removeKey, type TrustedKey } from '../../../src/trust/keystore.js';
import type { TrustDecision } from '../../../src/trust/policy.js';
import { readKeys } from '../../../src/trust/read-keys.js';
import type { KeptHash, SignedContent } from '../../../src/trust/signature.js';
import { createSigningKey, type SigningKey } from '../../support/images/keys.js';
import { tempDir } from '../../support/temp.js';

const name = 'example.test/app';
const content = Buffer.from('an image');
let publisher: SigningKey;
let signature: Buffer;

beforeAll(async () => {
  publisher = await createSigningKey();
  signature = Buffer.from(await publisher.sign(content));
});

async function keptOf(signatureFile: Uint8Array, bytes = content): Promise<KeptHash[]> {
  const hashes = await startContentHashes(await hashesToKeep(signatureFile));
  hashes.update(bytes);
  return hashes.finish();
}

function check(keys: readonly TrustedKey[], rest: Partial<TrustCheck>): Promise<TrustDecision> {
  return checkTrust({
    ...{ insecureImage: false, requireSignature: false, keys, signature: undefined, hashes: [] },
    ...rest,
  });
}

async function keystoreWith(key: SigningKey): Promise<string> {
  const configDir = tempDir('acifetch-keystore-');
  const [facts] = await readKeys(Buffer.from(key.publicKey));
  if (facts !== undefined) await addKey(facts, name, configDir);
  return configDir;
}

describe('an image that was stored unverified', () => {
  it('becomes verified when its key is trusted, from its record alone, and unverified when it is not', async () => {
    const record: SignedContent = {
      signature: signature.toString('base64'),
      hashes: await keptOf(signature),
    };
    const stored = JSON.parse(JSON.stringify(record)) as SignedContent;
    const again = { signature: Buffer.from(stored.signature, 'base64'), hashes: stored.hashes };

    expect(await check([], again)).toEqual({ kind: 'unverified', warning: 'signed-by-nobody-trusted' });
    const configDir = await keystoreWith(publisher);
    expect(await check(await keysFor(name, [configDir]), again)).toEqual({
      kind: 'verified',
      signers: [{ fingerprint: publisher.fingerprint, userIds: [publisher.userId] }],
    });
    await removeKey(publisher.fingerprint, 'everywhere', [configDir], configDir);
    expect(await check(await keysFor(name, [configDir]), again)).toMatchObject({ kind: 'unverified' });
  });

  it('is refused when another key is trusted by now', async () => {
    const keys = await keysFor(name, [await keystoreWith(await createSigningKey())]);
    expect(await check(keys, { signature, hashes: await keptOf(signature) })).toMatchObject({
      kind: 'refused',
      code: 'ERR_SIGNATURE_UNTRUSTED',
    });
    expect(await check(keys, {})).toMatchObject({ kind: 'refused', code: 'ERR_SIGNATURE_MISSING' });
  });

  it('needs its content when nothing was kept of it', async () => {
    const keys = await keysFor(name, [await keystoreWith(publisher)]);
    expect(await check(keys, { signature })).toEqual({ kind: 'content-needed' });
  });

  it('is refused when what was kept is of other content', async () => {
    const keys = await keysFor(name, [await keystoreWith(publisher)]);
    const hashes = await keptOf(signature, Buffer.from('another image'));
    expect(await check(keys, { signature, hashes })).toMatchObject({ code: 'ERR_SIGNATURE_INVALID' });
  });
});

describe('a signature that cannot be read', () => {
  it('has no hashes to keep, and is not valid for a name with a key', async () => {
    const broken = Buffer.from('<!doctype html>');
    expect(await hashesToKeep(broken)).toEqual([]);
    const keys = await keysFor(name, [await keystoreWith(publisher)]);
    expect(await check(keys, { signature: broken })).toMatchObject({ code: 'ERR_SIGNATURE_INVALID' });
    expect(await check([], { signature: broken })).toEqual({
      kind: 'unverified',
      warning: 'signed-by-nobody-trusted',
    });
  });
});

describe('an image that need not be verified', () => {
  it('is not, also when its key is trusted', async () => {
    const keys = await keysFor(name, [await keystoreWith(publisher)]);
    const rest = { insecureImage: true, signature, hashes: await keptOf(signature) };
    expect(await check(keys, rest)).toEqual({ kind: 'unverified' });
  });
});
