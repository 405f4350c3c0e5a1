/** Reads untrusted JSON documents field by field, so that every refusal names the field it is about. */

import type { FetchError } from '../errors.js';

/** Makes the error for a field (`app.ports[0].port`; empty for the document) and what is wrong with it. */
export type RejectField = (path: string, problem: string, cause?: unknown) => FetchError;

/** A value somewhere in a document; `null` counts as absent, as it does for Go programs. */
export interface JsonField {
  readonly value: unknown;
  readonly path: string;
  readonly reject: RejectField;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const QUOTE_LIMIT = 80;

/** The document in `bytes`, which must hold an object. */
export function readJsonDocument(bytes: Uint8Array, reject: RejectField): JsonField {
  const document = readJson(bytes, reject);
  asObject(document);
  return document;
}

/** The document in `bytes`, which must be UTF-8 without a byte order mark (RFC 8259, 8.1). */
export function readJson(bytes: Uint8Array, reject: RejectField): JsonField {
  let text: string;
  try {
    text = UTF8.decode(bytes);
  } catch (cause) {
    throw reject('', 'is not UTF-8', cause);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw reject('', 'is not JSON', cause);
  }
  return { value, path: '', reject };
}

export function failField(field: JsonField, problem: string): never {
  throw field.reject(field.path, problem);
}

export function isPresent(field: JsonField): boolean {
  return field.value !== undefined && field.value !== null;
}

/** The member `key` of the object `field`; it may be absent, `field` may not. */
export function fieldAt(field: JsonField, key: string): JsonField {
  const object = asObject(field);
  const value = Object.hasOwn(object, key) ? object[key] : undefined;
  return { value, path: field.path === '' ? key : `${field.path}.${key}`, reject: field.reject };
}

/** Members of an object of free keys, in the order of `Object.keys`; none when it is absent. */
export function entriesOf(field: JsonField): readonly (readonly [string, JsonField])[] {
  if (!isPresent(field)) return [];
  return Object.entries(asObject(field)).map(([key, value]) => {
    const path = `${field.path}[${quoteForMessage(key)}]`;
    return [key, { value, path, reject: field.reject }] as const;
  });
}

/** Elements of an array; none when it is absent. */
export function itemsOf(field: JsonField): readonly JsonField[] {
  if (!isPresent(field)) return [];
  if (!Array.isArray(field.value)) failField(field, 'must be an array');
  return field.value.map((value: unknown, index) => ({
    value,
    path: `${field.path}[${index}]`,
    reject: field.reject,
  }));
}

export function textOf(field: JsonField): string {
  if (typeof field.value === 'string') return field.value;
  return failField(field, isPresent(field) ? 'must be a string' : 'is missing');
}

export function nonEmptyTextOf(field: JsonField): string {
  const text = textOf(field);
  return text === '' ? failField(field, 'must not be empty') : text;
}

/** The string, or the empty string when it is absent. */
export function textOrEmpty(field: JsonField): string {
  return isPresent(field) ? textOf(field) : '';
}

/** The strings of an array; none when it is absent. */
export function textsOf(field: JsonField): readonly string[] {
  return itemsOf(field).map(textOf);
}

/** The boolean, or false when it is absent. */
export function flagOf(field: JsonField): boolean {
  if (!isPresent(field)) return false;
  return typeof field.value === 'boolean' ? field.value : failField(field, 'must be true or false');
}

/** A whole number from `min` to `max`. */
export function wholeNumberOf(field: JsonField, min: number, max: number): number {
  const { value } = field;
  if (!isPresent(field)) failField(field, 'is missing');
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    return failField(field, `must be a whole number from ${min} to ${max}`);
  }
  return value;
}

/** A remote string as it may stand in a message: quoted, one line, printable ASCII, of bounded length. */
export function quoteForMessage(text: string): string {
  const head = text.length > QUOTE_LIMIT ? `${text.slice(0, QUOTE_LIMIT)}…` : text;
  return JSON.stringify(head).replace(
    /[^\x20-\x7e…]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function asObject(field: JsonField): Readonly<Record<string, unknown>> {
  const { value } = field;
  if (value === undefined || value === null) return failField(field, 'is missing');
  if (typeof value !== 'object' || Array.isArray(value)) return failField(field, 'must be an object');
  return value as Readonly<Record<string, unknown>>;
}
