/** App Container images in memory: the manifest first, then the root file system. */

import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { ImageId } from '../../../src/types.js';
import { buildTar, type TarEntry } from './tar.js';

export interface AciOptions {
  /** `example.test/app` */
  readonly name: string;
  /** Default version 1.0.0 for linux on amd64. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Paths are below the root file system: `etc/passwd`. */
  readonly entries?: readonly TarEntry[] | undefined;
  /** Further members of the manifest: app, annotations, dependencies, … */
  readonly manifest?: Readonly<Record<string, unknown>> | undefined;
  /** The manifest file itself, instead of what the other options say. */
  readonly manifestText?: string | undefined;
  /** Default false. */
  readonly gzip?: boolean | undefined;
}

/** The bytes of an image. The same options give the same bytes. */
export function buildAci(options: AciOptions): Buffer {
  const tar = buildTar([
    { path: 'manifest', data: options.manifestText ?? JSON.stringify(aciManifest(options)) },
    { path: 'rootfs', type: 'directory' },
    ...(options.entries ?? []).map(belowRootfs),
  ]);
  return options.gzip === true ? gzipSync(tar) : tar;
}

/** The manifest that `buildAci` writes. */
export function aciManifest(options: AciOptions): Record<string, unknown> {
  const labels = options.labels ?? { version: '1.0.0', os: 'linux', arch: 'amd64' };
  return {
    acKind: 'ImageManifest',
    acVersion: '0.8.11',
    name: options.name,
    labels: Object.entries(labels).map(([name, value]) => ({ name, value })),
    ...options.manifest,
  };
}

/** The image ID of an uncompressed ACI. */
export function imageIdOf(aci: Uint8Array): ImageId {
  return `sha512-${createHash('sha512').update(aci).digest('hex')}` as ImageId;
}

/** Hard links point into the archive, so that their target moves as well. */
function belowRootfs(entry: TarEntry): TarEntry {
  if ('raw' in entry) return entry;
  const path = Buffer.isBuffer(entry.path)
    ? Buffer.concat([Buffer.from('rootfs/'), entry.path])
    : `rootfs/${entry.path}`;
  if (entry.type !== 'hardlink' || entry.linkname === undefined) return { ...entry, path };
  return { ...entry, path, linkname: `rootfs/${entry.linkname}` };
}
