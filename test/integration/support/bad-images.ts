/** Images that cannot be had or must not be kept, each with the error that it has to end in. */

import type { Platform } from '../../../dist/src/index.js';
import { buildAci } from '../../support/images/aci.js';
import { buildIndex } from '../../support/images/docker.js';
import { type BadImage, flipped, MANIFEST, type Place, smallImage } from './bad-place.js';
import { MALFORMED, MALFORMED_ACIS } from './malformed-images.js';

const MANIFESTS = /manifests/;
const FOREIGN: Platform = { os: 'linux', architecture: 's390x' };
const ABSENT = `sha256:${'0'.repeat(64)}`;

/** Serves other bytes where the digest of the only layer, or of the config, is asked for. */
function swapped(place: Place, which: 'layer' | 'config', change: (bytes: Buffer) => Uint8Array): string {
  const image = smallImage();
  const argument = place.push(image);
  const [digest, bytes] =
    which === 'config'
      ? [image.configDigest, image.configBytes]
      : [image.layers[0]?.digest ?? '', image.layers[0]?.bytes ?? new Uint8Array()];
  place.registry.putBlob(place.repository, change(Buffer.from(bytes)), digest);
  return argument;
}

const NOT_FOUND: readonly BadImage[] = [
  {
    title: 'a tag that the repository does not have',
    code: 'ERR_NOT_FOUND',
    stage: 'resolve',
    put(place) {
      place.push(smallImage());
      return place.tagged('v2');
    },
  },
  { title: 'a repository that does not exist', code: 'ERR_NOT_FOUND', put: (place) => place.tagged('v1') },
  {
    title: 'a digest that the repository does not have',
    code: 'ERR_NOT_FOUND',
    put(place) {
      place.push(smallImage());
      return place.tagged('v1').replace(/:v1$/, `@${ABSENT}`);
    },
  },
  {
    title: 'a layer that is gone from the registry',
    code: 'ERR_NOT_FOUND',
    stage: 'download',
    put(place) {
      const image = smallImage();
      const argument = place.push(image);
      place.registry.removeBlob(place.repository, image.layers[0]?.digest ?? '');
      return argument;
    },
  },
  {
    title: 'a config that is gone from the registry',
    code: 'ERR_NOT_FOUND',
    put(place) {
      const image = smallImage();
      const argument = place.push(image);
      place.registry.removeBlob(place.repository, image.configDigest);
      return argument;
    },
  },
  {
    title: 'an index without the platform',
    code: 'ERR_NO_PLATFORM',
    platform: FOREIGN,
    put: (place) => place.push(buildIndex([{ image: smallImage() }])),
  },
  {
    title: 'a URL that the server does not have',
    code: 'ERR_NOT_FOUND',
    stage: 'download',
    put: (place) => place.aci(new Uint8Array()).replace(/\.aci$/, '-other.aci'),
  },
  { title: 'a file that does not exist', code: 'ERR_NOT_FOUND', put: () => '/no/such/file.aci' },
  {
    title: 'an ID that the store does not have',
    code: 'ERR_NOT_IN_STORE',
    put: () => `sha512-${'1'.repeat(128)}`,
  },
];

const NETWORK: readonly BadImage[] = [
  {
    title: 'an answer that is neither the content nor an error of HTTP',
    code: 'ERR_HTTP_STATUS',
    put(place) {
      place.fault({ kind: 'status', status: 418 });
      return place.push(smallImage());
    },
  },
  {
    title: 'a redirect that leads back to itself',
    code: 'ERR_REDIRECT',
    put(place) {
      place.fault({ kind: 'redirect', location: 'v1' }, MANIFESTS);
      return place.push(smallImage());
    },
  },
  {
    title: 'a server of an ACI that redirects without end',
    code: 'ERR_REDIRECT',
    put(place) {
      place.fault({ kind: 'redirect', location: '?again' });
      return place.aci(buildAci({ name: 'example.test/app' }));
    },
  },
];

