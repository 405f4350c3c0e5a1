/** Manifests and indexes from untrusted bytes. */

import { describe, expect, it } from 'vitest';
import { parseManifest } from '../../../src/registry/manifest.js';
import {
  CONFIG,
  DOCKER_CONFIG,
  DOCKER_LAYER,
  DOCKER_LIST,
  DOCKER_MANIFEST,
  descriptorOf,
  indexText,
  LAYER,
  manifestText,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
  wireOf,
} from './images.js';

const parse = (text: string, mediaType?: string) => parseManifest(Buffer.from(text), mediaType);
const layerOf = (mediaType: string, more: object = {}) => wireOf(descriptorOf(mediaType, LAYER), more);
const refused = (text: string, code: string, mediaType?: string) => {
  expect(() => parse(text, mediaType)).toThrow(expect.objectContaining({ code, stage: 'resolve' }));
};

describe('a manifest', () => {
  it('of OCI is read', () => {
    expect(parse(manifestText(), `${OCI_MANIFEST}; charset=utf-8`)).toEqual({
      kind: 'image',
      mediaType: OCI_MANIFEST,
      config: descriptorOf(OCI_CONFIG, CONFIG),
      layers: [descriptorOf(OCI_LAYER, LAYER)],
    });
  });

  it('of Docker is read', () => {
    const config = wireOf(descriptorOf(DOCKER_CONFIG, CONFIG));
    const text = manifestText({ mediaType: DOCKER_MANIFEST, config, layers: [layerOf(DOCKER_LAYER)] });
    expect(parse(text, DOCKER_MANIFEST)).toMatchObject({ kind: 'image', mediaType: DOCKER_MANIFEST });
  });

  it.each([undefined, '', 'application/json', 'text/plain; charset=utf-8', 'application/octet-stream'])(
    'that is announced as %s is known by its own type or its fields',
    (announced) => {
      expect(parse(manifestText(), announced).mediaType).toBe(OCI_MANIFEST);
      expect(parse(manifestText({ mediaType: undefined }), announced).mediaType).toBe(OCI_MANIFEST);
      expect(parse(indexText([]), announced).mediaType).toBe(OCI_INDEX);
    },
  );

  it('may have no layers', () => {
    expect(parse(manifestText({ layers: [] }))).toMatchObject({ layers: [] });
  });

  it.each([
    'application/vnd.docker.image.rootfs.diff.tar.gzip',
    'application/vnd.docker.image.rootfs.diff.tar',
    'application/vnd.oci.image.layer.v1.tar',
    'application/vnd.oci.image.layer.v1.tar+gzip',
    'application/vnd.oci.image.layer.v1.tar+zstd',
  ])('may have layers of the kind %s', (mediaType) => {
    expect(parse(manifestText({ layers: [layerOf(mediaType)] }))).toMatchObject({ layers: [{ mediaType }] });
  });

  it.each([
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
    'application/vnd.cncf.helm.chart.content.v1.tar+gzip',
    'application/vnd.oci.image.layer.v1.tar+xz',
    'application/octet-stream',
  ])('may not have layers of the kind %s', (mediaType) => {
    refused(manifestText({ layers: [layerOf(mediaType)] }), 'ERR_MEDIA_TYPE');
  });

  it('may not have layers that are somewhere else', () => {
    refused(manifestText({ layers: [layerOf(OCI_LAYER, { urls: ['https://a.test/'] })] }), 'ERR_MEDIA_TYPE');
    refused(manifestText({ layers: [layerOf(OCI_LAYER, { urls: 'x' })] }), 'ERR_MEDIA_TYPE');
    expect(parse(manifestText({ layers: [layerOf(OCI_LAYER, { urls: [] })] })).kind).toBe('image');
  });

  it('of something that is no image is refused', () => {
    refused(manifestText({ config: layerOf('application/vnd.cncf.helm.config.v1+json') }), 'ERR_MEDIA_TYPE');
  });

  it('of an artifact is refused', () => {
    const empty = layerOf('application/vnd.oci.empty.v1+json');
    refused(manifestText({ artifactType: 'application/spdx+json', config: empty }), 'ERR_MEDIA_TYPE');
  });

  it('of an unknown type is refused', () => {
    refused(manifestText({ mediaType: 'application/x' }), 'ERR_MEDIA_TYPE');
    refused(manifestText({ mediaType: undefined }), 'ERR_MEDIA_TYPE', 'text/html');
    refused(manifestText({ mediaType: 'constructor' }), 'ERR_MEDIA_TYPE');
  });

  it('that is announced as another type than its own is refused', () => {
    refused(manifestText(), 'ERR_MANIFEST_INVALID', DOCKER_MANIFEST);
    refused(manifestText(), 'ERR_MANIFEST_INVALID', OCI_INDEX);
  });

  it('that is also an index is refused', () => {
    refused(manifestText({ manifests: [] }), 'ERR_MANIFEST_INVALID');
    refused(manifestText({ mediaType: undefined, manifests: [] }), 'ERR_MANIFEST_INVALID');
  });

  it.each([
    ['', 'JSON'],
    ['{', 'JSON'],
    ['\xff', 'JSON'],
    ['null', 'manifest'],
    ['[]', 'manifest'],
    [manifestText({ mediaType: 1 }), 'mediaType'],
    [manifestText({ schemaVersion: '2' }), 'schemaVersion'],
    [manifestText({ schemaVersion: undefined }), 'schemaVersion'],
    [manifestText({ config: undefined }), 'config'],
    [manifestText({ config: [] }), 'config'],
    [manifestText({ layers: undefined }), 'layers'],
    [manifestText({ layers: {} }), 'layers'],
    [manifestText({ layers: Array(1001).fill(layerOf(OCI_LAYER)) }), 'layers'],
    [manifestText({ layers: [layerOf(OCI_LAYER), null] }), 'layers[1]'],
    [manifestText({ layers: [layerOf(OCI_LAYER, { mediaType: '' })] }), 'layers[0].mediaType'],
    [manifestText({ layers: [layerOf(OCI_LAYER, { digest: 'sha256:../../etc' })] }), 'layers[0].digest'],
    [manifestText({ layers: [layerOf(OCI_LAYER, { digest: undefined })] }), 'layers[0].digest'],
    [manifestText({ layers: [layerOf(OCI_LAYER, { size: -1 })] }), 'layers[0].size'],
    [manifestText({ layers: [layerOf(OCI_LAYER, { size: 1.5 })] }), 'layers[0].size'],
    [manifestText({ layers: [layerOf(OCI_LAYER, { size: '1' })] }), 'layers[0].size'],
    [manifestText({ layers: [layerOf(OCI_LAYER, { size: 2 ** 53 })] }), 'layers[0].size'],
    [manifestText({ layers: [layerOf(OCI_LAYER, { annotations: { a: 1 } })] }), 'layers[0].annotations'],
  ])('that is malformed is refused by the name of the field (%#: %.40s)', (text, field) => {
    expect(() => parseManifest(Buffer.from(text, 'latin1'))).toThrow(
      expect.objectContaining({ code: 'ERR_MANIFEST_INVALID', message: expect.stringContaining(field) }),
    );
  });
});

