/** Global settings: defaults of this machine, absolute folders, checks. */

import { describe, expect, test } from 'vitest';
import { engineOptionsFrom } from '../../../src/config/engine-options.js';
import { type Environment, readEnvironment } from '../../../src/config/env.js';
import { GLOBAL_OPTIONS } from '../../../src/config/global-options.js';
import { insecureFlags, resolveSettings } from '../../../src/config/settings.js';

const USER: Environment = {
  variables: {},
  home: '/home/ann',
  isRoot: false,
  workingDirectory: '/home/ann/work',
  usableCores: 3,
};

const settingsOf = (flags: Record<string, unknown>, environment: Partial<Environment> = {}) =>
  resolveSettings({ flags, environment: { ...USER, ...environment } });

describe('resolveSettings', () => {
  test.each([
    ['a user', {}, '/home/ann/.local/share/aci', '/home/ann/.config/aci'],
    ['root', { isRoot: true, home: '/root' }, '/var/lib/aci', '/root/.config/aci'],
    ['XDG folders', { variables: { XDG_DATA_HOME: '/d', XDG_CONFIG_HOME: '/c' } }, '/d/aci', '/c/aci'],
    [
      'relative XDG folders, which are ignored',
      { variables: { XDG_DATA_HOME: 'd', XDG_CONFIG_HOME: '' } },
      '/home/ann/.local/share/aci',
      '/home/ann/.config/aci',
    ],
  ])('has the default folders of %s', (_, environment, dir, userConfig) => {
    expect(settingsOf({}, environment).settings).toMatchObject({
      dir,
      userConfig,
      systemConfig: '/usr/lib/rkt',
      localConfig: '/etc/rkt',
    });
  });

  test('takes relative folders from the working directory', () => {
    const { settings, origins } = settingsOf({ dir: '../store' });
    expect(settings.dir).toBe('/home/ann/store');
    expect(origins.dir).toBe('flag');
  });

  test('has one worker for each usable core unless told otherwise', () => {
    expect(settingsOf({}).settings.workers).toBe(3);
    expect(settingsOf({ workers: '1' }).settings.workers).toBe(1);
    expect(settingsOf({}, { variables: { ACI_WORKERS: '7' } }).settings.workers).toBe(7);
  });

  test.each([
    { workers: '0' },
    { progress: 'loud' },
    { insecureOptions: ['image,everything'] },
    { resolve: ['example.com:443'] },
  ])('refuses %j as a usage error', (flags) => {
    expect(() => settingsOf(flags)).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
  });

  test('names --resolve when its value is wrong', () => {
    expect(() => settingsOf({ resolve: ['x'] })).toThrow('--resolve');
  });

  test('accepts the run-time words of rkt', () => {
    const words = ['ondisk', 'capabilities', 'paths', 'seccomp', 'all-run'];
    const { settings } = settingsOf({ insecureOptions: [words.join(',')] });
    expect(insecureFlags(settings.insecureOptions)).toEqual(insecureFlags([]));
  });
});

test.each([
  [['none'], []],
  [['image'], ['image']],
  [
    ['http', 'tls'],
    ['http', 'tls'],
  ],
  [['all-fetch'], ['http', 'image', 'tls', 'pubkey']],
  [
    ['image', 'all'],
    ['http', 'image', 'tls', 'pubkey'],
  ],
])('--insecure-options %j switches off %j', (words, off) => {
  const flags = Object.entries(insecureFlags(words));
  expect(flags.filter(([, value]) => value).map(([name]) => name)).toEqual(off);
});

test('the engine gets the settings in its own form', () => {
  const { settings } = settingsOf({
    dir: '/s',
    workers: '2',
    insecureOptions: ['http'],
    resolve: ['example.com:443:127.0.0.1:8443'],
  });
  expect(engineOptionsFrom(settings)).toEqual({
    storeDir: '/s',
    workers: 2,
    insecure: { http: true, image: false, tls: false, pubkey: false },
    resolve: [{ host: 'example.com', port: 443, address: '127.0.0.1', addressPort: 8443 }],
    configDirs: ['/usr/lib/rkt', '/etc/rkt', '/home/ann/.config/aci'],
    trustDir: '/home/ann/.config/aci',
    trustKeysFromHttps: false,
    onEvent: undefined,
    credentials: undefined,
  });
});

test('the variable of every global option is its name in capitals', () => {
  for (const { name, env } of GLOBAL_OPTIONS) {
    expect(env).toBe(`ACI_${name.slice(2).replaceAll('-', '_').toUpperCase()}`);
  }
});

test('the environment of this process is complete', () => {
  const environment = readEnvironment();
  expect(environment.home).toMatch(/^\//);
  expect(environment.workingDirectory).toBe(process.cwd());
  expect(environment.usableCores).toBeGreaterThanOrEqual(1);
});
