/** Manifests of schema 1 with signatures in them: the bytes that were signed, and that a digest names. */

import { arrayOf, invalid, isObject, isPresent, type Json, parseJsonObject } from './manifest-json.js';

/** Registries sign once; a few more came from re-pushed images. */
const MAX_SIGNATURES = 100;
/** What the signatures stand before in the document, and what was signed ends with. */
const END_OF_OBJECT = /^\s*}\s*$/;

interface Format {
  readonly lengthBytes: number;
  readonly tail: Buffer;
}

/**
 * What the digest of a manifest is of: the document itself, or what was signed where the signatures of a schema 1
 * manifest are a member of it (libtrust's "pretty" form: the document without its end, then the signatures; where
 * they start and what they replaced is in the protected header of each).
 *
 * The signatures are not verified: they come with the keys to check them, so they hold for any content. What vouches
 * for a manifest is its digest.
 *
 * Throws ERR_MANIFEST_INVALID where signatures disagree, or there is more in the document than was signed.
 */
export function signedContent(bytes: Buffer): Buffer {
  const body = bytes.includes('"signatures"') ? documentOf(bytes) : undefined;
  if (body?.['schemaVersion'] !== 1 || !isPresent(body['signatures'])) return bytes;
  const [first, ...others] = arrayOf(body, 'signatures', MAX_SIGNATURES).map(formatOf);
  if (first === undefined) throw invalid('signatures', 'an array of at least one');
  const { lengthBytes, tail } = first;
  if (others.some((other) => other.lengthBytes !== lengthBytes || !other.tail.equals(tail))) {
    throw invalid('signatures', 'about one document');
  }
  checkRest(bytes.subarray(lengthBytes));
  return Buffer.concat([bytes.subarray(0, lengthBytes), tail]);
}

/** What is no document has no digest but that of its bytes, which says more than a parser does. */
function documentOf(bytes: Buffer): Json | undefined {
  try {
    return parseJsonObject(bytes);
  } catch {
    return undefined;
  }
}

function formatOf(signature: unknown, index: number): Format {
  const field = `signatures[${index}].protected`;
  const encoded = isObject(signature) ? signature['protected'] : undefined;
  const header: Json = parseJsonObject(base64UrlOf(encoded, field), field);
  const { formatLength, formatTail } = header;
  if (!Number.isSafeInteger(formatLength) || Number(formatLength) < 1) {
    throw invalid(`${field}.formatLength`, 'a size in bytes');
  }
  const tail = base64UrlOf(formatTail, `${field}.formatTail`);
  // Members in it would be there for those who read what was signed, and not for those who read the document.
  if (!END_OF_OBJECT.test(tail.toString('latin1'))) {
    throw invalid(`${field}.formatTail`, 'the end of an object');
  }
  return { lengthBytes: Number(formatLength), tail };
}

function base64UrlOf(value: unknown, field: string): Buffer {
  if (typeof value !== 'string' || !/^[A-Za-z0-9_-]+$/.test(value)) throw invalid(field, 'base64url');
  return Buffer.from(value, 'base64url');
}

/** Nothing but the signatures may follow what was signed. */
function checkRest(rest: Buffer): void {
  const problem = invalid('signatures', 'all that is not signed');
  if (rest[0] !== ','.charCodeAt(0)) throw problem;
  const members = parseJsonObject(Buffer.concat([Buffer.from('{'), rest.subarray(1)]));
  if (Object.keys(members).join() !== 'signatures') throw problem;
}
