/** skopeo: images of an OCI layout into a registry. */

import { runTool } from './process.js';

export interface PushOptions {
  /** Folder of the OCI layout. */
  readonly layout: string;
  /** The reference name in the layout. */
  readonly ref: string;
  /** `127.0.0.1:PORT` */
  readonly registryHost: string;
  /** `team/app:1.0` */
  readonly target: string;
  /** Manifest type to push; default: as it is in the layout. */
  readonly format?: 'oci' | 'v2s2' | 'v2s1' | undefined;
  /** All images of an index. Default false. */
  readonly all?: boolean | undefined;
}

/** Copies one image of a layout to a registry. */
export async function pushLayout(options: PushOptions): Promise<void> {
  const args = ['copy', '--quiet', '--insecure-policy', '--dest-tls-verify=false'];
  if (options.format !== undefined) args.push('--format', options.format);
  if (options.all === true) args.push('--all');
  const source = `oci:${options.layout}:${options.ref}`;
  await runTool('skopeo', [...args, source, `docker://${options.registryHost}/${options.target}`]);
}
