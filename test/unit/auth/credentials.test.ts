/** Which credential belongs to a URL and to a registry. */

import { describe, expect, it, test } from 'vitest';
import {
  type Credentials,
  credentialForRegistry,
  credentialForUrl,
  NO_CREDENTIALS,
  parseHost,
  parseRegistryHost,
} from '../../../src/auth/credentials.js';

const from = (user: string) => ({
  credential: { kind: 'basic', user, password: 'p' } as const,
  source: '/f.json',
});

const CREDENTIALS: Credentials = {
  domains: new Map([
    ['a.test', from('plain')],
    ['a.test:8443', from('port')],
    ['[::1]:5000', from('six')],
  ]),
  registries: new Map([
    ['registry-1.docker.io', from('hub')],
    ['quay.test', from('quay')],
  ]),
};

describe('credentialForUrl', () => {
  it.each([
    ['https://a.test/x.aci', 'plain'],
    ['https://a.test:443/x.aci', 'plain'],
    ['https://A.Test/x.aci', 'plain'],
    ['https://a.test:8443/', 'port'],
    ['https://[::1]:5000/', 'six'],
    ['https://a.test:8080/', undefined],
    ['https://sub.a.test/', undefined],
    ['https://a.test.evil.test/', undefined],
    ['https://evil.test/a.test', undefined],
    ['https://a.test@evil.test/', undefined],
    ['https://evil.test#@a.test/', undefined],
    ['https://evil.test\\@a.test/', undefined],
    ['http://a.test/', undefined],
    ['http://a.test:443/', undefined],
    ['file:///a.test', undefined],
    ['a.test', undefined],
  ])('%s: %s', (url, user) => {
    expect(credentialForUrl(CREDENTIALS, url)).toEqual(user === undefined ? undefined : from(user));
  });
});

test.each([
  ['registry-1.docker.io', 'hub'],
  ['index.docker.io', 'hub'],
  ['docker.io', 'hub'],
  ['QUAY.test', 'quay'],
  ['quay.test:443', 'quay'],
  ['quay.test:80', undefined],
  ['evil.quay.test', undefined],
  ['', undefined],
])('the credentials for the registry %s are those of %s', (registry, user) => {
  expect(credentialForRegistry(CREDENTIALS, registry)?.credential.user).toBe(user);
  expect(credentialForRegistry(NO_CREDENTIALS, registry)).toBeUndefined();
});

test.each([
  ['Example.COM', 'example.com'],
  ['example.com:443', 'example.com'],
  ['example.com:8080', 'example.com:8080'],
  ['[FE80::1]:1', '[fe80::1]:1'],
  ['', undefined],
  ['https://example.com', undefined],
  ['example.com/', undefined],
  ['example.com/x', undefined],
  ['me@example.com', undefined],
  ['example.com?x', undefined],
  ['example.com\\x', undefined],
  ['example.com:99999', undefined],
  ['exa mple.com', undefined],
])('the host %j is %j', (text, host) => {
  expect(parseHost(text)).toBe(host);
});

test('Docker Hub has one name, on its own port only', () => {
  expect(['docker.io', 'index.docker.io', 'docker.io:5000'].map(parseRegistryHost)).toEqual([
    'registry-1.docker.io',
    'registry-1.docker.io',
    'docker.io:5000',
  ]);
});