const DENIED: readonly BadImage[] = [
  {
    title: 'a manifest that is answered with 401 and no challenge',
    code: 'ERR_AUTH',
    put(place) {
      place.fault({ kind: 'status', status: 401 }, MANIFESTS);
      return place.push(smallImage());
    },
  },
  {
    title: 'a manifest that is answered with 403',
    code: 'ERR_AUTH',
    stage: 'resolve',
    put(place) {
      place.fault({ kind: 'status', status: 403 }, MANIFESTS);
      return place.push(smallImage());
    },
  },
  {
    title: 'a layer that is answered with 403',
    code: 'ERR_AUTH',
    put(place) {
      const image = smallImage();
      place.fault({ kind: 'status', status: 403 }, new RegExp(image.layers[0]?.digest ?? ''));
      return place.push(image);
    },
  },
  {
    title: 'a URL that is answered with 401',
    code: 'ERR_AUTH',
    put(place) {
      place.fault({ kind: 'status', status: 401 });
      return place.aci(buildAci({ name: 'example.test/app' }));
    },
  },
];

const UNVERIFIED: readonly BadImage[] = [
  {
    title: 'a layer with other content of the same size',
    code: 'ERR_DIGEST_MISMATCH',
    stage: 'verify',
    put: (place) => swapped(place, 'layer', flipped),
  },
  {
    title: 'a layer that is longer than announced',
    code: 'ERR_SIZE_MISMATCH',
    stage: 'verify',
    put: (place) => swapped(place, 'layer', (bytes) => Buffer.concat([bytes, Buffer.alloc(10)])),
  },
  {
    title: 'a layer that is longer than announced, which only counting shows',
    code: 'ERR_SIZE_MISMATCH',
    put(place) {
      const image = smallImage();
      const layer = new RegExp(image.layers[0]?.digest ?? '');
      place.fault({ kind: 'oversize', extraBytes: 100_000, chunked: true }, layer);
      return place.push(image);
    },
  },
  {
    title: 'a layer that is shorter than announced',
    code: 'ERR_SIZE_MISMATCH',
    put: (place) => swapped(place, 'layer', (bytes) => bytes.subarray(0, -1)),
  },
  {
    title: 'a config with other content of the same size',
    code: 'ERR_DIGEST_MISMATCH',
    put: (place) => swapped(place, 'config', flipped),
  },
  {
    title: 'a config of another size',
    code: 'ERR_SIZE_MISMATCH',
    put: (place) => swapped(place, 'config', (bytes) => Buffer.concat([bytes, Buffer.from(' ')])),
  },
  {
    title: 'a manifest that is not the one of the digest asked for',
    code: 'ERR_DIGEST_MISMATCH',
    put(place) {
      place.push(smallImage());
      place.registry.putManifest(place.repository, ABSENT, smallImage().manifestBytes, MANIFEST);
      return place.tagged('v1').replace(/:v1$/, `@${ABSENT}`);
    },
  },
  {
    title: 'a manifest of an index that is not the one of its digest',
    code: 'ERR_DIGEST_MISMATCH',
    put(place) {
      const image = smallImage();
      const argument = place.push(buildIndex([{ image }]));
      const bytes = flipped(Buffer.from(image.manifestBytes));
      place.registry.putManifest(place.repository, image.manifestDigest, bytes, MANIFEST);
      return argument;
    },
  },
  {
    title: 'a manifest with a Docker-Content-Digest that is not its own',
    code: 'ERR_DIGEST_MISMATCH',
    put(place) {
      place.fault({ kind: 'headers', headers: { 'docker-content-digest': ABSENT } }, MANIFESTS);
      return place.push(smallImage());
    },
  },
  {
    title: 'an image whose config names another platform than the one asked for',
    code: 'ERR_PLATFORM_MISMATCH',
    stage: 'verify',
    platform: FOREIGN,
    put: (place) => place.push(smallImage()),
  },
  {
    title: 'an index that names another platform than the config behind it',
    code: 'ERR_PLATFORM_MISMATCH',
    platform: FOREIGN,
    put: (place) => place.push(buildIndex([{ image: smallImage(), platform: FOREIGN }])),
  },
];

/** None of them is tried again. */
export const BAD_IMAGES: readonly BadImage[] = [
  ...NOT_FOUND,
  ...NETWORK,
  ...DENIED,
  ...UNVERIFIED,
  ...MALFORMED,
  ...MALFORMED_ACIS,
];
