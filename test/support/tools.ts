/** The real tools that tests compare with: which are here, and how they are installed. */

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

interface ToolFacts {
  /** The Debian package. */
  readonly debian: string;
  /** What is left out without it. */
  readonly suites: string;
}

/** Every tool that a test may ask for. */
export const TOOLS = {
  'docker-registry': { debian: 'docker-registry', suites: 'fetching from the real registry' },
  skopeo: { debian: 'skopeo', suites: 'pushing images to the real registry' },
  umoci: { debian: 'umoci', suites: 'comparing trees with umoci' },
  gpg: { debian: 'gnupg', suites: 'signatures by GnuPG' },
  openssl: { debian: 'openssl', suites: 'HTTPS servers' },
  getfattr: { debian: 'attr', suites: 'extended attributes' },
  setfattr: { debian: 'attr', suites: 'extended attributes' },
  pigz: { debian: 'pigz', suites: 'inflating what pigz has written' },
  bzip2: { debian: 'bzip2', suites: 'inflating what bzip2 has written' },
  xz: { debian: 'xz-utils', suites: 'inflating what xz has written' },
  zstd: { debian: 'zstd', suites: 'inflating what zstd has written' },
  tar: { debian: 'tar', suites: 'comparing with GNU tar' },
  actool: { debian: 'appc-spec', suites: 'validating ACIs with the tool of the appc specification' },
  debootstrap: { debian: 'debootstrap', suites: 'long tests with a whole Debian' },
} as const satisfies Record<string, ToolFacts>;

export type Tool = keyof typeof TOOLS;

/** Whether an executable of this name is on the PATH. */
export function hasTool(name: string): boolean {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .some((directory) => isExecutable(join(directory, name)));
}

/** Those of the tools that are not here. */
export function missingTools(names: readonly Tool[]): Tool[] {
  return names.filter((name) => !hasTool(name));
}

/**
 * Whether all of the tools are here: `describe.runIf(requireTools(['umoci']))`.
 * With `CI` set a missing one is an error, so that nothing is skipped unnoticed.
 */
export function requireTools(names: readonly Tool[]): boolean {
  const missing = missingTools(names);
  if (missing.length > 0 && isCi()) throw new Error(`missing tools: ${missing.join(', ')}`);
  return missing.length === 0;
}

/** Whether this process may make any owner, device and mode. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

export function isCi(): boolean {
  return (process.env['CI'] ?? '') !== '';
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
