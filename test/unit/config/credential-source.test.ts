/** The order of the places of credentials, and the programs that keep them, which are real here. */

import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { askHelper } from '../../../src/config/credential-helper.js';
import { dockerAuthFiles, openCredentialSource } from '../../../src/config/credential-source.js';
import type { Environment } from '../../../src/config/env.js';
import { tempDir } from '../../support/temp.js';
import { QUIET } from '../http/server.js';
import { makeFolders } from './folders.js';

const auths = (user: string, key = 'a.test') => ({
  auths: { [key]: { auth: Buffer.from(`${user}:p`).toString('base64') } },
});

/** A home with these files, and the source that reads them. */
async function open(files: Record<string, unknown>, variables: Record<string, string> = {}) {
  const { root, folders } = makeFolders(files);
  const [systemConfig = '', localConfig = '', userConfig = ''] = folders.map(({ path }) => path);
  const environment: Environment = {
    variables: { PATH: `${join(root, 'bin')}:/usr/bin:/bin`, ...variables },
    home: root,
    isRoot: false,
    workingDirectory: root,
    usableCores: 1,
  };
  for (const name of Object.keys(files)) if (name.startsWith('bin/')) chmodSync(join(root, name), 0o755);
  const warnings: string[] = [];
  const source = await openCredentialSource({
    settings: { systemConfig, localConfig, userConfig },
    environment,
    onWarning: (warning) => void warnings.push(warning),
  });
  const ask = (registry = 'a.test', signal = QUIET) => source.forRegistry(registry, 'team/app', signal);
  const userFor = async (registry?: string): Promise<unknown> =>
    Reflect.get((await ask(registry))?.credential ?? {}, 'user');
  return { root, source, warnings, ask, userFor };
}

const DOCKER_AUTH = {
  rktKind: 'dockerAuth',
  rktVersion: 'v1',
  registries: ['a.test'],
  credentials: { user: 'rkt', password: 'p' },
};

describe('the places of credentials', () => {
  const all = {
    'run/containers/auth.json': auths('runtime'),
    '.config/containers/auth.json': auths('config'),
    '.docker/config.json': auths('docker'),
    'elsewhere/config.json': auths('elsewhere'),
  };
  const without = (...names: string[]) =>
    Object.fromEntries(Object.entries(all).filter(([name]) => !names.includes(name)));

  it('are the folders of rkt, then those of Podman and Docker', async () => {
    const folder = { 'system/auth.d/a.json': DOCKER_AUTH };
    expect(await (await open({ ...all, ...folder })).userFor()).toBe('rkt');
    expect(await (await open(all)).userFor()).toBe('config');
    expect(await (await open(without('.config/containers/auth.json'))).userFor()).toBe('docker');
    expect(await (await open({})).userFor()).toBeUndefined();
  });

  it('go on with the next file where one has nothing for the registry', async () => {
    const { userFor, ask, root } = await open({
      ...all,
      '.config/containers/auth.json': auths('x', 'b.test'),
    });
    expect(await userFor()).toBe('docker');
    expect((await ask())?.source).toBe(join(root, '.docker/config.json'));
    expect(await userFor('b.test')).toBe('x');
    expect(await userFor('c.test')).toBeUndefined();
  });

  it.each<[Record<string, string>, readonly string[]]>([
    [{}, ['/h/.config/containers/auth.json', '/h/.docker/config.json']],
    [
      { XDG_RUNTIME_DIR: '/r', XDG_CONFIG_HOME: '/c', DOCKER_CONFIG: '/d' },
      ['/r/containers/auth.json', '/c/containers/auth.json', '/d/config.json'],
    ],
    [
      { XDG_RUNTIME_DIR: 'r', XDG_CONFIG_HOME: 'c', DOCKER_CONFIG: '' },
      ['/h/.config/containers/auth.json', '/h/.docker/config.json'],
    ],
    [{ REGISTRY_AUTH_FILE: '/only', XDG_RUNTIME_DIR: '/r' }, ['/only']],
  ])('of Docker with %j are %j', (variables, paths) => {
    const base = { home: '/h', isRoot: false, workingDirectory: '/', usableCores: 1 };
    expect(dockerAuthFiles({ ...base, variables })).toEqual(paths);
  });

  it('of rkt that are for a URL are not for a registry, nor the other way round', async () => {
    const { source, ask } = await open({
      'user/auth.d/a.json': DOCKER_AUTH,
      'user/auth.d/b.json': {
        rktKind: 'auth',
        rktVersion: 'v1',
        domains: ['b.test'],
        type: 'oauth',
        credentials: { token: 'T' },
      },
    });
    expect(source.forUrl('https://a.test/x.aci')).toBeUndefined();
    expect(source.forUrl('https://b.test/x.aci')?.credential).toEqual({ kind: 'bearer', token: 'T' });
    expect(await ask('b.test')).toBeUndefined();
  });

  it('that others can read get a warning each, once, and only if they hold secrets', async () => {
    const { root, userFor, warnings } = await open({ ...all, 'user/auth.d/a.json': DOCKER_AUTH });
    chmodSync(join(root, '.docker/config.json'), 0o644);
    await userFor();
    expect(warnings).toEqual([]);
    chmodSync(join(root, '.config/containers/auth.json'), 0o644);
    writeFileSync(join(root, '.config/containers/auth.json'), '{"credsStore":""}');
    await userFor('b.test');
    await userFor('b.test');
    expect(warnings).toEqual([expect.stringContaining('.docker/config.json')]);
  });

  it('that are malformed are an error when they are needed, which names the file', async () => {
    const { ask } = await open({ '.docker/config.json': '{"auths": hunter2' });
    await expect(ask()).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringMatching(/\.docker\/config\.json (?!.*hunter2)/),
    });
  });
});

