/** Detached signatures and what is kept of the content that they sign, as plain data for threads and records. */

/** The digests that a signature may be of; MD5, RIPEMD-160 and SHA-1 are refused. */
export type HashAlgorithm = 'sha224' | 'sha256' | 'sha384' | 'sha512' | 'sha3-256' | 'sha3-512';

/** One signature of a file. What is signed is the digest of salt + content + trailer. */
export interface SignaturePacket {
  readonly version: 4 | 6;
  readonly hashAlgorithm: HashAlgorithm;
  /** Version 6: goes into the hash before the content. */
  readonly salt?: Uint8Array | undefined;
  /** What goes into the hash after the content: the signed fields of the packet and their length. */
  readonly trailer: Uint8Array;
  /** The first two bytes of the digest. */
  readonly digestPrefix: Uint8Array;
  /** 16 hex digits; zeros when the signature does not say. */
  readonly issuerKeyId: string;
  /** 40 or 64 hex digits. */
  readonly issuerFingerprint?: string | undefined;
  readonly createdAt: Date;
  /** The body of the packet, for the library. */
  readonly body: Uint8Array;
}

/** The usable signatures of one file, at least one; `unusable` says why others are left out. */
export interface DetachedSignature {
  readonly packets: readonly SignaturePacket[];
  readonly unusable: readonly string[];
}

/** A hash to compute over content while it streams by. */
export interface ContentHashRequest {
  readonly algorithm: HashAlgorithm;
  /** Base64. */
  readonly salt?: string | undefined;
  /** Base64; the digest with each of them is kept. */
  readonly trailers: readonly string[];
  /** Keep the running state, so that signatures that come later can be checked. SHA-512 is always kept so. */
  readonly keepState?: boolean | undefined;
}

/** What is kept of a hash over content. */
export interface KeptHash {
  readonly algorithm: HashAlgorithm;
  /** Base64. */
  readonly salt?: string | undefined;
  /** Base64: the state after the content. */
  readonly state?: string | undefined;
  /** The finished hash with a trailer: base64, and hex. */
  readonly digests: readonly { readonly trailer: string; readonly digest: string }[];
}

/** What an image record keeps, so that the image can be checked again without its original bytes. */
export interface SignedContent {
  /** The signature's file, base64. */
  readonly signature: string;
  readonly hashes: readonly KeptHash[];
}

/** The two that GnuPG makes by itself; with other ones a deferred signature needs the content again. */
export const DEFERRED_HASHES: readonly ContentHashRequest[] = [
  { algorithm: 'sha512', trailers: [] },
  { algorithm: 'sha256', trailers: [], keepState: true },
];

/** The hashes that the signatures of a file need, each once. */
export function hashRequestsOf({ packets }: DetachedSignature): ContentHashRequest[] {
  const requests = new Map<string, ContentHashRequest & { readonly trailers: string[] }>();
  for (const packet of packets) {
    const salt = packet.salt && base64Of(packet.salt);
    const key = `${packet.hashAlgorithm} ${salt ?? ''}`;
    const request = requests.get(key) ?? { algorithm: packet.hashAlgorithm, salt, trailers: [] };
    request.trailers.push(base64Of(packet.trailer));
    requests.set(key, request);
  }
  return [...requests.values()];
}

export function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