describe('an index', () => {
  const entry = (platform: unknown, more: object = {}) => layerOf(OCI_MANIFEST, { platform, ...more });
  const index = (manifests: unknown, more: object = {}) =>
    JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests, ...more });

  it('is read with platforms and annotations', () => {
    const text = index([
      entry(
        {
          os: 'linux',
          architecture: 'arm64',
          variant: 'v8',
          features: ['x'],
          'os.version': '1',
          'os.features': 2,
        },
        { annotations: { a: 'b' } },
      ),
      entry({ os: 'linux', architecture: 'amd64', variant: '' }),
      entry(null),
    ]);
    const base = descriptorOf(OCI_MANIFEST, LAYER);
    expect(parse(text)).toEqual({
      kind: 'index',
      mediaType: OCI_INDEX,
      manifests: [
        {
          ...base,
          platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
          annotations: { a: 'b' },
        },
        { ...base, platform: { os: 'linux', architecture: 'amd64' } },
        base,
      ],
    });
  });

  it('is read without artifacts and what is of an unknown kind', () => {
    const image = entry({ os: 'linux', architecture: 'amd64' });
    const typed = entry(null, { artifactType: OCI_CONFIG });
    const others = [
      entry(null, { artifactType: 'application/spdx+json' }),
      entry('not even a platform', { artifactType: 'application/vnd.dev.cosign.simplesigning.v1+json' }),
      entry(null, { mediaType: 'application/vnd.oci.artifact.manifest.v1+json' }),
      entry(null, { mediaType: 'constructor' }),
    ];
    const read = parse(index([...others, image, ...others, typed]));
    expect(read).toMatchObject({ manifests: [{ platform: { os: 'linux' } }, { mediaType: OCI_MANIFEST }] });
  });

  it('of Docker is read', () => {
    expect(parse(index([], { mediaType: DOCKER_LIST }), DOCKER_LIST)).toMatchObject({ kind: 'index' });
  });

  it.each([
    [index(undefined), 'manifests'],
    [index('x'), 'manifests'],
    [index(Array(10_001).fill(entry(null))), 'manifests'],
    [index([entry('linux')]), 'manifests[0].platform'],
    [index([entry({ os: 'linux' })]), 'manifests[0].platform.architecture'],
    [index([entry({ architecture: 'amd64' })]), 'manifests[0].platform.os'],
    [index([entry({ os: 'linux', architecture: 'arm', variant: 7 })]), 'manifests[0].platform.variant'],
    [index([], { config: {} }), 'manifests'],
  ])('that is malformed is refused by the name of the field (%#)', (text, field) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({ code: 'ERR_MANIFEST_INVALID', message: expect.stringContaining(field) }),
    );
  });
});
