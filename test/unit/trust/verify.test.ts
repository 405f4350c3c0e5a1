/** Signatures by GnuPG and OpenPGP.js: what is good, what is not, and why; beside what GnuPG itself says. */

import { config, createMessage, generateKey, readPrivateKey, sign } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGpg, type Gpg, type GpgStatus } from '../../support/gpg.js';
import { requireTools } from '../../support/tools.js';
import { keep, outcomeOf, verdictsOn } from './check-bytes.js';

const content = Buffer.from('the bytes of an image\n'.repeat(5000));
const empty = Buffer.alloc(0);
const daysAgo = (days: number): Date => new Date(Math.floor(Date.now() / 1000 - days * 86_400) * 1000);

describe.runIf(requireTools(['gpg']))('a signature by GnuPG', () => {
  let gpg: Gpg;
  beforeAll(() => {
    gpg = createGpg();
  });
  afterAll(() => gpg.close());

  it.each([
    ['rsa2048', ['SHA512', 'SHA384', 'SHA256', 'SHA224']],
    ['ed25519', ['SHA256', 'SHA512']],
    ['dsa2048', ['SHA256']],
    ['nistp256', ['SHA256']],
    ['nistp384', ['SHA384']],
    ['nistp521', ['SHA512']],
  ])('with %s is good, armored and binary, and for its content alone', async (algorithm, digests) => {
    const key = await gpg.createKey(algorithm, { algorithm });
    const publicKey = await gpg.exportKeys([key]);
    for (const [place, digest] of digests.entries()) {
      const signature = await gpg.sign(key, content, { armor: place % 2 === 0, digest });
      expect(await verdictsOn(signature, content, [publicKey])).toEqual([
        {
          status: 'good',
          signer: { fingerprint: key, userIds: [`${algorithm} <${algorithm}@example.test>`] },
        },
      ]);
      expect(await outcomeOf(signature, Buffer.concat([content, content]), [publicKey])).toBe('signature');
    }
    expect(await outcomeOf(await gpg.sign(key, content), content, [publicKey])).toBe('good');
    expect(await outcomeOf(await gpg.sign(key, content, { armor: true }), content, [publicKey])).toBe('good');
  });

  it('of no content is good for no content only', async () => {
    const key = await gpg.createKey('Empty');
    const publicKey = await gpg.exportKeys([key]);
    const signature = await gpg.sign(key, empty);
    expect(await outcomeOf(signature, empty, [publicKey])).toBe('good');
    expect(await outcomeOf(signature, content, [publicKey])).toBe('signature');
  });

  it('by a sub-key is by its main key', async () => {
    const key = await gpg.createKey('Main', { usage: 'cert' });
    await gpg.addSubkey(key, 'rsa2048');
    const signature = await gpg.sign(key, content);
    const [verdict] = await verdictsOn(signature, content, [await gpg.exportKeys([key])]);
    expect(verdict).toMatchObject({ status: 'good', signer: { fingerprint: key } });
  });

  it('is found among several keys and signatures', async () => {
    const [one, two, three] = [
      await gpg.createKey('One'),
      await gpg.createKey('Two'),
      await gpg.createKey('Three'),
    ];
    const signatures = [await gpg.sign(one, content), await gpg.sign(two, content)];
    const keys = [await gpg.exportKeys([two, three], { armor: false })];
    const verdicts = await verdictsOn(Buffer.concat(signatures), content, keys);
    expect(verdicts.map(({ status }) => status)).toEqual(['unknown-key', 'good']);
  });

  it('with a renewed key is good, also when it is from before the renewal', async () => {
    const key = await gpg.createKey('Renewed', { createdAt: daysAgo(400), expires: '365d' });
    const signature = await gpg.sign(key, content, { at: daysAgo(200) });
    expect(await outcomeOf(signature, content, [await gpg.exportKeys([key])])).toBe('key-expired');
    await gpg.setExpiry(key, '2y');
    expect(await outcomeOf(signature, content, [await gpg.exportKeys([key])])).toBe('good');
  });

  interface Case {
    readonly gpgSays: GpgStatus;
    readonly outcome: string;
    /** Why it is stricter than GnuPG. */
    readonly because?: string;
    make(): Promise<{ signature: Uint8Array; keys: Uint8Array; content?: Uint8Array }>;
  }

  let shared: Promise<string> | undefined;
  function sharedKey(): Promise<string> {
    shared ??= gpg.createKey('Shared');
    return shared;
  }

  /** A signature with the options, by a key of its own or the shared one. */
  async function signed(
    name: string,
    keyOptions: Parameters<Gpg['createKey']>[1] | undefined,
    signOptions: Parameters<Gpg['sign']>[2] = {},
  ): Promise<{ key: string; signature: Buffer; keys: Buffer }> {
    const key = await (keyOptions === undefined ? sharedKey() : gpg.createKey(name, keyOptions));
    const signature = await gpg.sign(key, content, signOptions);
    return { key, signature, keys: await gpg.exportKeys([key]) };
  }

  const cases: Record<string, Case> = {
    'by an expired key': {
      gpgSays: 'EXPKEYSIG',
      outcome: 'key-expired',
      make: () => signed('Expired', { createdAt: daysAgo(400), expires: '365d' }, { at: daysAgo(300) }),
    },
    'by a revoked key': {
      gpgSays: 'REVKEYSIG',
      outcome: 'key-revoked',
      async make() {
        const made = await signed('Revoked', {});
        await gpg.revoke(made.key);
        return { ...made, keys: await gpg.exportKeys([made.key]) };
      },
    },
    'by a revoked sub-key': {
      gpgSays: 'REVKEYSIG',
      outcome: 'key-revoked',
      async make() {
        const key = await gpg.createKey('RevokedSub', { usage: 'cert' });
        await gpg.addSubkey(key, 'ed25519');
        const signature = await gpg.sign(key, content);
        await gpg.revokeSubkey(key);
        return { signature, keys: await gpg.exportKeys([key]) };
      },
    },
    'by an expired sub-key': {
      gpgSays: 'EXPKEYSIG',
      outcome: 'key-expired',
      async make() {
        const key = await gpg.createKey('ExpiredSub', { usage: 'cert', createdAt: daysAgo(100) });
        await gpg.addSubkey(key, 'ed25519', { createdAt: daysAgo(90), expires: '30d' });
        const signature = await gpg.sign(key, content, { at: daysAgo(80) });
        return { signature, keys: await gpg.exportKeys([key]) };
      },
    },
    'that has expired': {
      gpgSays: 'EXPSIG',
      outcome: 'signature-expired',
      make: () =>
        signed(
          'ExpiredSig',
          { createdAt: daysAgo(40) },
          {
            at: daysAgo(30),
            extraArgs: ['--default-sig-expire', '10d'],
          },
        ),
    },
    'that expires later': {
      gpgSays: 'GOODSIG',
      outcome: 'good',
      make: () => signed('Lasting', undefined, { extraArgs: ['--default-sig-expire', '10d'] }),
    },
    'from the future': {
      gpgSays: 'GOODSIG',
      outcome: 'signature-in-future',
      because: 'GnuPG only warns of the clock',
      make: () => signed('Future', undefined, { at: daysAgo(-10) }),
    },
    'from before its key': {
      gpgSays: 'ERRSIG',
      outcome: 'key-unfit',
      async make() {
        const key = await gpg.createKey('Young', { createdAt: daysAgo(10) });
        const extraArgs = ['--ignore-time-conflict', '--ignore-valid-from'];
        const signature = await gpg.sign(key, content, { at: daysAgo(20), extraArgs });
        return { signature, keys: await gpg.exportKeys([key]) };
      },
    },
    'of text': {
      gpgSays: 'GOODSIG',
      outcome: 'ERR_SIGNATURE_INVALID',
      because: 'an image is no text: its line ends count',
      make: () => signed('Text', undefined, { textMode: true }),
    },
    'with SHA-1': {
      gpgSays: 'GOODSIG',
      outcome: 'ERR_SIGNATURE_INVALID',
      because: 'two contents with one SHA-1 can be made',
      make: () => signed('Sha1', { algorithm: 'rsa2048' }, { digest: 'SHA1' }),
    },
    'with RIPEMD-160': {
      gpgSays: 'GOODSIG',
      outcome: 'ERR_SIGNATURE_INVALID',
      because: 'its digest is as short as that of SHA-1',
      make: () => signed('Ripemd', { algorithm: 'rsa2048' }, { digest: 'RIPEMD160' }),
    },
    'by a short RSA key': {
      gpgSays: 'GOODSIG',
      outcome: 'key-unfit',
      because: 'RSA with 1024 bits is within reach',
      make: () => signed('Rsa1024', { algorithm: 'rsa1024' }),
    },
    'by a short DSA key': {
      gpgSays: 'GOODSIG',
      outcome: 'key-unfit',
      because: 'DSA with 1024 bits is within reach',
      make: () => signed('Dsa1024', { algorithm: 'dsa1024' }, { digest: 'SHA256' }),
    },
    'with a Brainpool curve': {
      gpgSays: 'GOODSIG',
      outcome: 'key-unfit',
      because: 'the library cannot check what such a key says of itself',
      make: () => signed('Brainpool', { algorithm: 'brainpoolP256r1' }),
    },
    'with a critical notation that is not known here': {
      gpgSays: 'BADSIG',
      outcome: 'signature',
      make: () => signed('Critical', undefined, { extraArgs: ['--sig-notation', '!pin@example.test=1'] }),
    },
    'with a notation': {
      gpgSays: 'GOODSIG',
      outcome: 'good',
      make: () => signed('Notation', undefined, { extraArgs: ['--sig-notation', 'note@example.test=1'] }),
    },
    'of other content': {
      gpgSays: 'BADSIG',
      outcome: 'signature',
      async make() {
        return { ...(await signed('Other', undefined)), content: Buffer.concat([content, Buffer.from('x')]) };
      },
    },
    'that is a message with its content': {
      gpgSays: 'FAILURE',
      outcome: 'ERR_SIGNATURE_INVALID',
      async make() {
        const made = await signed('Inline', undefined);
        return { ...made, signature: await gpg.exportKeys([made.key]) };
      },
    },
    'that is cut': {
      gpgSays: 'NODATA',
      outcome: 'ERR_SIGNATURE_INVALID',
      async make() {
        const made = await signed('Cut', undefined);
        return { ...made, signature: made.signature.subarray(0, 40) };
      },
    },
  };

  it.each(Object.entries(cases))('%s', async (_, { gpgSays, outcome, because, make }) => {
    const made = await make();
    const signedContent = made.content ?? content;
    const { status } = await gpg.verify(made.signature, signedContent);
    expect({ gpgSays: status, outcome: await outcomeOf(made.signature, signedContent, [made.keys]) }).toEqual(
      {
        gpgSays,
        outcome,
      },
    );
    // Nothing is good here that is not good there, and where it is the other way round there is a reason.
    if (outcome === 'good') expect(status).toBe('GOODSIG');
    expect(because !== undefined).toBe(status === 'GOODSIG' && outcome !== 'good');
  });

  it('by a key that was not given is by nobody known', async () => {
    const { signature } = await signed('Unknown', undefined);
    const other = await gpg.exportKeys([await gpg.createKey('Known')]);
    expect(await outcomeOf(signature, content, [other])).toBe('unknown-key');
    expect(await outcomeOf(signature, content, [])).toBe('unknown-key');
  });
});

