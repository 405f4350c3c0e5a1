/** Version of the program and of its surroundings; loads nothing, so that `aci version` answers at once. */

import { readFileSync } from 'node:fs';

/** Version of the App Container specification that the images follow. */
export const APPC_VERSION = '0.8.11';

/** The lowest Node.js that runs this program, as in `engines` of package.json. */
const NODE_MINIMUM = { major: 20, minor: 19 } as const;

export interface VersionFacts {
  readonly version: string;
  readonly appcVersion: string;
  readonly nodeVersion: string;
}

export function readVersionFacts(): VersionFacts {
  return {
    version: readPackageVersion(),
    appcVersion: APPC_VERSION,
    nodeVersion: process.version.replace(/^v/, ''),
  };
}

export function renderVersion(facts: VersionFacts): string {
  return [
    `aci Version: ${facts.version}`,
    `appc Version: ${facts.appcVersion}`,
    `Node Version: ${facts.nodeVersion}`,
    '',
  ].join('\n');
}

/** What to tell the user of a Node.js that is too old, or undefined; `version` as in `process.version`. */
export function nodeVersionProblem(version: string): string | undefined {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  const { major: majorMinimum, minor: minorMinimum } = NODE_MINIMUM;
  if (major > majorMinimum || (major === majorMinimum && minor >= minorMinimum)) return undefined;
  return `Node.js ${majorMinimum}.${minorMinimum} or later is needed, this is ${version}`;
}

// The sources stand one level nearer to package.json than what is built from them.
const PACKAGE_FILES = ['../../package.json', '../../../package.json'] as const;

function readPackageVersion(): string {
  for (const file of PACKAGE_FILES) {
    const version = packageVersion(new URL(file, import.meta.url));
    if (version !== undefined) return version;
  }
  return 'unknown';
}

function packageVersion(file: URL): string | undefined {
  try {
    const facts: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof facts !== 'object' || facts === null || !('version' in facts)) return undefined;
    return typeof facts.version === 'string' ? facts.version : undefined;
  } catch {
    return undefined;
  }
}
