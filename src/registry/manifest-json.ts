/** Manifests as JSON from untrusted bytes: reading the document, and the errors about its fields. */

import { FetchError } from '../errors.js';

export type Json = Readonly<Record<string, unknown>>;

/** The object that `bytes` are. Throws ERR_MANIFEST_INVALID; `what` names the document in its message. */
export function parseJsonObject(bytes: Uint8Array, what = 'the manifest'): Json {
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new FetchError('ERR_MANIFEST_INVALID', `${what} is not JSON`, { stage: 'resolve', cause });
  }
  if (!isObject(body)) throw invalid(what, 'an object');
  return body;
}

export function arrayOf(body: Json, field: string, maxLength: number): readonly unknown[] {
  const value = body[field];
  if (!Array.isArray(value)) throw invalid(field, 'an array');
  if (value.length > maxLength) throw invalid(field, `an array of at most ${maxLength}`);
  return value;
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Go writes absent objects as null in places. */
export function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}

export function invalid(field: string, wanted: string): FetchError {
  return new FetchError('ERR_MANIFEST_INVALID', `malformed manifest: ${field} is not ${wanted}`, {
    stage: 'resolve',
  });
}

export function unknownType(field: string, mediaType: string): FetchError {
  const shown = JSON.stringify(mediaType.slice(0, 120));
  return new FetchError('ERR_MEDIA_TYPE', `${field} is of the kind ${shown}, which is not supported`, {
    stage: 'resolve',
  });
}
