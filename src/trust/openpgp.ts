/** The OpenPGP library, loaded when it is first needed, the strictness it is used with, and the forms of its input. */

import type { Config } from 'openpgp';

export type Library = typeof import('openpgp');

export interface OpenPgp {
  readonly library: Library;
  readonly config: Config;
}

/** Loading costs some 75 ms, which no image without a signature should pay. */
export async function loadOpenPgp(): Promise<OpenPgp> {
  const library = await import('openpgp');
  const { config, enums } = library;
  return {
    library,
    config: {
      ...config,
      // The library refuses DSA as well; GnuPG makes such signatures to this day. KEY_MIN_BITS bounds them.
      rejectPublicKeyAlgorithms: new Set([enums.publicKey.elgamal]),
      minRSABits: KEY_MIN_BITS,
    },
  };
}

/** Of RSA and DSA keys. Some programs make keys that are a bit shorter than they were asked for. */
export const KEY_MIN_BITS = 2047;

const BEGIN = '-----BEGIN PGP ';
const END = '-----END PGP ';

/** An armored block with the lines around it, and the words between them: `SIGNATURE`, `PUBLIC KEY BLOCK`, … */
export interface ArmorBlock {
  readonly label: string;
  readonly text: string;
}

/** The armored blocks of a file, whatever stands between them; undefined for a binary one. @throws Error */
export function armorBlocksOf(bytes: Uint8Array): ArmorBlock[] | undefined {
  if (isBinary(bytes)) return undefined;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  const blocks: ArmorBlock[] = [];
  for (let begin = text.indexOf(BEGIN); begin !== -1; ) {
    const end = text.indexOf(END, begin);
    if (end === -1) throw new Error('an armored block without an end');
    const lineEnd = text.indexOf('\n', end);
    const next = lineEnd === -1 ? text.length : lineEnd + 1;
    const label = text.slice(begin + BEGIN.length, text.indexOf('-----', begin + BEGIN.length));
    blocks.push({ label, text: text.slice(begin, next) });
    begin = text.indexOf(BEGIN, next);
  }
  if (blocks.length === 0) throw new Error('neither armored nor binary OpenPGP');
  return blocks;
}

/** The first byte of a packet has its top bit set, as no text has but one with a byte order mark. */
function isBinary(bytes: Uint8Array): boolean {
  const [first = 0, second, third] = bytes;
  return first >= 0x80 && !(first === 0xef && second === 0xbb && third === 0xbf);
}

/** What the library says went wrong, in one line. */
export function reasonOf(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  return line;
}
