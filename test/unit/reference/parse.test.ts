/** What image arguments mean. */

import { describe, expect, it } from 'vitest';
import { parseReference } from '../../../src/reference/parse.js';

const CWD = '/home/user';
const SHA256 = `sha256:${'a'.repeat(64)}`;
const SHA512 = `sha512:${'b'.repeat(128)}`;
const HUB = 'registry-1.docker.io';

describe('docker references', () => {
  // argument without docker://, registry, repository, tag, digest
  it.each([
    ['busybox', HUB, 'library/busybox', 'latest', undefined],
    ['busybox:1.36', HUB, 'library/busybox', '1.36', undefined],
    ['team/app', HUB, 'team/app', 'latest', undefined],
    ['docker.io/busybox', HUB, 'library/busybox', 'latest', undefined],
    ['index.docker.io/team/app:v1', HUB, 'team/app', 'v1', undefined],
    ['registry-1.docker.io/busybox', HUB, 'library/busybox', 'latest', undefined],
    ['quay.io/busybox', 'quay.io', 'busybox', 'latest', undefined],
    ['Quay.IO/a/b', 'quay.io', 'a/b', 'latest', undefined],
    ['localhost/app', 'localhost', 'app', 'latest', undefined],
    ['127.0.0.1:5000/test:T_1.x-y', '127.0.0.1:5000', 'test', 'T_1.x-y', undefined],
    ['[::1]:5000/test', '[::1]:5000', 'test', 'latest', undefined],
    ['host:5000/a/b/c', 'host:5000', 'a/b/c', 'latest', undefined],
    ['a__b/c--d.e', HUB, 'a__b/c--d.e', 'latest', undefined],
    // A port on its own is a tag: there is no repository behind it.
    ['localhost:5000', HUB, 'library/localhost', '5000', undefined],
    [`busybox@${SHA256}`, HUB, 'library/busybox', undefined, SHA256],
    [`quay.io/a:v1@${SHA256}`, 'quay.io', 'a', undefined, SHA256],
    [`quay.io/a@${SHA512}`, 'quay.io', 'a', undefined, SHA512],
  ])('reads docker://%s', (originalName, registry, repository, tag, digest) => {
    const image = `docker://${originalName}`;
    expect(parseReference(image, CWD)).toEqual({
      kind: 'docker',
      image,
      originalName,
      registry,
      repository,
      tag,
      digest,
    });
  });

  it.each([
    '',
    'Busybox',
    'team/App',
    'Foo/bar',
    'quay.io/',
    '/busybox',
    'a/b/',
    '-a/b',
    'a___b',
    'a:',
    'a:.tag',
    `a:${'t'.repeat(129)}`,
    'a:b:c',
    'host:0/a',
    'host:65536/a',
    'host:port/a',
    '[::g]/a',
    '.host/a',
    'a@sha256:abc',
    `a@sha256:${'A'.repeat(64)}`,
    `a@${SHA256}@${SHA256}`,
    'a@md5:0123',
    'a b',
    'a?b',
    'a/../b',
    `quay.io/${'a'.repeat(250)}`,
  ])('refuses docker://%s', (rest) => {
    expect(() => parseReference(`docker://${rest}`, CWD)).toThrow(
      expect.objectContaining({ code: 'ERR_USAGE' }),
    );
  });
});

describe('URLs', () => {
  it.each([
    ['https://example.com/app.aci', 'https://example.com/app.aci'],
    ['http://127.0.0.1:80/app.aci', 'http://127.0.0.1/app.aci'],
    ['HTTPS://Example.com/a?X-Sig=1#top', 'https://example.com/a?X-Sig=1'],
  ])('reads %s', (image, url) => {
    expect(parseReference(image, CWD)).toEqual({ kind: 'url', image, url });
  });

  it.each(['https://', 'https://user@example.com/a', 'http://u:p@example.com/a', 'https://[::g]/a'])(
    'refuses %s',
    (image) => {
      expect(() => parseReference(image, CWD)).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
    },
  );
});

describe('files', () => {
  it.each([
    ['./x.aci', '/home/user/x.aci'],
    ['../x.aci', '/home/x.aci'],
    ['/a/../x y.aci', '/x y.aci'],
    ['file:///a/x.aci', '/a/x.aci'],
    ['file://localhost/a/x%20y.aci', '/a/x y.aci'],
  ])('reads %s', (image, path) => {
    expect(parseReference(image, CWD)).toEqual({ kind: 'file', image, path });
  });

  it.each(['./', '/', 'file://x.aci', 'file:///a?b', 'file:///a#b', 'file:x.aci', 'file:///a%2Fb', '/a\0b'])(
    'refuses %j',
    (image) => {
      expect(() => parseReference(image, CWD)).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
    },
  );
});

