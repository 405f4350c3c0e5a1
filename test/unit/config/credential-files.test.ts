/** The files of auth.d: what they mean, which of them win, and how a malformed one is refused. */

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { readCredentialFiles } from '../../../src/config/credential-files.js';
import { isFetchError } from '../../../src/errors.js';
import { type FolderContents, makeFolders } from './folders.js';

const SECRET = 'hunter2';

const header = (rktKind: string) => ({ rktKind, rktVersion: 'v1' });
const basic = (domains: unknown, user = 'me') => ({
  ...header('auth'),
  domains,
  type: 'basic',
  credentials: { user, password: SECRET },
});
const docker = (registries: unknown, user = 'me') => ({
  ...header('dockerAuth'),
  registries,
  credentials: { user, password: SECRET },
});

async function read(contents: FolderContents) {
  const { root, folders } = makeFolders(contents);
  const { credentials, warnings } = await readCredentialFiles(folders);
  const shown = (map: ReadonlyMap<string, { credential: object; source: string }>) =>
    Object.fromEntries(
      [...map].map(([host, { credential, source }]) => [
        host,
        { credential, source: source.slice(root.length + 1) },
      ]),
    );
  return { domains: shown(credentials.domains), registries: shown(credentials.registries), warnings };
}

const userOf = (entry: { credential: object } | undefined): unknown =>
  Reflect.get(entry?.credential ?? {}, 'user');

describe('the files of auth.d', () => {
  it('hold credentials of every kind and type of rkt', async () => {
    const { domains, registries, warnings } = await read({
      'local/auth.d/basic.json': basic(['CoreOS.com', 'tectonic.com:8443']),
      'local/auth.d/oauth.json': {
        ...header('auth'),
        domains: ['o.test'],
        type: 'oauth',
        credentials: { token: 'T' },
      },
      'local/auth.d/aws.json': {
        ...header('auth'),
        domains: ['b.s3.amazonaws.com'],
        type: 'aws',
        credentials: { accessKeyID: 'K', secretAccessKey: SECRET, awsRegion: 'eu-west-1' },
      },
      'local/auth.d/docker.json': docker(['quay.io', 'index.docker.io']),
    });
    const credential = { kind: 'basic', user: 'me', password: SECRET };
    expect(domains).toEqual({
      'coreos.com': { credential, source: 'local/auth.d/basic.json' },
      'tectonic.com:8443': { credential, source: 'local/auth.d/basic.json' },
      'o.test': { credential: { kind: 'bearer', token: 'T' }, source: 'local/auth.d/oauth.json' },
      'b.s3.amazonaws.com': {
        credential: { kind: 'aws', accessKeyId: 'K', secretAccessKey: SECRET, region: 'eu-west-1' },
        source: 'local/auth.d/aws.json',
      },
    });
    expect(Object.keys(registries)).toEqual(['quay.io', 'registry-1.docker.io']);
    expect(warnings).toEqual([]);
  });

  it('of a later folder win, host by host and whatever the names of the files', async () => {
    const { domains, registries } = await read({
      'system/auth.d/a.json': basic(['one.test', 'two.test', 'three.test'], 'system'),
      'system/auth.d/d.json': docker(['registry-1.docker.io', 'quay.io'], 'system'),
      'local/auth.d/z.json': basic(['two.test', 'three.test'], 'local'),
      'local/auth.d/d.json': docker(['docker.io'], 'local'),
      'user/auth.d/b.json': basic(['three.test'], 'user'),
    });
    expect(['one.test', 'two.test', 'three.test'].map((host) => userOf(domains[host]))).toEqual([
      'system',
      'local',
      'user',
    ]);
    expect(userOf(registries['registry-1.docker.io'])).toBe('local');
    expect(userOf(registries['quay.io'])).toBe('system');
  });

  it('may have names of Docker Hub side by side, and a host as domain and as registry', async () => {
    const { domains, registries } = await read({
      'user/auth.d/a.json': docker(['docker.io', 'index.docker.io', 'registry-1.docker.io', 'a.test']),
      'user/auth.d/b.json': basic(['a.test']),
    });
    expect(Object.keys(registries)).toEqual(['registry-1.docker.io', 'a.test']);
    expect(Object.keys(domains)).toEqual(['a.test']);
  });

  it('are those named *.json; links lead to them, and everything else is left alone', async () => {
    const { root, folders } = makeFolders({
      'elsewhere/secret': basic(['linked.test']),
      'user/auth.d/README.md': 'not JSON',
      'user/auth.d/below/x.json': 'not JSON',
      'user/auth.d/folder.json/x': 'not JSON',
      'user/stage1.d/x.json': 'not JSON',
    });
    symlinkSync(join(root, 'elsewhere/secret'), join(root, 'user/auth.d/link.json'));
    symlinkSync('nowhere', join(root, 'user/auth.d/dangling.json'));
    execFileSync('mkfifo', [join(root, 'user/auth.d/pipe.json')]);
    const { credentials } = await readCredentialFiles(folders);
    expect([...credentials.domains.keys()]).toEqual(['linked.test']);
  });

  it('may be missing altogether', async () => {
    expect(await read({})).toEqual({ domains: {}, registries: {}, warnings: [] });
  });

  it('may have fields that a newer rkt knows', async () => {
    const { domains } = await read({ 'user/auth.d/a.json': { ...basic(['a.test']), more: 1 } });
    expect(Object.keys(domains)).toEqual(['a.test']);
  });
});

