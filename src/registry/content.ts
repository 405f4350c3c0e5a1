/** Small content of a registry, handed out only when it has the digest and size that name it. */

import { createHash } from 'node:crypto';
import { FetchError, isFetchError } from '../errors.js';
import { readBounded } from '../http/limit.js';
import { parseDigest } from '../reference/digest.js';
import type { Digest } from '../types.js';

export interface ExpectedContent {
  readonly digest?: Digest | undefined;
  readonly sizeBytes?: number | undefined;
  /** No content of this kind is larger; ERR_LIMIT. */
  readonly maxBytes: number;
  /** For messages: `the manifest of docker://…`. */
  readonly what: string;
}

/** ERR_LIMIT where what is announced is too large already, so that it need not be asked for. */
export function checkAnnouncedSize({ sizeBytes, maxBytes, what }: ExpectedContent): void {
  if (sizeBytes !== undefined && sizeBytes > maxBytes) {
    throw new FetchError('ERR_LIMIT', `${what} is larger than ${maxBytes} bytes`, { stage: 'resolve' });
  }
}

/** All of `body`. Throws ERR_LIMIT, ERR_SIZE_MISMATCH or ERR_DIGEST_MISMATCH. */
export async function readVerified(
  body: AsyncIterable<Uint8Array>,
  expected: ExpectedContent,
): Promise<Buffer> {
  const bytes = await readSized(body, expected);
  if (expected.digest !== undefined) checkDigest(bytes, expected.digest, expected.what);
  return bytes;
}

/** As {@link readVerified}, but the digest is still to be checked. */
export async function readSized(
  body: AsyncIterable<Uint8Array>,
  { sizeBytes, maxBytes, what }: ExpectedContent,
): Promise<Buffer> {
  const bytes = await readBounded(body, sizeBytes ?? maxBytes, what, 'resolve').catch((error: unknown) => {
    if (sizeBytes === undefined || !isFetchError(error) || error.code !== 'ERR_LIMIT') throw error;
    throw sizeMismatch(what, `more than ${sizeBytes}`, sizeBytes, error);
  });
  if (sizeBytes !== undefined && bytes.length !== sizeBytes) {
    throw sizeMismatch(what, String(bytes.length), sizeBytes);
  }
  return bytes;
}

/** Throws ERR_DIGEST_MISMATCH. */
export function checkDigest(bytes: Uint8Array, digest: Digest, what: string): void {
  const actual = digestOf(bytes, digest.startsWith('sha512:') ? 'sha512' : 'sha256');
  if (actual === digest) return;
  throw new FetchError('ERR_DIGEST_MISMATCH', `${what} has the digest ${actual}, not ${digest}`, {
    stage: 'verify',
  });
}

export function digestOf(bytes: Uint8Array, algorithm: 'sha256' | 'sha512' = 'sha256'): Digest {
  return parseDigest(`${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`);
}

function sizeMismatch(what: string, actual: string, wanted: number, cause?: unknown): FetchError {
  return new FetchError('ERR_SIZE_MISMATCH', `${what} has ${actual} bytes, not ${wanted}`, {
    stage: 'verify',
    cause,
  });
}
