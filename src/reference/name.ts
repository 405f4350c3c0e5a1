/** Image names of the App Container specification: `example.com/app:1.0,os=linux`. */

import type { NameReference } from '../types.js';
import { usageError } from './argument.js';

/** Discovery and the keystore look for every parent of a name: this keeps that cheap, and real names are far shorter. */
export const MAX_NAME_LENGTH = 1024;

/**
 * Whether `text` may name an image, a label, an annotation or an isolator (appc spec, types.md, "AC Identifier").
 * Looser than the pattern there and as loose as its schema package: separators may follow one another (`a__b`),
 * because Docker repositories have such names and rkt takes them. The bound on the length is this project's own.
 */
export function isAcIdentifier(text: string): boolean {
  return text.length <= MAX_NAME_LENGTH && /^[a-z0-9]([a-z0-9._~/-]*[a-z0-9])?$/.test(text);
}

/**
 * `NAME[:VERSION][,LABEL=VALUE…]`; the version becomes the label `version`. As in rkt, a colon may stand only
 * right after the name, and a value may hold `=`. Throws ERR_USAGE.
 */
export function parseNameReference(image: string): NameReference {
  const [head = '', ...pairs] = image.split(',');
  const colon = head.indexOf(':');
  const name = colon === -1 ? head : head.slice(0, colon);
  if (name.length > MAX_NAME_LENGTH) {
    throw usageError(image, `has a name of more than ${MAX_NAME_LENGTH} characters`);
  }
  if (!isAcIdentifier(name)) {
    throw usageError(
      image,
      'is not an image name',
      'a name is in lower case, as example.com/app:1.0; files begin with ./ or /, Docker images with docker://',
    );
  }
  const labels = new Map<string, string>();
  if (colon !== -1) addLabel(labels, image, 'version', head.slice(colon + 1));
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    if (equals === -1) throw usageError(image, 'has a label that is not LABEL=VALUE');
    addLabel(labels, image, pair.slice(0, equals), pair.slice(equals + 1));
  }
  return { kind: 'name', image, name, labels: Object.fromEntries(labels) };
}

function addLabel(labels: Map<string, string>, image: string, label: string, value: string): void {
  if (!isAcIdentifier(label) || label === 'name') throw usageError(image, `cannot have the label "${label}"`);
  if (value === '' || /[\s:]|\p{Cc}/u.test(value))
    throw usageError(image, `has no valid value for "${label}"`);
  if (labels.has(label)) throw usageError(image, `has the label "${label}" twice`);
  labels.set(label, value);
}
