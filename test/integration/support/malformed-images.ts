/** Images that are just what their digests name, and cannot be converted or kept all the same. */

import { gzipSync } from 'node:zlib';
import { buildAci } from '../../support/images/aci.js';
import { buildDockerImage, type DockerImage } from '../../support/images/docker.js';
import { buildTar, type TarEntry } from '../../support/images/tar.js';
import { type BadImage, entries, flipped, smallImage } from './bad-place.js';

/** A layer of these bytes behind its right digest. */
function imageOf(blob: Uint8Array, mediaType?: string): DockerImage {
  return buildDockerImage({ layers: [{ blob, mediaType }] });
}

function withConfig(config: Record<string, unknown>): DockerImage {
  return buildDockerImage({ layers: [entries()], config });
}

export const MALFORMED: readonly BadImage[] = [
  {
    title: 'a manifest that is no JSON',
    code: 'ERR_MANIFEST_INVALID',
    stage: 'resolve',
    put: (place) => place.manifest(Buffer.from('{"schemaVersion": 2,')),
  },
  {
    title: 'a manifest without a config',
    code: 'ERR_MANIFEST_INVALID',
    put: (place) => place.push(buildDockerImage({ layers: [], manifest: { config: undefined } })),
  },
  {
    title: 'a manifest without layers',
    code: 'ERR_MANIFEST_INVALID',
    put: (place) => place.push(buildDockerImage({ layers: [], manifest: { layers: undefined } })),
  },
  {
    title: 'a manifest with a digest that is none',
    code: 'ERR_MANIFEST_INVALID',
    put(place) {
      const { manifest } = smallImage();
      return place.manifest({ ...manifest, layers: [{ mediaType: 'x', size: 1, digest: 'sha256:../x' }] });
    },
  },
  {
    title: 'a manifest with fewer layers than its config',
    code: 'ERR_MANIFEST_INVALID',
    put: (place) => place.push(buildDockerImage({ layers: [entries()], manifest: { layers: [] } })),
  },
  {
    title: 'a manifest of more than 4 MiB',
    code: 'ERR_LIMIT',
    put: (place) => place.manifest({ ...smallImage().manifest, padding: 'x'.repeat(4 * 1024 * 1024) }),
  },
  {
    title: 'a layer of a kind that is not supported',
    code: 'ERR_MEDIA_TYPE',
    put: (place) => place.push(imageOf(buildTar(entries()), 'application/vnd.oci.image.layer.v1.tar+lz4')),
  },
  {
    title: 'a working directory that is not absolute',
    code: 'ERR_MANIFEST_INVALID',
    stage: 'convert',
    put: (place) => place.push(withConfig({ WorkingDir: 'srv' })),
  },
  {
    title: 'a group without a user',
    code: 'ERR_MANIFEST_INVALID',
    put: (place) => place.push(withConfig({ User: ':5' })),
  },
  {
    title: 'a port out of range',
    code: 'ERR_MANIFEST_INVALID',
    put: (place) => place.push(withConfig({ ExposedPorts: { '65536/tcp': {} } })),
  },
  {
    title: 'a config that is no JSON',
    code: 'ERR_MANIFEST_INVALID',
    put(place) {
      const image = smallImage();
      const config = Buffer.from('{');
      const digest = place.registry.putBlob(place.repository, config);
      place.push(image);
      const descriptor = { ...(image.manifest['config'] as object), size: config.length, digest };
      return place.manifest({ ...image.manifest, config: descriptor });
    },
  },
  {
    title: 'a layer of damaged gzip',
    code: 'ERR_COMPRESSION',
    put: (place) => place.push(imageOf(flipped(gzipSync(buildTar([{ path: 'f', size: 200_000 }]))))),
  },
  {
    title: 'a layer of gzip that ends early',
    code: 'ERR_COMPRESSION',
    put: (place) => place.push(imageOf(gzipSync(buildTar(entries())).subarray(0, -20))),
  },
  {
    title: 'a layer whose tar ends in the middle of a file',
    code: 'ERR_TAR_INVALID',
    put: (place) => place.push(imageOf(gzipSync(buildTar([{ path: 'f', size: 9000 }]).subarray(0, 5000)))),
  },
  {
    title: 'a layer with a wrong checksum in its tar',
    code: 'ERR_TAR_INVALID',
    put: (place) => place.push(smallImage({ path: 'bad', data: 'x', badChecksum: true })),
  },
  {
    title: 'a layer with an entry that would leave the root',
    code: 'ERR_UNSAFE_PATH',
    stage: 'convert',
    put: (place) => place.push(smallImage({ path: '../../escape', data: 'x' })),
  },
  {
    title: 'a layer with a hard link that would leave the root',
    code: 'ERR_UNSAFE_PATH',
    put: (place) => place.push(smallImage({ path: 'l', type: 'hardlink', linkname: '../../etc/passwd' })),
  },
  {
    title: 'a layer with a hard link to nothing',
    code: 'ERR_TAR_INVALID',
    keepsLayers: true,
    put: (place) => place.push(smallImage({ path: 'l', type: 'hardlink', linkname: 'nothing' })),
  },
];

/** An ACI of exactly these entries. */
const tarOf = (...entries: TarEntry[]): Buffer => buildTar(entries);
const ACI_MANIFEST: TarEntry = {
  path: 'manifest',
  data: '{"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.test/app"}',
};
const ROOTFS: TarEntry = { path: 'rootfs', type: 'directory' };

export const MALFORMED_ACIS: readonly BadImage[] = [
  ...(
    [
      ['without a manifest', 'ERR_TAR_INVALID', tarOf(ROOTFS)],
      ['without a rootfs', 'ERR_TAR_INVALID', tarOf(ACI_MANIFEST)],
      [
        'with a file beside its rootfs',
        'ERR_TAR_INVALID',
        tarOf(ACI_MANIFEST, ROOTFS, { path: 'f', data: '' }),
      ],
      ['with an entry twice', 'ERR_TAR_INVALID', tarOf(ACI_MANIFEST, ROOTFS, ROOTFS)],
      [
        'with an entry that would leave the root',
        'ERR_UNSAFE_PATH',
        tarOf(ACI_MANIFEST, ROOTFS, { path: 'rootfs/../../x', data: '' }),
      ],
      [
        'with a hard link that leaves its rootfs',
        'ERR_UNSAFE_PATH',
        tarOf(ACI_MANIFEST, ROOTFS, { path: 'rootfs/l', type: 'hardlink', linkname: 'manifest' }),
      ],
      [
        'with a hard link to nothing',
        'ERR_TAR_INVALID',
        tarOf(ACI_MANIFEST, ROOTFS, { path: 'rootfs/l', type: 'hardlink', linkname: 'rootfs/nothing' }),
      ],
      [
        'with a manifest that is no JSON',
        'ERR_MANIFEST_INVALID',
        tarOf({ path: 'manifest', data: '{' }, ROOTFS),
      ],
      ['with a name that is none', 'ERR_MANIFEST_INVALID', buildAci({ name: 'Not A Name' })],
      ['that ends early', 'ERR_TAR_INVALID', tarOf(ACI_MANIFEST, ROOTFS).subarray(0, 700)],
      ['of gzip that ends early', 'ERR_COMPRESSION', gzipSync(tarOf(ACI_MANIFEST, ROOTFS)).subarray(0, -9)],
      ['that is something else', 'ERR_TAR_INVALID', Buffer.from('<!doctype html>'.repeat(100))],
    ] as const
  ).map(
    ([what, code, bytes]): BadImage => ({
      title: `an ACI ${what}`,
      code,
      put: (place) => place.aci(bytes),
    }),
  ),
];
