/** Settings out of configuration folders: precedence, what may stand in them, refusals. */

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Environment } from '../../../src/config/env.js';
import { FILE_OPTIONS, GLOBAL_OPTIONS } from '../../../src/config/global-options.js';
import { readSettingFiles } from '../../../src/config/setting-files.js';
import { loadSettings } from '../../../src/config/settings.js';
import { type FolderContents, makeFolders } from './folders.js';

const aci = (values: object) => ({ rktKind: 'aci', rktVersion: 'v1', ...values });
const paths = (values: object) => ({ rktKind: 'paths', rktVersion: 'v1', ...values });

async function load(
  contents: FolderContents,
  { flags = {}, variables = {} }: { flags?: object; variables?: Record<string, string> } = {},
) {
  const { root, folders } = makeFolders(contents);
  const [systemConfig, localConfig, userConfig] = folders.map(({ path }) => path);
  const environment: Environment = {
    variables: { ACI_LOCAL_CONFIG: localConfig, ...variables },
    home: root,
    isRoot: true,
    workingDirectory: root,
    usableCores: 2,
  };
  const loaded = await loadSettings({ flags: { systemConfig, userConfig, ...flags }, environment });
  return { ...loaded, root };
}

describe('the store', () => {
  it.each<[string, FolderContents, string, string]>([
    ['is where rkt has it by default', {}, '/var/lib/aci', 'default'],
    ['is named by paths.d', { 'system/paths.d/p.json': paths({ data: '/s' }) }, '/s', 'system'],
    [
      'is named by the last of the folders',
      {
        'system/paths.d/p.json': paths({ data: '/s' }),
        'local/paths.d/p.json': paths({ data: '/l' }),
        'user/paths.d/p.json': paths({ 'stage1-images': '/x', data: '' }),
      },
      '/l',
      'local',
    ],
    [
      'is named by aci.d rather than by the paths.d beside it',
      { 'local/paths.d/p.json': paths({ data: '/l' }), 'local/aci.d/p.json': aci({ dir: '/own' }) },
      '/own',
      'local',
    ],
    [
      'is named by a later paths.d rather than by an earlier aci.d',
      { 'system/aci.d/p.json': aci({ dir: '/own' }), 'user/paths.d/p.json': paths({ data: '/u' }) },
      '/u',
      'user',
    ],
  ])('%s', async (_title, contents, dir, origin) => {
    const { settings, origins } = await load(contents);
    expect([settings.dir, origins.dir]).toEqual([dir, origin]);
  });
});

describe('the order', () => {
  const contents = {
    'system/aci.d/a.json': aci({ workers: 1, progress: 'plain', requireSignature: true }),
    'local/aci.d/a.json': aci({ workers: 2, insecureOptions: ['image', 'http'] }),
    'user/aci.d/a.json': aci({ workers: 3, resolve: ['a.test:443:127.0.0.1'] }),
  };

  it('is flag, environment, user, local, system, default; each origin is known, and the file', async () => {
    const { settings, origins, files, root } = await load(contents);
    expect(settings).toMatchObject({
      workers: 3,
      progress: 'plain',
      requireSignature: true,
      insecureOptions: ['image', 'http'],
      resolve: ['a.test:443:127.0.0.1'],
      quiet: false,
    });
    expect(origins).toMatchObject({
      workers: 'user',
      progress: 'system',
      requireSignature: 'system',
      insecureOptions: 'local',
      localConfig: 'environment',
      userConfig: 'flag',
      quiet: 'default',
    });
    expect(files.insecureOptions).toBe(join(root, 'local/aci.d/a.json'));
    expect(files.quiet).toBeUndefined();
    const variables = { ACI_WORKERS: '5', ACI_REQUIRE_SIGNATURE: 'no' };
    const fromEnvironment = await load(contents, { variables });
    expect(fromEnvironment.settings).toMatchObject({ workers: 5, requireSignature: false });
    const fromFlag = await load(contents, { variables, flags: { workers: '7' } });
    expect([fromFlag.settings.workers, fromFlag.origins.workers]).toEqual([7, 'flag']);
    expect(fromFlag.files.workers).toBeUndefined();
  });

  it('counts null as absent', async () => {
    const { settings } = await load({ ...contents, 'user/aci.d/a.json': aci({ workers: null }) });
    expect(settings.workers).toBe(2);
  });
});

describe('a malformed file', () => {
  it.each<[string, unknown, string]>([
    ['aci.d', 'workers', 'JSON'],
    ['aci.d', paths({}), 'rktKind'],
    ['aci.d', aci({ workers: '2' }), 'workers'],
    ['aci.d', aci({ workers: 0 }), 'workers'],
    ['aci.d', aci({ requireSignature: 'yes' }), 'requireSignature'],
    ['aci.d', aci({ progress: 'loud' }), 'progress'],
    ['aci.d', aci({ insecureOptions: 'image' }), 'insecureOptions'],
    ['aci.d', aci({ insecureOptions: ['image', 'everything'] }), 'insecureOptions[1]'],
    ['aci.d', aci({ resolve: ['a.test'] }), 'resolve[0]'],
    ['aci.d', aci({ dir: 'relative' }), 'dir'],
    ['aci.d', aci({ userConfig: '/x' }), '"userConfig"'],
    ['aci.d', aci({ requireSignatures: true }), '"requireSignatures"'],
    ['aci.d', aci({ constructor: true }), '"constructor"'],
    ['paths.d', aci({}), 'rktKind'],
    ['paths.d', paths({ data: 7 }), 'data'],
    ['paths.d', paths({ data: 'relative' }), 'data'],
    ['paths.d', paths({ 'stage1-images': 'relative' }), 'stage1-images'],
  ])('of %s, %j, is an error that names file and field', async (folder, content, field) => {
    const name = `local/${folder}/x.json`;
    // Also where a flag would win.
    const loading = load({ [name]: content }, { flags: { workers: '1', dir: '/d' } });
    await expect(loading).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringMatching(new RegExp(`/${name}[: ].*${field.replaceAll(/[[\]]/g, '\\$&')}`)),
    });
  });

  it.each([
    ['aci.d', aci({ workers: 1 }), 'workers'],
    ['paths.d', paths({ data: '/a' }), 'data'],
  ])('of %s is one of two that set the same; both are named', async (folder, content, field) => {
    const { folders } = makeFolders({
      [`user/${folder}/1.json`]: content,
      [`user/${folder}/2.json`]: content,
    });
    await expect(readSettingFiles(folders)).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringMatching(new RegExp(`2\\.json: ${field} .*1\\.json`)),
    });
  });
});

it('every global option but the folders may stand in a file', () => {
  const keys = FILE_OPTIONS.map(({ key }) => key);
  const folders = ['systemConfig', 'localConfig', 'userConfig'];
  expect(keys).toEqual([
    ...GLOBAL_OPTIONS.map(({ key }) => key).filter((key) => !folders.includes(key)),
    'requireSignature',
  ]);
});
