/** The platform of a command line argument, in the words of registries. */

import type { Platform } from '../types.js';
import { usageError } from './argument.js';

const COMPONENT = /^[a-z0-9][a-z0-9_.-]*$/;

/** What `uname -m` and other tools call an architecture that Go, and so every registry, names differently. */
const ARCHITECTURES: Readonly<Record<string, { readonly architecture: string; readonly variant?: string }>> =
  {
    aarch64: { architecture: 'arm64' },
    x86_64: { architecture: 'amd64' },
    'x86-64': { architecture: 'amd64' },
    i386: { architecture: '386' },
    i686: { architecture: '386' },
    armhf: { architecture: 'arm', variant: 'v7' },
    armv7l: { architecture: 'arm', variant: 'v7' },
    armel: { architecture: 'arm', variant: 'v6' },
    armv6l: { architecture: 'arm', variant: 'v6' },
  };

/**
 * `OS/ARCH[/VARIANT]`, as in `linux/arm64/v8`; upper case is lowered and foreign names of architectures are
 * translated. Throws ERR_USAGE.
 */
export function parsePlatform(text: string): Platform {
  const [os, given, variant, ...rest] = text.toLowerCase().split('/');
  const parts = variant === undefined ? [os, given] : [os, given, variant];
  const valid = rest.length === 0 && parts.every((part) => part !== undefined && COMPONENT.test(part));
  if (!valid || os === undefined || given === undefined) {
    throw usageError(
      text,
      'is not a platform',
      'a platform is OS/ARCH[/VARIANT], as in linux/amd64 or linux/arm/v7',
    );
  }
  const known = Object.hasOwn(ARCHITECTURES, given) ? ARCHITECTURES[given] : undefined;
  return platformOf(os, known?.architecture ?? given, variant ?? known?.variant);
}

/** `linux/arm/v7`, as {@link parsePlatform} reads it. */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

function platformOf(os: string, architecture: string, variant: string | undefined): Platform {
  return variant === undefined ? { os, architecture } : { os, architecture, variant };
}