describe('a malformed file', () => {
  const oauth = (token: unknown) => ({
    ...header('auth'),
    domains: ['a.test'],
    type: 'oauth',
    credentials: { token },
  });
  const aws = (credentials: unknown) => ({
    ...header('auth'),
    domains: ['a.test'],
    type: 'aws',
    credentials,
  });

  it.each<[string, unknown, string]>([
    ['no JSON', `{"password":"${SECRET}`, ''],
    ['no object', [SECRET], ''],
    ['too large', ' '.repeat(1024 * 1024 + 1), ''],
    ['no kind', { rktVersion: 'v1' }, 'rktKind'],
    ['an empty kind', { rktKind: '', rktVersion: 'v1' }, 'rktKind'],
    ['a kind of another folder', header('paths'), 'rktKind'],
    ['no version', { rktKind: 'auth' }, 'rktVersion'],
    ['another version', { rktKind: 'auth', rktVersion: 'v2' }, 'rktVersion'],
    ['a version that is a number', { rktKind: 'auth', rktVersion: 1 }, 'rktVersion'],
    ['no domains', basic(undefined), 'domains'],
    ['an empty list of domains', basic([]), 'domains'],
    ['domains that are no list', basic(SECRET), 'domains'],
    ['a domain that is a number', basic(['a.test', 7]), 'domains[1]'],
    ['a domain that is a URL', basic([`https://me:${SECRET}@a.test/`]), 'domains[0]'],
    ['a domain twice', basic(['a.test', 'a.test']), 'domains[1]'],
    ['no type', { ...basic(['a.test']), type: undefined }, 'type'],
    ['an unknown type', { ...basic(['a.test']), type: 'digest' }, 'type'],
    ['a type out of the prototype', { ...basic(['a.test']), type: 'toString' }, 'type'],
    ['no credentials', { ...basic(['a.test']), credentials: null }, 'credentials'],
    ['credentials that are text', { ...basic(['a.test']), credentials: SECRET }, 'credentials'],
    ['no user', { ...basic(['a.test']), credentials: { password: SECRET } }, 'credentials.user'],
    ['a user that is a list', basic(['a.test'], [] as unknown as string), 'credentials.user'],
    ['a user with a colon', basic(['a.test'], `me:${SECRET}`), 'credentials.user'],
    ['no password', { ...basic(['a.test']), credentials: { user: 'me' } }, 'credentials.password'],
    [
      'an empty password',
      { ...basic(['a.test']), credentials: { user: 'me', password: '' } },
      'credentials.password',
    ],
    [
      'a password that is a number',
      { ...basic(['a.test']), credentials: { user: 'me', password: 1 } },
      'credentials.password',
    ],
    ['no token', oauth(undefined), 'credentials.token'],
    ['a token that no header can hold', oauth(`${SECRET}\r\nx: y`), 'credentials.token'],
    ['no key ID', aws({ secretAccessKey: SECRET }), 'credentials.accessKeyID'],
    ['no secret key', aws({ accessKeyID: 'K' }), 'credentials.secretAccessKey'],
    [
      'a region that is a number',
      aws({ accessKeyID: 'K', secretAccessKey: SECRET, awsRegion: 1 }),
      'credentials.awsRegion',
    ],
    ['no registries', docker(undefined), 'registries'],
    ['a registry with a path', docker(['quay.io/team']), 'registries[0]'],
    ['a registry twice', docker(['docker.io', 'docker.io']), 'registries[1]'],
    [
      'a registry without user',
      { ...docker(['a.test']), credentials: { password: SECRET } },
      'credentials.user',
    ],
  ])('with %s is an error that names file and field, without a value', async (_title, content, field) => {
    const { root, folders } = makeFolders({ 'local/auth.d/x.json': content });
    const error = await readCredentialFiles(folders).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!isFetchError(error)) throw new Error('no error');
    expect(error.code).toBe('ERR_CONFIG_INVALID');
    const start = `${join(root, 'local/auth.d/x.json')}${field === '' ? '' : `: ${field}`} `;
    expect(error.message.startsWith(start), error.message).toBe(true);
    expect(`${error.message}${error.hint ?? ''}${String(error.cause)}`).not.toContain(SECRET);
  });

  it.each([
    ['domain', basic(['a.test']), basic(['A.test:443']), 'domains[0]'],
    ['registry', docker(['docker.io']), docker(['registry-1.docker.io']), 'registries[0]'],
  ])('is one of two of a folder with the same %s; both are named', async (_title, first, second, field) => {
    const { folders } = makeFolders({ 'local/auth.d/1.json': first, 'local/auth.d/2.json': second });
    const error = await readCredentialFiles(folders).catch((reason: Error) => reason);
    expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    const { message } = error as Error;
    expect(message).toContain('/local/auth.d/1.json');
    expect(message).toContain(`/local/auth.d/2.json: ${field} `);
  });

  it('is a folder that is a file', async () => {
    const { folders } = makeFolders({ 'local/auth.d': 'text' });
    await expect(readCredentialFiles(folders)).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  });

  it('is a folder with too many', async () => {
    const { root, folders } = makeFolders({ 'local/auth.d/a': '' });
    for (let index = 0; index <= 1000; index++) writeFileSync(join(root, `local/auth.d/${index}.json`), '');
    await expect(readCredentialFiles(folders)).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  });
});

