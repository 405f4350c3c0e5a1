/** Sources in full, without secrets, and the keys under which their answers are kept. */

import { describe, expect, it } from 'vitest';
import { convertedKey, sourceOf, urlKey } from '../../../src/fetch/source.js';
import { parseReference } from '../../../src/reference/parse.js';
import type { DockerReference, UrlReference } from '../../../src/types.js';

const DIGEST = `sha256:${'0'.repeat(64)}`;
const docker = (image: string): DockerReference => parseReference(image, '/dir') as DockerReference;
const url = (image: string): UrlReference => parseReference(image, '/dir') as UrlReference;

it.each([
  ['docker://busybox', 'docker://registry-1.docker.io/library/busybox:latest'],
  ['docker://busybox:1', 'docker://registry-1.docker.io/library/busybox:1'],
  [`docker://127.0.0.1:5000/a/b@${DIGEST}`, `docker://127.0.0.1:5000/a/b@${DIGEST}`],
  ['https://example.test/a.aci', 'https://example.test/a.aci'],
  ['./a.aci', 'file:///dir/a.aci'],
  ['/x/a.aci', 'file:///x/a.aci'],
  ['file:///x/a.aci', 'file:///x/a.aci'],
  ['oci:./layout', 'oci:/dir/layout'],
  ['oci-archive:/x/a.tar:1.0', 'oci-archive:/x/a.tar:1.0'],
  ['docker-archive:a.tar:busybox:1', 'docker-archive:/dir/a.tar:busybox:1'],
])('the source of %s is %s', (image, source) => {
  expect(sourceOf(parseReference(image, '/dir'))).toBe(source);
});

it('has no secrets of a URL', () => {
  const source = sourceOf(url('https://example.test/a.aci?token=secret'));
  expect(source).not.toContain('secret');
  expect(source).toContain('example.test/a.aci');
});

describe('the key of an answer', () => {
  const amd64 = { os: 'linux', architecture: 'amd64' };

  it('is the same for the short and the full form of an image', () => {
    const keys = ['docker://busybox', 'docker://library/busybox:latest'].map((image) =>
      convertedKey(docker(image), amd64),
    );
    expect(keys[0]).toBe(keys[1]);
  });

  it('is another one for another image or platform', () => {
    const platforms = [amd64, { ...amd64, architecture: 'arm64' }, { ...amd64, variant: 'v8' }];
    const images = ['docker://a', 'docker://a:1', 'docker://b', `docker://a@${DIGEST}`].map(docker);
    const keys = images.flatMap((image) => platforms.map((platform) => convertedKey(image, platform)));
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('is another one for another query of a URL', () => {
    expect(urlKey(url('https://example.test/a.aci?x=1'))).not.toBe(
      urlKey(url('https://example.test/a.aci?x=2')),
    );
  });
});
