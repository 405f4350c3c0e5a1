/** Every kind of tampering with a signature, its content or its key is caught. */

import {
  createMessage,
  generateKey,
  type PacketList,
  PublicKey,
  readKey,
  readPrivateKey,
  sign,
} from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGpg, type Gpg } from '../../support/gpg.js';
import { createSigningKey } from '../../support/images/keys.js';
import { requireTools } from '../../support/tools.js';
import { outcomeOf } from './check-bytes.js';

const content = Buffer.from('twenty bytes or some');

interface Signed {
  readonly signature: Buffer;
  readonly publicKey: Buffer;
}

/** Where the parts of a packet of version 4 or 6 lie; the length of its header is 2 or 3. */
function regionsOf(packet: Buffer) {
  const header =
    (packet[0] as number) & 0x40 ? ((packet[1] as number) < 192 ? 2 : 3) : 2 + ((packet[0] as number) & 1);
  const isV6 = packet[header] === 6;
  const countBytes = isV6 ? 4 : 2;
  const signedAt = header + 4 + countBytes;
  const unsignedCountAt = signedAt + packet.readUIntBE(signedAt - countBytes, countBytes);
  const unsignedAt = unsignedCountAt + countBytes;
  const prefixAt = unsignedAt + packet.readUIntBE(unsignedCountAt, countBytes);
  const saltAt = prefixAt + 2;
  const valuesAt = isV6 ? saltAt + 1 + (packet[saltAt] as number) : saltAt;
  return {
    header: [0, header],
    version: [header, header + 1],
    type: [header + 1, header + 2],
    keyAlgorithm: [header + 2, header + 3],
    hashAlgorithm: [header + 3, header + 4],
    signedCount: [header + 4, signedAt],
    signedFields: [signedAt, unsignedCountAt],
    unsignedCount: [unsignedCountAt, unsignedAt],
    unsignedFields: [unsignedAt, prefixAt],
    digestPrefix: [prefixAt, saltAt],
    salt: [saltAt, valuesAt],
    values: [valuesAt, packet.length],
  } as const;
}

type Region = keyof ReturnType<typeof regionsOf>;

function regionAt(packet: Buffer, at: number): Region {
  const found = Object.entries(regionsOf(packet)).find(([, [from, to]]) => at >= from && at < to);
  return found?.[0] as Region;
}

function withBitFlipped(bytes: Buffer, at: number, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] as number) ^ (1 << bit);
  return copy;
}

/** The outcomes of a change of `bits` in each byte, by region; without those that are errors and bad signatures. */
async function notCaught({ signature, publicKey }: Signed, bits: readonly number[]): Promise<string[]> {
  const open: string[] = [];
  for (let at = 0; at < signature.length; at++) {
    for (const bit of bits) {
      const outcome = await outcomeOf(withBitFlipped(signature, at, bit), content, [publicKey]);
      if (outcome === 'good') open.push(`${regionAt(signature, at)} ${at}.${bit}`);
      // What is wrong is said in the words of this project.
      expect(outcome).toMatch(
        /^(good|unknown-key|signature|signature-expired|key-unfit|ERR_SIGNATURE_INVALID)$/,
      );
    }
  }
  return open;
}

/**
 * Bits that no signature covers and that change nothing of what is signed: the size and the kind of the unsigned
 * field that repeats the key ID, and how many leading zero bits a number has.
 */
function isHarmless(signature: Buffer, open: string): boolean {
  const [region, place] = open.split(' ');
  const at = Number.parseInt(place ?? '', 10);
  const regions = regionsOf(signature);
  if (region === 'unsignedCount') return true;
  if (region === 'unsignedFields') return at === regions.unsignedFields[0] + 1;
  return region === 'values' && isLengthOfNumber(signature, at, regions.values[0]);
}

function isLengthOfNumber(signature: Buffer, at: number, valuesAt: number): boolean {
  for (let number = valuesAt; number + 2 <= signature.length; ) {
    if (at === number || at === number + 1) return true;
    number += 2 + Math.ceil(signature.readUInt16BE(number) / 8);
  }
  return false;
}