describe('permissions', () => {
  it.each([
    [0o600, 0],
    [0o400, 0],
    [0o700, 0],
    [0o640, 1],
    [0o604, 1],
    [0o644, 1],
    [0o622, 0],
  ])('%s: %i warnings, also for the folders of the system', async (mode, count) => {
    for (const origin of ['system', 'local', 'user']) {
      const { root, folders } = makeFolders({ [`${origin}/auth.d/a.json`]: basic(['a.test']) });
      const path = join(root, origin, 'auth.d/a.json');
      chmodSync(path, mode);
      const { credentials, warnings } = await readCredentialFiles(folders);
      expect(credentials.domains.size).toBe(1);
      expect(warnings).toHaveLength(count);
      for (const warning of warnings) {
        expect(warning).toContain(path);
        expect(warning).not.toContain(SECRET);
      }
    }
  });

  test.runIf(process.getuid?.() !== 0)(
    'files and folders that may not be read are left out, with a warning',
    async () => {
      const { root, folders } = makeFolders({
        'local/auth.d/a.json': basic(['a.test']),
        'user/auth.d/b.json': basic(['b.test']),
      });
      chmodSync(join(root, 'local/auth.d/a.json'), 0);
      mkdirSync(join(root, 'system/auth.d'), { recursive: true, mode: 0 });
      const { credentials, warnings } = await readCredentialFiles(folders);
      expect([...credentials.domains.keys()]).toEqual(['b.test']);
      expect(warnings).toHaveLength(2);
    },
  );
});
