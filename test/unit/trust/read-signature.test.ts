/** Files of signatures: every form, several signatures in one, what is left out and what is refused. */

import { describe, expect, it } from 'vitest';
import { readSignature, SIGNATURE_MAX_BYTES } from '../../../src/trust/read-signature.js';
import { hashRequestsOf } from '../../../src/trust/signature.js';
import { createSigningKey } from '../../support/images/keys.js';

const content = Buffer.from('an image');
const key = await createSigningKey();
const armored = await key.sign(content);
const binary = Buffer.from(await key.signBinary(content));
/** A packet of a signature of a version that nobody has. */
const unknownVersion = Buffer.from([0xc2, 2, 99, 0]);

async function outcomeOf(bytes: Uint8Array): Promise<string | number> {
  return readSignature(bytes).then(
    ({ packets }) => packets.length,
    (error: { code: string }) => error.code,
  );
}

describe('a file of signatures', () => {
  it.each<[string, Uint8Array]>([
    ['armored', Buffer.from(armored)],
    ['armored, with other line ends', Buffer.from(armored.replaceAll('\r\n', '\n'))],
    ['armored, with a byte order mark', Buffer.from(`\ufeff${armored}`)],
    ['armored, with text around it', Buffer.from(`Signed by me:\n\n${armored}\nbye\n`)],
    ['armored, with a wrong checksum', Buffer.from(armored.replace(/^=....$/m, '=AAAA'))],
    ['binary', binary],
    ['binary, with one of an unknown version', Buffer.concat([unknownVersion, binary])],
  ])('is read: %s', async (_, bytes) => {
    const { packets } = await readSignature(bytes);
    expect(packets).toMatchObject([
      { version: 4, issuerFingerprint: key.fingerprint, issuerKeyId: key.fingerprint.slice(-16) },
    ]);
  });

  it.each<[string, Uint8Array]>([
    ['binary', Buffer.concat([binary, binary])],
    ['in several blocks', Buffer.from(`${armored}\n${armored}`)],
  ])('may have several: %s', async (_, bytes) => {
    expect(await outcomeOf(bytes)).toBe(2);
  });

  it('says which it left out', async () => {
    const { unusable } = await readSignature(Buffer.concat([unknownVersion, binary]));
    expect(unusable).toHaveLength(1);
  });

  it.each<[string, Uint8Array]>([
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('not found')],
    ['a page', Buffer.from('<!doctype html>')],
    ['a key', Buffer.from(key.publicKey)],
    ['a signed message', Buffer.from(armored.replaceAll('SIGNATURE', 'SIGNED MESSAGE'))],
    ['armor without an end', Buffer.from(armored.slice(0, 150))],
    ['armor without content', Buffer.from('-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n')],
    ['one of an unknown version alone', unknownVersion],
    ['a cut one', binary.subarray(0, -1)],
    ['more than there may be', Buffer.concat(Array.from({ length: 17 }, () => binary))],
    ['more bytes than there may be', Buffer.concat([binary, Buffer.alloc(SIGNATURE_MAX_BYTES)])],
  ])('is refused: %s', async (_, bytes) => {
    expect(await outcomeOf(bytes)).toBe('ERR_SIGNATURE_INVALID');
  });
});

describe('the hashes that signatures need', () => {
  it('are each computed once, with every trailer', async () => {
    const other = await createSigningKey();
    const bytes = Buffer.concat([binary, Buffer.from(await other.signBinary(content))]);
    const [request, ...more] = hashRequestsOf(await readSignature(bytes));
    expect(more).toEqual([]);
    expect(request?.trailers).toHaveLength(2);
    expect(structuredClone(request)).toEqual(request);
  });

  it('are different ones for every salt of version 6', async () => {
    const six = await createSigningKey({ kind: 'v6' });
    const bytes = Buffer.concat(
      [await six.signBinary(content), await six.signBinary(content)].map(Buffer.from),
    );
    const requests = hashRequestsOf(await readSignature(bytes));
    expect(requests).toHaveLength(2);
    expect(new Set(requests.map(({ salt }) => salt)).size).toBe(2);
  });
});
