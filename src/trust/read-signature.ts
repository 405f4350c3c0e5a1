/** From a signature's file to plain data: armored or binary, one signature or several. */

import type { AnyPacket, SignaturePacket as LibraryPacket } from 'openpgp';
import { FetchError } from '../errors.js';
import { armorBlocksOf, type Library, loadOpenPgp, reasonOf } from './openpgp.js';
import type { DetachedSignature, HashAlgorithm, SignaturePacket } from './signature.js';

/** A signature has some hundred bytes; this much of the smallest packets takes the library half a second. */
export const SIGNATURE_MAX_BYTES = 64 * 1024;
/** Each costs a check with every trusted key that it may be by. */
const MAX_PACKETS = 16;

/** Size of the salt of a version 6 signature (RFC 9580, table 23). */
const SALT_BYTES: Readonly<Record<HashAlgorithm, number>> = {
  sha224: 16,
  sha256: 16,
  sha384: 24,
  sha512: 32,
  'sha3-256': 16,
  'sha3-512': 32,
};

/** @throws FetchError ERR_SIGNATURE_INVALID when there is no signature of a file in it that could be checked */
export async function readSignature(bytes: Uint8Array): Promise<DetachedSignature> {
  if (bytes.length > SIGNATURE_MAX_BYTES) throw invalid(`it has more than ${SIGNATURE_MAX_BYTES} bytes`);
  const { library } = await loadOpenPgp();
  const found = await readPackets(bytes, library).catch((cause: unknown) => {
    throw invalid(reasonOf(cause), cause);
  });
  if (found.length > MAX_PACKETS) throw invalid(`it has more than ${MAX_PACKETS} signatures`);
  const read = found.map((packet) => factsOf(packet, library));
  const packets = read.filter((facts) => typeof facts !== 'string');
  const unusable = read.filter((facts) => typeof facts === 'string');
  if (packets.length === 0) throw invalid(unusable.join('; ') || 'it is empty');
  return { packets, unusable };
}

async function readPackets(bytes: Uint8Array, library: Library): Promise<AnyPacket[]> {
  const blocks = armorBlocksOf(bytes);
  if (blocks === undefined) return [...(await library.readSignature({ binarySignature: bytes })).packets];
  const packets: AnyPacket[] = [];
  for (const { label, text } of blocks) {
    if (label !== 'SIGNATURE') throw new Error(`a PGP ${label} is not a detached signature`);
    packets.push(...(await library.readSignature({ armoredSignature: text })).packets);
  }
  return packets;
}

/** Or why a signature is left out. */
function factsOf(packet: AnyPacket, { SignaturePacket, enums }: Library): SignaturePacket | string {
  if (!(packet instanceof SignaturePacket)) return 'a signature of a version other than 4 and 6';
  const { version, signatureData, signedHashValue, created } = packet;
  if (version !== 4 && version !== 6) return `a signature of version ${version}`;
  if (packet.signatureType !== enums.signature.binary) {
    return `a signature of type 0x${(packet.signatureType ?? 0).toString(16)}, and not of a binary file`;
  }
  const hashAlgorithm = hashAlgorithmOf(packet, enums);
  if (hashAlgorithm === undefined) return `a signature with the weak or unknown hash ${packet.hashAlgorithm}`;
  if (signatureData === null || signedHashValue?.length !== 2 || created === null) return 'a cut signature';
  const salt = saltOf(packet);
  if (version === 6 && salt?.length !== SALT_BYTES[hashAlgorithm])
    return 'a signature with a salt of wrong size';
  return {
    version,
    hashAlgorithm,
    salt: version === 6 ? salt : undefined,
    trailer: trailerOf(version, signatureData),
    digestPrefix: signedHashValue,
    issuerKeyId: packet.issuerKeyID.toHex() || '0'.repeat(16),
    issuerFingerprint: packet.issuerFingerprint
      ? Buffer.from(packet.issuerFingerprint).toString('hex')
      : undefined,
    createdAt: created,
    body: packet.write(),
  };
}

function hashAlgorithmOf(
  { hashAlgorithm }: LibraryPacket,
  { hash }: Library['enums'],
): HashAlgorithm | undefined {
  switch (hashAlgorithm) {
    case hash.sha224:
      return 'sha224';
    case hash.sha256:
      return 'sha256';
    case hash.sha384:
      return 'sha384';
    case hash.sha512:
      return 'sha512';
    case hash.sha3_256:
      return 'sha3-256';
    case hash.sha3_512:
      return 'sha3-512';
    default:
      return undefined;
  }
}

/** The library has it, its types do not. */
function saltOf(packet: LibraryPacket & { readonly salt?: Uint8Array | null }): Uint8Array | undefined {
  return packet.salt ?? undefined;
}

/** RFC 9580, 5.2.4: the packet up to its signed fields, its version, 0xff, and the length of the former. */
function trailerOf(version: number, signedFields: Uint8Array): Uint8Array {
  const end = Buffer.alloc(6);
  end.set([version, 0xff]);
  end.writeUInt32BE(signedFields.length, 2);
  return Buffer.concat([signedFields, end]);
}

function invalid(reason: string, cause?: unknown): FetchError {
  return new FetchError('ERR_SIGNATURE_INVALID', `not a signature that can be checked: ${reason}`, {
    stage: 'verify',
    cause,
  });
}
