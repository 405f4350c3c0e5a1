/** What Docker's credential files have for a repository. */

import { describe, expect, it, test } from 'vitest';
import { readJsonDocument } from '../../../src/aci/json-fields.js';
import { invalidConfig } from '../../../src/config/config-files.js';
import { findDockerAuth, holdsSecrets } from '../../../src/config/docker-auth.js';

const encode = (text: string) => Buffer.from(text).toString('base64');
const auth = (user: string) => ({ auth: encode(`${user}:p:w`) });

const documentOf = (content: unknown) =>
  readJsonDocument(Buffer.from(JSON.stringify(content)), (field, problem) =>
    invalidConfig('/c.json', field, problem),
  );
const find = (content: unknown, registry = 'a.test', repository = 'team/app') =>
  findDockerAuth(documentOf(content), registry, repository);
const userOf = (found: object | undefined) => JSON.stringify(found).match(/"user":"([^"]*)"/)?.[1];

describe('auths', () => {
  it.each<[string, object, object | undefined]>([
    ['base64', { auth: encode('me:pa:ss') }, { kind: 'basic', user: 'me', password: 'pa:ss' }],
    ['padded base64', { auth: encode('me:pass\0\0') }, { kind: 'basic', user: 'me', password: 'pass' }],
    ['a pair', { username: 'me', password: 'pass' }, { kind: 'basic', user: 'me', password: 'pass' }],
    ['a refresh token', { identitytoken: 'R' }, { kind: 'identity', refreshToken: 'R', user: '' }],
    [
      'a refresh token beside a user',
      { auth: encode('0000:'), identitytoken: 'R' },
      { kind: 'identity', refreshToken: 'R', user: '0000' },
    ],
    [
      'a refresh token of no user',
      { username: '<token>', identitytoken: 'R' },
      { kind: 'identity', refreshToken: 'R', user: '' },
    ],
    ['nothing', {}, undefined],
    ['a mail address alone', { email: 'me@a.test' }, undefined],
    ['no password', { username: 'me' }, undefined],
  ])('with %s', (_title, entry, credential) => {
    const found = credential === undefined ? undefined : { kind: 'credential', credential };
    expect(find({ auths: { 'a.test': entry } })).toEqual(found);
  });

  it.each([
    ['a.test', 'a.test'],
    ['A.test:443', 'a.test'],
    ['https://a.test', 'a.test'],
    ['https://a.test/', 'a.test'],
    ['https://a.test/v1/', 'a.test'],
    ['http://a.test/v2', 'a.test'],
    ['a.test/team', 'a.test'],
    ['a.test/team/app', 'a.test'],
    ['https://index.docker.io/v1/', 'registry-1.docker.io'],
    ['docker.io', 'registry-1.docker.io'],
    ['registry-1.docker.io', 'registry-1.docker.io'],
    ['a.test:8443', 'a.test:8443'],
  ])('named %s are for %s', (key, registry) => {
    expect(userOf(find({ auths: { [key]: auth('me') } }, registry))).toBe('me');
    expect(find({ auths: { [key]: auth('me') } }, 'other.test')).toBeUndefined();
  });

  it.each([
    'a.test:8443',
    'b.a.test',
    'a.test.evil.test',
    'test',
    'a.test/tea',
    'a.test/team/app/more',
    'a.test/other',
    'evil.test/a.test',
    'me@a.test',
    '',
    '*',
  ])('named %j are not for a.test/team/app', (key) => {
    expect(find({ auths: { [key]: auth('me') } })).toBeUndefined();
  });

  it('with the longest path win, unless they hold nothing', () => {
    const auths = { 'a.test': auth('host'), 'a.test/team': auth('team'), 'a.test/team/app': {} };
    expect(userOf(find({ auths }))).toBe('team');
    expect(userOf(find({ auths }, 'a.test', 'other/app'))).toBe('host');
  });
});

describe('helpers', () => {
  const helper = (name: string, server: string) => ({ kind: 'helper', helper: { name, server } });

  it('of the registry win over a stored credential, and that over the one for all', () => {
    const auths = { 'a.test': auth('me'), 'b.test': {} };
    const content = { auths, credHelpers: { 'c.test': 'own' }, credsStore: 'all' };
    expect(userOf(find(content))).toBe('me');
    expect(find(content, 'b.test')).toEqual(helper('all', 'b.test'));
    expect(find(content, 'c.test')).toEqual(helper('own', 'c.test'));
    expect(find({ ...content, credHelpers: { 'a.test': 'own' } })).toEqual(helper('own', 'a.test'));
  });

  it('know Docker Hub by the name that docker login has for it', () => {
    expect(find({ credsStore: 'all' }, 'registry-1.docker.io')).toEqual(
      helper('all', 'https://index.docker.io/v1/'),
    );
  });
});

test.each<[unknown, string]>([
  [{ auths: [] }, 'auths'],
  [{ auths: { 'a.test': 'me:hunter2' } }, 'auths["a.test"]'],
  [{ auths: { 'a.test': { auth: 'hunter2!' } } }, 'auths["a.test"].auth'],
  [{ auths: { 'a.test': { auth: encode('hunter2') } } }, 'auths["a.test"].auth'],
  [{ auths: { 'a.test': { auth: 7 } } }, 'auths["a.test"].auth'],
  [{ credsStore: '../hunter2' }, 'credsStore'],
  [{ credsStore: 'a b' }, 'credsStore'],
  [{ credsStore: '-x' }, 'credsStore'],
  [{ credHelpers: { 'a.test': 'x/y' } }, 'credHelpers["a.test"]'],
])('%j is an error that names the field and no value', (content, field) => {
  expect(() => find(content)).toThrow(
    expect.objectContaining({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringMatching(/^(?!.*hunter2)/),
    }),
  );
  expect(() => find(content)).toThrow(`/c.json: ${field} `);
});

test('what is wrong with other registries does not matter', () => {
  const content = { auths: { 'b.test': { auth: 7 } }, credHelpers: { 'b.test': '/x' }, credsStore: '' };
  expect(find(content)).toBeUndefined();
});

test.each([
  [{ auths: { 'a.test': auth('me') } }, true],
  [{ auths: { 'a.test': { identitytoken: 'R' } } }, true],
  [{ auths: { 'a.test': {} }, credsStore: 'all' }, false],
  [{}, false],
])('%j holds secrets: %s', (content, secret) => {
  expect(holdsSecrets(documentOf(content))).toBe(secret);
});
