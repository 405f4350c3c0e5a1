/** Where bad images stand on the bundled servers, and what they are made of. */

import type { ErrorCode, Platform, Stage } from '../../../dist/src/index.js';
import { buildDockerImage, type DockerImage } from '../../support/images/docker.js';
import type { TarEntry } from '../../support/images/tar.js';
import type { AciServer } from '../../support/servers/aci-server.js';
import type { Fault, FaultRule } from '../../support/servers/faults.js';
import type { TestRegistry } from '../../support/servers/registry.js';

/** The place on the bundled servers that belongs to one row of the table. */
export interface Place {
  readonly registry: TestRegistry;
  readonly repository: string;
  /** Pushes to the repository with the tag `v1`; returns the image argument. */
  push(image: Parameters<TestRegistry['push']>[2]): string;
  /** The image argument for another tag. */
  tagged(tag: string): string;
  /** Puts any manifest at the tag `v1`; returns the image argument. */
  manifest(content: unknown, mediaType?: string): string;
  /** Serves the bytes of an ACI; returns its URL. */
  aci(bytes: Uint8Array): string;
  /** From now on, requests for this place go wrong. */
  fault(fault: Fault, match?: RegExp): void;
}

export interface BadImage {
  readonly title: string;
  readonly code: ErrorCode;
  readonly stage?: Stage;
  readonly platform?: Platform;
  /** Only the image is bad: its layers, which are not, stay in the store. */
  readonly keepsLayers?: true;
  /** Puts what there is of it in place; returns the image argument. */
  put(place: Place): string;
}

/** A place on the two servers; `rules` gets the faults. */
export function placeFor(name: string, registry: TestRegistry, files: AciServer, rules: FaultRule[]): Place {
  const repository = `bad/${name}`;
  const tagged = (tag: string): string => `docker://${registry.host}/${repository}:${tag}`;
  return {
    registry,
    repository,
    tagged,
    push(image) {
      registry.push(repository, 'v1', image);
      return tagged('v1');
    },
    manifest(content, mediaType = MANIFEST) {
      const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
      registry.putManifest(repository, 'v1', bytes, mediaType);
      return tagged('v1');
    },
    aci: (bytes) => files.putAci(`/${repository}.aci`, bytes),
    fault: (fault, match = /./) =>
      rules.push({ match: new RegExp(`${repository}[/.].*${match.source}`), fault }),
  };
}

export const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';

let contents = 0;

/** Of other content each time, for the store keeps every layer that is good. */
export function entries(): TarEntry[] {
  contents += 1;
  return [
    { path: 'etc', type: 'directory' },
    { path: 'etc/f', data: `content ${contents}` },
  ];
}

/** An image of one layer with these entries after the usual ones. */
export function smallImage(...more: TarEntry[]): DockerImage {
  return buildDockerImage({ layers: [[...entries(), ...more]] });
}

/** The bytes with one in their middle inverted. */
export function flipped(bytes: Buffer): Buffer {
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0xff;
  return bytes;
}