describe('a signature of version 6', () => {
  it.each([
    ['curve25519', {}],
    ['curve448', {}],
    ['rsa', { rsaBits: 2048 }],
    ['ecc', { curve: 'nistP256' }],
  ] as const)('with %s is good, and for its content alone', async (type, options) => {
    const v6 = { ...config, v6Keys: true };
    const pair = await generateKey({
      ...{ type, ...options, userIDs: [{ name: 'Six', email: 'six@example.test' }] },
      format: 'armored',
      config: v6,
    });
    const signingKeys = await readPrivateKey({ armoredKey: pair.privateKey });
    const publicKey = Buffer.from(pair.publicKey);
    for (const format of ['armored', 'binary'] as const) {
      const message = await createMessage({ binary: content });
      const made = await sign({
        message,
        signingKeys,
        detached: true,
        format: format as 'armored',
        config: v6,
      });
      const signature = Buffer.from(made);
      const [verdict] = await verdictsOn(signature, content, [publicKey]);
      expect(verdict).toEqual({
        status: 'good',
        signer: { fingerprint: signingKeys.getFingerprint(), userIds: ['Six <six@example.test>'] },
      });
      expect(signingKeys.getFingerprint()).toHaveLength(64);
      expect(await outcomeOf(signature, content.subarray(1), [publicKey])).toBe('signature');
      const [kept] = await keep(signature, content);
      expect(kept?.salt).toBeDefined();
    }
  });
});
