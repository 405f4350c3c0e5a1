/** The URLs that discovery tags lead to: templates rendered for one image, and keys. */

import type { Labels } from '../types.js';

/** What a template is rendered for. */
export interface TemplateImage {
  readonly name: string;
  /** With all that a template may need: `version`, `os` and `arch` included. */
  readonly labels: Labels;
}

/** `aci` is the image, `aci.asc` its signature. */
export type TemplateExt = 'aci' | 'aci.asc';

export interface UrlPolicy {
  /** Plain HTTP is allowed. */
  readonly insecureHttp: boolean;
}

export type UrlResult =
  | { readonly url: string }
  | {
      /** Why the tag is of no use here. */
      readonly skipped: 'label' | 'http' | 'malformed';
      /** For messages. */
      readonly reason: string;
    };

/** Longer than what servers take. */
const MAX_URL_LENGTH = 8192;
const VARIABLE = /\{([^{}]*)\}/g;

/**
 * Puts the values in place of `{name}`, `{ext}` and `{LABEL}`, in one pass, so that no value is taken for a part of the
 * template.
 *
 * | | |
 * |---|---|
 * | `{name}` | as it is: an AC identifier has no character that a URL would encode, and its `/` are path elements |
 * | `{LABEL}` | percent-encoded, `/` included (RFC 6570, 3.2.2) |
 * | a label that the image does not have | skipped: `label` |
 * | no `{ext}` (signature and image would be one), braces that are left over, more than 8192 characters | skipped: `malformed` |
 * | what {@link checkUrl} does not take | skipped: as it says |
 */
export function renderTemplate(
  template: string,
  image: TemplateImage,
  ext: TemplateExt,
  policy: UrlPolicy,
): UrlResult {
  if (template.length > MAX_URL_LENGTH) return malformed('is too long');
  if (!template.includes('{ext}')) return malformed('has no {ext}');
  const values = new Map(Object.entries(image.labels).map(([label, value]) => [label, encodeValue(value)]));
  values.set('name', image.name).set('ext', ext);

  const variables = [...template.matchAll(VARIABLE)].map(([, variable = '']) => variable);
  const missing = variables.find((variable) => !values.has(variable));
  if (missing !== undefined) {
    return { skipped: 'label', reason: `needs the label ${JSON.stringify(missing.slice(0, 100))}` };
  }
  const valuesLength = variables.reduce((sum, variable) => sum + (values.get(variable)?.length ?? 0), 0);
  if (template.length + valuesLength > 2 * MAX_URL_LENGTH) return malformed('is too long');
  const text = template.replaceAll(VARIABLE, (_, variable: string) => values.get(variable) ?? '');
  return checkUrl(text, policy);
}

/**
 * | | |
 * |---|---|
 * | https, with a host | taken, without fragment |
 * | http | taken where plain HTTP is allowed, else skipped: `http` |
 * | another scheme, no URL, credentials, braces, more than 8192 characters | skipped: `malformed` |
 * | `.` or `..` as an element of the path | skipped: `malformed`, or a version `..` would lead elsewhere than the template |
 */
export function checkUrl(text: string, policy: UrlPolicy): UrlResult {
  if (text.length > MAX_URL_LENGTH) return malformed('is too long');
  if (/[{}]/.test(text)) return malformed('has a brace without its other');
  if (!URL.canParse(text)) return malformed('gives no URL');
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return malformed('is not for https');
  if (url.username !== '' || url.password !== '') return malformed('has credentials in it');
  if (hasDotSegments(text)) return malformed('has . or .. in its path');
  if (url.protocol === 'http:' && !policy.insecureHttp) return { skipped: 'http', reason: 'is plain HTTP' };
  url.hash = '';
  return { url: url.href };
}

/** Of the text: a parsed URL has them no more. */
function hasDotSegments(text: string): boolean {
  const [path = ''] = text.split(/[?#]/, 1);
  return path.split(/[/\\]/).some((element) => /^(?:\.|%2e){1,2}$/i.test(element));
}

/** Through a buffer, because `encodeURIComponent` throws at half a surrogate pair. */
function encodeValue(value: string): string {
  return encodeURIComponent(Buffer.from(value).toString());
}

function malformed(reason: string): UrlResult {
  return { skipped: 'malformed', reason };
}