describe('image IDs', () => {
  it.each([
    ['sha512-0123456789ab', 'sha512-0123456789ab'],
    [`sha512-${'f'.repeat(128)}`, `sha512-${'f'.repeat(128)}`],
    ['sha512-0123456789AB', 'sha512-0123456789ab'],
  ])('reads %s', (image, prefix) => {
    expect(parseReference(image, CWD)).toEqual({ kind: 'id', image, prefix });
  });

  it.each(['sha512-', 'sha512-0123456789a', `sha512-${'f'.repeat(129)}`])('refuses %s', (image) => {
    expect(() => parseReference(image, CWD)).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
  });
});

describe('names', () => {
  it.each([
    ['example.com/app', 'example.com/app', {}],
    ['coreos.com/etcd:v2.0.0', 'coreos.com/etcd', { version: 'v2.0.0' }],
    ['127.0.0.1_5000/test:latest', '127.0.0.1_5000/test', { version: 'latest' }],
    ['a.b/c:1,os=linux,arch=amd64', 'a.b/c', { version: '1', os: 'linux', arch: 'amd64' }],
    ['a.b/c,version=1,x=y=z', 'a.b/c', { version: '1', x: 'y=z' }],
    ['a,constructor=1', 'a', { constructor: '1' }],
    // Not a file unless it is written as one.
    ['x.aci', 'x.aci', {}],
  ])('reads %s', (image, name, labels) => {
    expect(parseReference(image, CWD)).toEqual({ kind: 'name', image, name, labels });
  });

  it.each([
    '',
    ' ',
    '.',
    '..',
    '~/x',
    'Example.com/app',
    'a/',
    'a:',
    'a:1:2',
    'a,os',
    'a,os=',
    'a,Os=linux',
    'a,name=b',
    'a:1,version=2',
    'a,os=linux,os=linux',
    'a,os=x:y',
    'a,os=x y',
    'a\nb',
    'a'.repeat(1025),
    'ftp://example.com/a',
    'docker:busybox',
  ])('refuses %j', (image) => {
    expect(() => parseReference(image, CWD)).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
  });

  it('reads a hostile name in linear time', () => {
    const startMs = performance.now();
    expect(() => parseReference(`${'a-'.repeat(50_000)}!`, CWD)).toThrow();
    expect(() => parseReference(`docker://${'a--'.repeat(50_000)}!`, CWD)).toThrow();
    expect(performance.now() - startMs).toBeLessThan(2000);
  });
});

describe('images on disk', () => {
  it.each([
    ['oci:layout', 'oci', '/home/user/layout', undefined],
    ['oci:./a/../b:1.0', 'oci', '/home/user/b', '1.0'],
    ['oci:/x/y:docker.io/library/busybox:1', 'oci', '/x/y', 'docker.io/library/busybox:1'],
    ['oci-archive:/x/y.tar', 'oci-archive', '/x/y.tar', undefined],
    ['docker-archive:y.tar:@1', 'docker-archive', '/home/user/y.tar', '@1'],
    ['docker-archive:y.tar:host:5000/a:1', 'docker-archive', '/home/user/y.tar', 'host:5000/a:1'],
  ])('reads %s', (image, transport, path, ref) => {
    const expected = { kind: 'layout', image, transport, path, ...(ref !== undefined && { ref }) };
    expect(parseReference(image, CWD)).toEqual(expected);
  });

  it.each(['oci:', 'oci::1', 'oci:x:', 'docker-archive:', 'oci-archive:\0'])('refuses %j', (image) => {
    expect(() => parseReference(image, CWD)).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
  });
});

it.each([
  'https://user:hunter2@example.com/a',
  'docker://user:hunter2@example.com/a',
  'https://exa mple.com/?sig=hunter2',
  'http://user:hunter2@[::g]/a',
  'ftp://user:hunter2@example.com/a',
])('keeps the secret of %s out of the error and its causes', (image) => {
  let thrown: unknown;
  try {
    parseReference(image, CWD);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject({ code: 'ERR_USAGE' });
  const { message, hint, cause } = thrown as { message: string; hint?: string; cause?: unknown };
  expect(JSON.stringify([message, hint, cause, String(cause)])).not.toContain('hunter2');
});
