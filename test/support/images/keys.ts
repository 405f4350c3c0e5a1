/** OpenPGP keys made for one run, and detached signatures by them. */

import { createMessage, config as defaults, generateKey, readPrivateKey, sign } from 'openpgp';

export interface KeyOptions {
  /** Default `Test Signer`. */
  readonly name?: string | undefined;
  /** Default `signer@example.test`. */
  readonly email?: string | undefined;
  /** Default `ed25519`, in the form that every GnuPG reads; no GnuPG reads `v6`. */
  readonly kind?: keyof typeof KINDS | undefined;
  /** When it was made. Default: now. */
  readonly createdAt?: Date | undefined;
  /** Seconds after which it expires. Default: never. */
  readonly expiresInSeconds?: number | undefined;
}

export interface SigningKey {
  /** Armored. */
  readonly publicKey: string;
  /** 40 hex digits, lower case; 64 for version 6. */
  readonly fingerprint: string;
  /** `Test Signer <signer@example.test>` */
  readonly userId: string;
  /** An armored detached signature, as `gpg --armor --detach-sign` makes it. */
  sign(bytes: Uint8Array, date?: Date): Promise<string>;
  /** The same without armor. */
  signBinary(bytes: Uint8Array, date?: Date): Promise<Uint8Array>;
}

const KINDS = {
  ed25519: { type: 'ecc', curve: 'ed25519Legacy' },
  rsa: { type: 'rsa', rsaBits: 2048 },
  v6: { type: 'curve25519' },
} as const;

/** Makes a key pair. */
export async function createSigningKey(options: KeyOptions = {}): Promise<SigningKey> {
  const name = options.name ?? 'Test Signer';
  const email = options.email ?? 'signer@example.test';
  const kind = options.kind ?? 'ed25519';
  const config = { ...defaults, v6Keys: kind === 'v6' };
  const pair = await generateKey({
    ...KINDS[kind],
    config,
    userIDs: [{ name, email }],
    format: 'armored',
    ...(options.createdAt === undefined ? {} : { date: options.createdAt }),
    ...(options.expiresInSeconds === undefined ? {} : { keyExpirationTime: options.expiresInSeconds }),
  });
  const signingKeys = await readPrivateKey({ armoredKey: pair.privateKey });
  const messageOf = (binary: Uint8Array) => createMessage({ binary });
  return {
    publicKey: pair.publicKey,
    fingerprint: signingKeys.getFingerprint(),
    userId: `${name} <${email}>`,
    async sign(bytes, date = new Date()) {
      const message = await messageOf(bytes);
      return await sign({ message, signingKeys, detached: true, format: 'armored', date, config });
    },
    async signBinary(bytes, date = new Date()) {
      const message = await messageOf(bytes);
      return await sign({ message, signingKeys, detached: true, format: 'binary', date, config });
    },
  };
}