describe.runIf(requireTools(['gpg']))('a changed bit of a signature by GnuPG', () => {
  let gpg: Gpg;
  let keys = 0;
  beforeAll(() => {
    gpg = createGpg();
  });
  afterAll(() => gpg.close());

  async function signedWith(algorithm: string): Promise<Signed> {
    const key = await gpg.createKey(`${algorithm} ${keys++}`, { algorithm });
    return { signature: await gpg.sign(key, content), publicKey: await gpg.exportKeys([key]) };
  }

  it.each([
    ['ed25519', [0, 3, 7]],
    ['rsa2048', [0]],
    ['nistp256', [5]],
    ['dsa2048', [3]],
  ])('with %s is caught, or changes nothing', async (algorithm, bits) => {
    const signed = await signedWith(algorithm);
    expect(await outcomeOf(signed.signature, content, [signed.publicKey])).toBe('good');
    const open = await notCaught(signed, bits);
    expect(open.filter((place) => !isHarmless(signed.signature, place))).toEqual([]);
  });

  it('in its content is caught', async () => {
    const { signature, publicKey } = await signedWith('ed25519');
    for (let at = 0; at < content.length; at++) {
      expect(await outcomeOf(signature, withBitFlipped(content, at, at % 8), [publicKey])).toBe('signature');
    }
    for (const other of [content.subarray(1), content.subarray(0, -1), Buffer.alloc(0)]) {
      expect(await outcomeOf(signature, other, [publicKey])).toBe('signature');
    }
  });

  it.each<[Region, number, string]>([
    ['version', 3, 'ERR_SIGNATURE_INVALID'],
    ['version', 5, 'ERR_SIGNATURE_INVALID'],
    ['version', 6, 'ERR_SIGNATURE_INVALID'],
    ['type', 0x01, 'ERR_SIGNATURE_INVALID'],
    ['type', 0x02, 'ERR_SIGNATURE_INVALID'],
    ['type', 0x10, 'ERR_SIGNATURE_INVALID'],
    ['type', 0x1f, 'ERR_SIGNATURE_INVALID'],
    ['type', 0x20, 'ERR_SIGNATURE_INVALID'],
    ['keyAlgorithm', 3, 'signature'],
    ['keyAlgorithm', 17, 'ERR_SIGNATURE_INVALID'],
    ['hashAlgorithm', 1, 'ERR_SIGNATURE_INVALID'],
    ['hashAlgorithm', 2, 'ERR_SIGNATURE_INVALID'],
    ['hashAlgorithm', 8, 'signature'],
    ['hashAlgorithm', 9, 'signature'],
    ['hashAlgorithm', 99, 'ERR_SIGNATURE_INVALID'],
    ['signedFields', 0xff, 'ERR_SIGNATURE_INVALID'],
    ['digestPrefix', 0, 'signature'],
  ])('with RSA: %s set to %i', async (region, value, outcome) => {
    const { signature, publicKey } = await rsaSigned();
    const changed = Buffer.from(signature);
    changed[regionsOf(signature)[region][0]] = value;
    expect(await outcomeOf(changed, content, [publicKey])).toBe(outcome);
  });

  let rsa: Promise<Signed> | undefined;
  function rsaSigned(): Promise<Signed> {
    rsa ??= signedWith('rsa2048');
    return rsa;
  }

  it('is not hidden by a good signature of something else', async () => {
    const key = await gpg.createKey('Two contents');
    const publicKeys = [await gpg.exportKeys([key])];
    const other = await gpg.sign(key, Buffer.from('something else'));
    expect(await outcomeOf(other, content, publicKeys)).toBe('signature');
  });
});

describe('a changed bit of a signature of version 6', () => {
  it('is caught, or changes nothing', async () => {
    const key = await createSigningKey({ kind: 'v6' });
    const signature = Buffer.from(await key.signBinary(content));
    const signed = { signature, publicKey: Buffer.from(key.publicKey) };
    expect(await outcomeOf(signed.signature, content, [signed.publicKey])).toBe('good');
    expect(await notCaught(signed, [0, 7])).toEqual([]);
  });
});

describe('a key that somebody added to', () => {
  it('signs nothing with the sub-key of another', async () => {
    const mine = await generateKey({ userIDs: [{ name: 'Mine' }], format: 'armored' });
    const theirs = await generateKey({
      ...{ userIDs: [{ name: 'Theirs' }], subkeys: [{ sign: true }] },
      format: 'armored',
    });
    const { subkeys } = await readKey({ armoredKey: theirs.publicKey });
    const packets = (await readKey({ armoredKey: mine.publicKey })).toPacketList();
    for (const subkey of subkeys) {
      packets.push(subkey.keyPacket, ...subkey.bindingSignatures);
    }
    const forged = new PublicKey(packets as PacketList<never>);
    const signingKeys = await readPrivateKey({ armoredKey: theirs.privateKey });
    const message = await createMessage({ binary: content });
    const signature = Buffer.from(await sign({ message, signingKeys, detached: true, format: 'binary' }));
    expect(await outcomeOf(signature, content, [Buffer.from(theirs.publicKey)])).toBe('good');
    expect(await outcomeOf(signature, content, [Buffer.from(forged.armor())])).toBe('key-unfit');
  });
});