/** A program that notes what it was asked, then does `body`. */
const helper = (body: string) => `#!/bin/sh\nread server; echo "$1 $server" >> "$0.log"\n${body}\n`;
const ANSWER = `echo '{"ServerURL":"x","Username":"me","Secret":"pass"}'`;

describe('a helper', () => {
  const withHelper = (body: string) =>
    open({ '.docker/config.json': { credsStore: 'x' }, 'bin/docker-credential-x': helper(body) });
  const logOf = (root: string) => readFileSync(join(root, 'bin/docker-credential-x.log'), 'utf8');

  it('is asked on its stdin, once for a registry, and only for the one that is needed', async () => {
    const { root, ask, warnings } = await withHelper(ANSWER);
    const answers = await Promise.all([ask(), ask(), ask()]);
    expect(answers[2]).toEqual({
      credential: { kind: 'basic', user: 'me', password: 'pass' },
      source: 'docker-credential-x',
    });
    await ask('registry-1.docker.io');
    expect(logOf(root)).toBe('get a.test\nget https://index.docker.io/v1/\n');
    expect(warnings).toEqual([]);
  });

  it('is not run where the folders have a credential', async () => {
    const { root, userFor } = await open({
      'user/auth.d/a.json': DOCKER_AUTH,
      '.docker/config.json': { credsStore: 'x' },
      'bin/docker-credential-x': helper(ANSWER),
    });
    expect(await userFor()).toBe('rkt');
    expect(existsSync(join(root, 'bin/docker-credential-x.log'))).toBe(false);
  });

  it('may know a refresh token, or nothing', async () => {
    const token = await withHelper(`echo '{"Username":"<token>","Secret":"R"}'`);
    expect((await token.ask())?.credential).toEqual({ kind: 'identity', refreshToken: 'R', user: '' });
    const none = await withHelper('echo "credentials not found in native keychain"; exit 1');
    expect([await none.ask(), none.warnings]).toEqual([undefined, []]);
  });

  it.each([
    ['fails', 'echo hunter2; echo hunter2 >&2; exit 3'],
    ['answers nonsense', 'echo hunter2'],
    ['answers half', `echo '{"Username":"hunter2"}'`],
    ['prints without end', 'while :; do echo hunter2hunter2hunter2hunter2; done'],
  ])('that %s is a warning without what it printed, and no credential', async (_title, body) => {
    const { ask, warnings } = await withHelper(body);
    expect(await ask()).toBeUndefined();
    await ask();
    expect(warnings).toEqual([expect.stringMatching(/^docker-credential-x (?!.*hunter2)/)]);
  });

  it('that is missing is a warning', async () => {
    const { ask, warnings } = await open({ '.docker/config.json': { credHelpers: { 'a.test': 'gone' } } });
    expect(await ask()).toBeUndefined();
    expect(warnings).toEqual([expect.stringContaining('docker-credential-gone is not installed')]);
  });

  it('that hangs is not waited for after an abort, and ends with the source', async () => {
    const { source, ask, warnings } = await withHelper('exec sleep 60');
    const controller = new AbortController();
    const work = ask('a.test', controller.signal);
    setTimeout(() => controller.abort(), 100);
    await expect(work).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    const waiting = ask();
    source.close();
    expect(await waiting).toBeUndefined();
    expect(warnings).toHaveLength(1);
  });

  test('that hangs is ended in time', async () => {
    const directory = tempDir();
    const path = join(directory, 'docker-credential-slow');
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, '#!/bin/sh\nexec sleep 60\n', { mode: 0o755 });
    const variables = { PATH: `${directory}:/usr/bin:/bin` };
    const asked = askHelper({ name: 'slow', server: 'a.test' }, { variables, signal: QUIET, timeoutMs: 100 });
    expect(await asked).toEqual({ kind: 'failed', problem: expect.stringContaining('in time') });
  });
});
