/** How the source of an image is written down: in full for people, and as the key of what it last answered. */

import { redactUrl } from '../http/redact.js';
import { formatPlatform } from '../reference/platform.js';
import type { DockerReference, ImageReference, LayoutReference, Platform, UrlReference } from '../types.js';

/** The argument in its full form and without secrets. */
export function sourceOf(reference: ImageReference): string {
  switch (reference.kind) {
    case 'docker': {
      const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
      const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
      return `docker://${reference.registry}/${reference.repository}${tag}${digest}`;
    }
    case 'layout': {
      const ref = reference.ref === undefined ? '' : `:${reference.ref}`;
      return `${reference.transport}:${reference.path}${ref}`;
    }
    case 'url':
      return redactUrl(reference.url);
    case 'file':
      return `file://${reference.path}`;
    default:
      return reference.image;
  }
}

/** Where it is asked for, as far as the argument tells; empty for this machine. */
export function remoteHost(reference: ImageReference): string {
  switch (reference.kind) {
    case 'docker':
      // As in a URL, without the port that is meant anyway.
      return new URL(`https://${reference.registry}`).host;
    case 'url':
      return new URL(reference.url).host;
    case 'name':
      return reference.name.split('/', 1)[0] ?? '';
    default:
      return '';
  }
}

/** What a remote's answers are remembered under; with the platform, for an index has one image for each. */
export function convertedKey(reference: DockerReference | LayoutReference, platform: Platform): string {
  return `${sourceOf(reference)} ${formatPlatform(platform)}`;
}

/** In full: a signed query may name another content. Only its digest is kept. */
export function urlKey(reference: UrlReference): string {
  return reference.url;
}
