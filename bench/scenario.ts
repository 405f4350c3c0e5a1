/** What every scenario is given, and the commands that scenarios share. */

import { join } from 'node:path';
import { type Certificate, createCertificate } from '../test/support/certificates.js';
import { aciScript } from '../test/support/project.js';
import { hasTool } from '../test/support/tools.js';
import { type Measurement, measure } from './measure.js';
import { cacheDir } from './real-files.js';

export interface ScenarioOptions {
  readonly runs: number;
  /** 1 for the sizes that the figures are about. */
  readonly scale: number;
  /** With nothing but tar and gzip, peers aside: a registry in memory, and no TLS without openssl. */
  readonly isSmoke: boolean;
}

/** A folder for stores and what the peers write; of this process alone, for a benchmark may run beside another. */
export const workDir = join(cacheDir, `work-${process.pid}`);

/** Twice what a large scenario writes. */
const WARM_BYTES = 4e9;

/**
 * An empty work folder, and warm pages: in a virtual machine the first touch of a page of memory costs ten times what
 * writing to it costs, which whoever comes first would pay. Then nothing of the last run waits for the disk any more.
 */
export async function emptyWork(scale: number): Promise<void> {
  const warm = `head -c ${Math.round(WARM_BYTES * scale)} /dev/zero >'${workDir}/pages'; rm '${workDir}/pages'`;
  await measure(`rm -rf '${workDir}'; mkdir -p '${workDir}'; ${warm}; sync`);
}

export interface AciCommand {
  readonly store: string;
  readonly insecure: string;
  readonly caFile?: string | undefined;
  /** Global options. */
  readonly options?: string;
}

/** `aci` with a store, to be followed by a command. */
export function aci({ store, insecure, caFile, options = '' }: AciCommand): string {
  const ca = caFile === undefined ? '' : `NODE_EXTRA_CA_CERTS='${caFile}' `;
  return `${ca}node '${aciScript}' --dir '${store}' --insecure-options=${insecure} --progress=none ${options}`;
}

/** A check that every run prints an image ID, always the same. */
export function sameId(): (measurement: Measurement) => void {
  const ids = new Set<string>();
  return ({ stdout }) => {
    if (!/^sha512-[0-9a-f]{128}\n$/.test(stdout)) throw new Error(`no image ID: ${stdout}`);
    ids.add(stdout);
    if (ids.size > 1) throw new Error('the image ID varies');
  };
}

/** Undefined in a smoke run where openssl is missing. */
export async function certificate({ isSmoke }: ScenarioOptions): Promise<Certificate | undefined> {
  return isSmoke && !hasTool('openssl') ? undefined : await createCertificate();
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
