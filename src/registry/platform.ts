/** Which entry of an index is for a platform. */

import { FetchError } from '../errors.js';
import { formatPlatform } from '../reference/platform.js';
import type { Descriptor, Platform } from '../types.js';

/** Node's names of architectures, where Go (and so every registry) has another one. */
const NODE_ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  // Node on big-endian POWER ended with version 8 on Linux.
  ppc64: 'ppc64le',
  mipsel: 'mipsle',
};

/** The platform of this host, or of a host that Node describes so. `arm` comes without a variant. */
export function hostPlatform(arch: string = process.arch, platform: string = process.platform): Platform {
  const architecture = Object.hasOwn(NODE_ARCHITECTURES, arch) ? NODE_ARCHITECTURES[arch] : undefined;
  return { os: platform === 'win32' ? 'windows' : platform, architecture: architecture ?? arch };
}

/** What an absent variant of an architecture stands for (containerd and the OCI image index have the same). */
const IMPLIED_VARIANT: Readonly<Record<string, string>> = { arm64: 'v8', amd64: 'v1', arm: 'v7' };

/** What runs where no variant was asked for, best first; of all other variants none does. */
const ACCEPTED_VARIANTS: Readonly<Record<string, readonly string[]>> = {
  arm64: ['v8'],
  amd64: ['v1', 'v2', 'v3', 'v4'],
  arm: ['v7', 'v6', 'v5'],
};

/**
 * The entry for `wanted`: its os and architecture, and its variant where it has one; otherwise the best of those
 * that the architecture accepts, the first of equals. An absent variant is the one it implies (`arm64` is
 * `arm64/v8`). An index whose one image names no platform is taken at its word.
 *
 * Attestations (BuildKit's entries about other entries) are no images. Throws ERR_NO_PLATFORM, listing what there is.
 */
export function selectPlatform(entries: readonly Descriptor[], wanted: Platform): Descriptor {
  const images = entries.filter((entry) => !isAttestation(entry));
  let best: { entry: Descriptor; rank: number } | undefined;
  for (const entry of images) {
    const rank = rankOf(entry.platform, wanted);
    if (rank !== undefined && (best === undefined || rank < best.rank)) best = { entry, rank };
  }
  if (best !== undefined) return best.entry;
  const [only, ...others] = images;
  if (only !== undefined && others.length === 0 && only.platform === undefined) return only;

  throw new FetchError(
    'ERR_NO_PLATFORM',
    `no image for ${formatPlatform(wanted)}, only for ${listOf(images)}`,
    {
      stage: 'resolve',
      hint: 'choose one with --platform OS/ARCH[/VARIANT]',
    },
  );
}

function isAttestation({ platform, annotations }: Descriptor): boolean {
  if (annotations !== undefined && Object.hasOwn(annotations, 'vnd.docker.reference.type')) return true;
  return platform?.os === 'unknown' && platform.architecture === 'unknown';
}

/** Lower is better; undefined when the entry is for another platform. */
function rankOf(platform: Platform | undefined, wanted: Platform): number | undefined {
  if (platform?.os !== wanted.os || platform.architecture !== wanted.architecture) return undefined;
  const { architecture } = wanted;
  const implied = Object.hasOwn(IMPLIED_VARIANT, architecture) ? IMPLIED_VARIANT[architecture] : undefined;
  const variant = platform.variant ?? implied;
  if (wanted.variant !== undefined) return variant === wanted.variant ? 0 : undefined;
  const accepted = Object.hasOwn(ACCEPTED_VARIANTS, architecture)
    ? ACCEPTED_VARIANTS[architecture]
    : undefined;
  if (accepted === undefined || variant === undefined) return variant === undefined ? 0 : 1;
  const rank = accepted.indexOf(variant);
  return rank === -1 ? undefined : rank;
}

const MAX_LISTED = 20;

function listOf(images: readonly Descriptor[]): string {
  const names = new Set(
    images.map(({ platform }) => (platform === undefined ? 'no platform' : formatPlatform(platform))),
  );
  if (names.size === 0) return 'none at all';
  const listed = [...names].slice(0, MAX_LISTED).join(', ');
  return names.size > MAX_LISTED ? `${listed}, …` : listed;
}
