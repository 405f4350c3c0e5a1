/** Names, platforms, users, volumes and ports as rkt derives them, and where it would give no valid ones. */

import { describe, expect, it } from 'vitest';
import { isAcName } from '../../../src/aci/appc-types.js';
import {
  aciNameOf,
  appcPlatformOf,
  mountPointsOf,
  portsOf,
  sanitizeAcIdentifier,
  sanitizeAcName,
  userAndGroupOf,
} from '../../../src/convert/appc-names.js';
import { isFetchError } from '../../../src/errors.js';
import { isAcIdentifier } from '../../../src/reference/name.js';

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_MANIFEST_INVALID', stage: 'convert' });
    return isFetchError(error) ? error.message : '';
  }
  throw new Error('nothing was refused');
}

/** The same items in several orders, the given one first. */
function shuffles<Item>(items: readonly Item[]): Item[][] {
  let seed = 7;
  const next = (): number => {
    seed = (seed * 48271) % 2147483647;
    return seed;
  };
  const shuffled = Array.from({ length: 12 }, () => {
    const keyed = items.map((item) => ({ item, key: next() }));
    return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
  });
  return [[...items], [...items].reverse(), ...shuffled];
}

describe('sanitizeAcIdentifier and sanitizeAcName', () => {
  it.each([
    ['127.0.0.1:5000/test', '127.0.0.1_5000/test', '127-0-0-1-5000-test'],
    ['LOCALHOST/Team/App', 'localhost/team/app', 'localhost-team-app'],
    ['a__b--c', 'a__b--c', 'a--b--c'],
    ['/._~-a-~_./', 'a', 'a'],
    ['é\u{1f600}x', 'x', 'x'],
    ['x\u{1f600}y', 'x_y', 'x-y'],
    ['', undefined, undefined],
    ['-._~/é', undefined, undefined],
  ])('makes of %j the identifier %j and the name %j', (text, identifier, name) => {
    expect(sanitizeAcIdentifier(text)).toBe(identifier);
    expect(sanitizeAcName(text)).toBe(name);
  });

  it('takes linear time over long runs of separators', () => {
    const text = `x${'-'.repeat(2_000_000)}y-`;
    expect(sanitizeAcName(text)?.length).toBe(2_000_002);
    expect(sanitizeAcIdentifier(text)?.length).toBe(2_000_002);
  });
});

describe('aciNameOf', () => {
  it.each([
    ['127.0.0.1:5000', 'test', '127.0.0.1_5000/test'],
    ['registry-1.docker.io', 'library/busybox', 'registry-1.docker.io/library/busybox'],
    ['Reg.Example.test:443', 'team/my_app.x', 'reg.example.test_443/team/my_app.x'],
    ['[::1]:5000', 'test', '1__5000/test'],
  ])('names %s and %s', (registry, repository, name) => {
    expect(aciNameOf({ registry, repository })).toBe(name);
  });

  it('refuses a name without letters and digits', () => {
    refusal(() => aciNameOf({ registry: '_', repository: '-' }));
  });
});

describe('appcPlatformOf', () => {
  it.each([
    ['linux', 'amd64', undefined, 'amd64'],
    ['linux', 'amd64', 'v3', 'amd64'],
    ['linux', '386', undefined, 'i386'],
    ['linux', 'arm64', undefined, 'aarch64'],
    ['linux', 'arm64', 'v8', 'aarch64'],
    ['linux', 'arm', undefined, 'armv6l'],
    ['linux', 'arm', '', 'armv6l'],
    ['linux', 'arm', 'v5', 'armv6l'],
    ['linux', 'arm', 'v6', 'armv6l'],
    ['linux', 'arm', 'v7', 'armv7l'],
    ['linux', 'arm', '7', 'armv7l'],
    ['linux', 'ppc64', undefined, 'ppc64'],
    ['linux', 'ppc64le', undefined, 'ppc64le'],
    ['linux', 's390x', undefined, 's390x'],
    ['freebsd', 'amd64', undefined, 'amd64'],
    ['freebsd', 'arm', 'v7', 'arm'],
    ['darwin', 'amd64', undefined, 'x86_64'],
    ['darwin', '386', undefined, 'i386'],
  ])('gives %s/%s variant %s the arch %4$s', (os, architecture, variant, arch) => {
    expect(appcPlatformOf({ os, architecture, variant })).toStrictEqual({ os, arch });
  });

  it.each([
    ['windows', 'amd64', undefined],
    ['linux', 'riscv64', undefined],
    ['linux', 'arm', 'v8'],
    ['linux', 'amd64/v2', undefined],
    ['darwin', 'arm64', undefined],
  ])('refuses %s/%s variant %s and names it', (os, architecture, variant) => {
    const message = refusal(() => appcPlatformOf({ os, architecture, variant }));
    expect(message).toContain('image config: architecture ');
    expect(message).toContain(`${os}/${architecture}`);
  });
});

describe('userAndGroupOf', () => {
  it.each([
    ['', '0', '0'],
    ['1000', '1000', '1000'],
    ['app', 'app', 'app'],
    ['1000:2000', '1000', '2000'],
    ['app:appgrp', 'app', 'appgrp'],
    ['a:b:c', 'a', 'b'],
  ])('splits %j into %j and %j', (text, user, group) => {
    expect(userAndGroupOf(text)).toStrictEqual({ user, group });
  });

  it.each([':5', ':', 'app:', '1000:'])('refuses %j and names the field', (text) => {
    expect(refusal(() => userAndGroupOf(text))).toContain('config.User ');
  });
});

describe('mountPointsOf', () => {
  it.each<[paths: string[], expected: [name: string, path: string][]]>([
    [[], []],
    [['/data'], [['volume-data', '/data']]],
    [['/'], [['volume', '/']]],
    [['data'], [['volume-data', 'data']]],
    [['/var/lib/My_App.d'], [['volume-var-lib-my-app-d', '/var/lib/My_App.d']]],
    [['/a//b/./../c'], [['volume-a-c', '/a//b/./../c']]],
    [['/../x'], [['x', '/../x']]],
    [['/é'], [['volume', '/é']]],
    [
      ['/z', '/a'],
      [
        ['volume-a', '/a'],
        ['volume-z', '/z'],
      ],
    ],
    [
      ['/data/', '/data'],
      [
        ['volume-data', '/data'],
        ['volume-data-1', '/data/'],
      ],
    ],
    [
      ['/a.b', '/a/b', '/a-b', '/a_b'],
      [
        ['volume-a-b', '/a-b'],
        ['volume-a-b-1', '/a.b'],
        ['volume-a-b-2', '/a/b'],
        ['volume-a-b-3', '/a_b'],
      ],
    ],
    // A number never takes the name that another path has by itself.
    [
      ['/data', '/data/', '/data/1', '/data-1'],
      [
        ['volume-data', '/data'],
        ['volume-data-1', '/data-1'],
        ['volume-data-1-1', '/data/1'],
        ['volume-data-2', '/data/'],
      ],
    ],
  ])('names %j', (paths, expected) => {
    for (const order of shuffles(paths)) {
      expect(mountPointsOf(order)).toStrictEqual(expected.map(([name, path]) => ({ name, path })));
    }
  });

  it.each(['', '/..', '/../é'])('refuses the path %j, which gives no name', (path) => {
    expect(refusal(() => mountPointsOf([path]))).toContain('config.Volumes[');
  });

  it('gives valid, different names to many paths that look alike', () => {
    const paths = Array.from(
      { length: 200 },
      (_, i) => `/d${'./_-~'.charAt(i % 5)}${i % 7}/${i % 3}${'/'.repeat(i)}`,
    );
    const expected = mountPointsOf(paths);
    const names = expected.map(({ name }) => name);
    expect(new Set(names).size).toBe(200);
    expect(names.every(isAcName)).toBe(true);
    expect(names).toStrictEqual(names.toSorted());
    for (const order of shuffles(paths)) expect(mountPointsOf(order)).toStrictEqual(expected);
  });
});

describe('portsOf', () => {
  it.each<[keys: string[], expected: [name: string, protocol: string, port: number][]]>([
    [[], []],
    [
      ['8080/tcp', '53/udp', '9000'],
      [
        ['53-udp', 'udp', 53],
        ['8080-tcp', 'tcp', 8080],
        ['9000', 'tcp', 9000],
      ],
    ],
    [['1/sctp'], [['1-sctp', 'sctp', 1]]],
    [['65535/'], [['65535', 'tcp', 65535]]],
    [['080/tcp'], [['080-tcp', 'tcp', 80]]],
    [
      ['80/tcp', '80/TCP'],
      [
        ['80-tcp', 'TCP', 80],
        ['80-tcp-1', 'tcp', 80],
      ],
    ],
  ])('names %j', (keys, expected) => {
    for (const order of shuffles(keys)) {
      expect(portsOf(order)).toStrictEqual(
        expected.map(([name, protocol, port]) => ({
          name,
          protocol,
          port,
          count: 1,
          socketActivated: false,
        })),
      );
    }
  });

  it.each([
    '0/tcp',
    '65536/tcp',
    '/tcp',
    '',
    'http',
    '80-90/tcp',
    '-1',
    '+80',
    '8e1',
    '0x50',
    ' 80',
    '9'.repeat(400),
  ])('refuses %j and names the field', (key) => {
    expect(refusal(() => portsOf([key]))).toContain('config.ExposedPorts[');
  });
});

it('makes identifiers of registry names that the manifest accepts', () => {
  for (const registry of ['a.test', 'a.test:1', '[fe80::1%25eth0]:5000', 'Ünïcode.test']) {
    expect(isAcIdentifier(aciNameOf({ registry, repository: 'x/y' }))).toBe(true);
  }
});
