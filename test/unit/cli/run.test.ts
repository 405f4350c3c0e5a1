/** Command lines run in process: usage errors, help, version, settings. */

import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { OUTPUT_CLOSED } from '../../../src/cli/context.js';
import { cliUsage, runCli } from '../../../src/cli/run.js';
import { COMMAND_SPECS } from '../../../src/cli/specs.js';
import { nodeVersionProblem } from '../../../src/cli/version.js';
import { GLOBAL_OPTIONS, SETTING_OPTIONS } from '../../../src/config/global-options.js';
import { tempDir } from '../../support/temp.js';
import { makeFolders } from '../config/folders.js';

/** Empty, as the configuration folders are: what this machine has is not what is tested. */
const HOME = tempDir('acifetch-home-');

async function aci(
  line: string | readonly string[],
  variables: Record<string, string> = {},
  signal = new AbortController().signal,
) {
  const argv = typeof line === 'string' ? line.split(' ').filter((word) => word !== '') : line;
  const stdout = new PassThrough({ encoding: 'utf8' });
  const stderr = new PassThrough({ encoding: 'utf8' });
  const environment = {
    variables: {
      ACI_SYSTEM_CONFIG: join(HOME, 'system'),
      ACI_LOCAL_CONFIG: join(HOME, 'local'),
      ...variables,
    },
    home: HOME,
    isRoot: false,
    workingDirectory: HOME,
    usableCores: 2,
  };
  const code = await runCli(argv, { stdin: new PassThrough(), stdout, stderr, signal, environment });
  return { code, stdout: String(stdout.read() ?? ''), stderr: String(stderr.read() ?? '') };
}

describe('wrong usage', () => {
  test.each([
    ['bogus', 'unknown command "bogus"'],
    ['image bogus', 'unknown command "image bogus"'],
    ['help bogus', 'unknown command "bogus"'],
    ['-- fetch', 'unknown command "fetch"'],
    ['constructor', 'unknown command "constructor"'],
    ['--bogus fetch docker://a', '"--bogus" is no global option'],
    ['fetch --bogus docker://a', 'fetch has no option --bogus'],
    ['fetch --bogus=1 docker://a', 'fetch has no option --bogus'],
    ['fetch', 'fetch needs an image'],
    ['fetch docker://a --dir', '--dir needs a value'],
    ['fetch docker://a --output', '--output needs a value'],
    ['fetch docker://a --dir=', '--dir needs a value'],
    ['fetch --workers 0 docker://a', '--workers'],
    ['--workers=many fetch docker://a', '--workers'],
    ['fetch --progress=loud docker://a', '--progress'],
    ['--insecure-options=image,everything fetch docker://a', '--insecure-options'],
    ['fetch --resolve nonsense docker://a', '--resolve'],
    ['fetch --pull-policy=always docker://a', '--pull-policy'],
    ['fetch --platform linux docker://a', 'linux'],
    ['fetch --full=maybe docker://a', '--full'],
    ['fetch --store-only --no-store docker://a', '--no-store'],
    ['fetch --pull-policy=never --no-store docker://a', '--no-store'],
    ['fetch --pull-policy=new --store-only docker://a', '--store-only'],
    ['fetch --output x.aci docker://a docker://b', '--output'],
    ['fetch docker://a --signature x.asc', 'only ACIs have detached signatures'],
    ['fetch --signature x.asc ./a.aci', '--signature must follow an image'],
    ['fetch ./a.aci --signature', '--signature needs a value'],
    ['fetch ./a.aci --signature=x --signature y', '--signature is there twice for one image'],
    ['trust', 'trust needs --prefix'],
    ['trust bogus', 'trust needs --prefix'],
    ['trust --root', 'needs a PUBKEY'],
    ['trust --root --prefix example.com k', '--prefix and --root'],
    ['trust list k', 'trust list takes no argument "k"'],
    ['trust rm', 'trust rm needs more arguments'],
    ['image list --fields id,colour', '--fields'],
    ['image list --order up', '--order'],
    ['image list extra', 'image list takes no argument "extra"'],
    ['image export sha512-000000000000', 'image export needs more arguments'],
    ['image rm', 'image rm needs an image'],
    ['config --debug=often', '--debug'],
  ])('aci %s ends with 2 and one line that names the cause', async (line, cause) => {
    const { code, stdout, stderr } = await aci(line);
    const [first, ...others] = stderr.trimEnd().split('\n');
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(first).toMatch(/^aci: /);
    expect(first).toContain(cause);
    expect(others.length).toBeLessThanOrEqual(1);
  });

  test('variables are checked like flags', async () => {
    const { code, stderr } = await aci('config', { ACI_WORKERS: '0' });
    expect(code).toBe(2);
    expect(stderr).toContain('ACI_WORKERS');
    expect((await aci('fetch docker://a', { ACI_PULL_POLICY: 'always' })).code).toBe(2);
  });

  test('hints at the help', async () => {
    expect((await aci('bogus')).stderr).toContain('\ntry: aci help\n');
  });

  test.each([
    ['--debug bogus', {}],
    ['bogus', { ACI_DEBUG: 'true' }],
  ] as const)('%s with %j adds code and stack', async (line, variables) => {
    expect((await aci(line, variables)).stderr).toMatch(/code: ERR_USAGE.*\n +at /s);
  });
});

describe('aci config', () => {
  test('tells every setting and where it comes from, options standing before or after', async () => {
    const { code, stdout } = await aci('--dir /s config --json --insecure-options=image,http', {
      ACI_WORKERS: '5',
      ACI_DIR: '/other',
    });
    expect(code).toBe(0);
    const config = JSON.parse(stdout);
    expect(Object.keys(config)).toEqual(SETTING_OPTIONS.map(({ name }) => name.slice(2)));
    expect(config).toMatchObject({
      dir: { value: '/s', origin: 'flag' },
      workers: { value: 5, origin: 'environment' },
      'insecure-options': { value: ['image', 'http'], origin: 'flag' },
      progress: { value: 'auto', origin: 'default' },
    });
  });

  test('tells the file of a setting that a file has', async () => {
    const { root, folders } = makeFolders({
      'user/aci.d/own.json': { rktKind: 'aci', rktVersion: 'v1', workers: 7, requireSignature: true },
    });
    const path = join(root, 'user/aci.d/own.json');
    const options = `--user-config ${folders[2]?.path}`;
    const config = JSON.parse((await aci(`config --json ${options}`)).stdout);
    expect(config.workers).toEqual({ value: 7, origin: 'user', file: path });
    expect((await aci(`config ${options}`)).stdout).toContain(`user ${path}\n`);
    const { code, stderr } = await aci(`fetch docker://a ${options}`);
    expect([code, stderr]).toEqual([6, expect.stringContaining('no signature that could be verified')]);
  });

  test('warns of credentials that others can read, without showing them', async () => {
    const { root, folders } = makeFolders({
      'user/auth.d/a.json': {
        rktKind: 'auth',
        rktVersion: 'v1',
        domains: ['a.test'],
        type: 'oauth',
        credentials: { token: 'hunter2' },
      },
    });
    chmodSync(join(root, 'user/auth.d/a.json'), 0o644);
    const { code, stdout, stderr } = await aci(`config --json --user-config ${folders[2]?.path}`);
    expect(code).toBe(0);
    expect(stderr).toContain('user/auth.d/a.json: ');
    expect(stdout + stderr).not.toContain('hunter2');
  });

  test('fails on a malformed file, naming file and field, whatever the command', async () => {
    const { folders } = makeFolders({
      'user/paths.d/a.json': { rktKind: 'paths', rktVersion: 'v1', data: [] },
      'local/auth.d/a.json': { rktKind: 'auth', rktVersion: 'v1' },
    });
    const bad = await aci(`image list --user-config ${folders[2]?.path}`);
    expect([bad.code, bad.stderr]).toEqual([2, expect.stringContaining('user/paths.d/a.json: data ')]);
    const worse = await aci(`config --local-config ${folders[1]?.path}`);
    expect([worse.code, worse.stderr]).toEqual([2, expect.stringContaining('auth.d/a.json: type ')]);
  });

  test('prints a line for each setting', async () => {
    const { stdout } = await aci('config --quiet=false --trust-keys-from-https');
    expect(stdout.trimEnd().split('\n')).toHaveLength(SETTING_OPTIONS.length);
    expect(stdout).toMatch(/^trust-keys-from-https\ttrue\t+flag$/m);
    expect(stdout).toMatch(/^quiet\t+false\t+flag$/m);
  });
});

describe('help and version', () => {
  test.each(['', 'help', '--help', '-h', '--json --help'])(
    'aci %s lists commands and global options',
    async (line) => {
      const { code, stdout, stderr } = await aci(line);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      for (const { path } of COMMAND_SPECS) expect(stdout).toContain(`aci ${path.join(' ')}`);
      for (const { name } of GLOBAL_OPTIONS) expect(stdout).toContain(name);
    },
  );

  test.each(COMMAND_SPECS.map((spec) => [spec.path.join(' '), spec] as const))(
    'aci %s has help, with -h and without',
    async (words, { options }) => {
      const { code, stdout } = await aci(`help ${words}`);
      expect(code).toBe(0);
      expect(stdout).toMatch(`Usage: aci ${words}`);
      for (const { name } of options) expect(stdout).toContain(name);
      if (words !== 'help') expect((await aci(`${words} argument -h`)).stdout).toBe(stdout);
    },
  );

  test.each(['image', 'help image', 'image --help'])(
    'aci %s lists the commands of the group',
    async (line) => {
      const { code, stdout } = await aci(line);
      expect(code).toBe(0);
      expect(stdout).toContain('aci image list');
      expect(stdout).not.toContain('aci fetch');
    },
  );

  test('aci version tells the versions, as lines and as JSON', async () => {
    const { code, stdout } = await aci('version');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^aci Version: \d+\.\d+\.\d+\nappc Version: /);
    expect((await aci('--version')).stdout).toBe(stdout);
    expect(JSON.parse((await aci('--json version')).stdout)).toMatchObject({
      nodeVersion: process.versions.node,
    });
  });

  test('every option is part of the usage in Markdown', () => {
    const usage = cliUsage();
    for (const { name } of [...GLOBAL_OPTIONS, ...COMMAND_SPECS.flatMap(({ options }) => options)]) {
      expect(usage).toContain(`\`${name}`);
    }
  });
});

test('a store that cannot be made is an error on one line', async () => {
  const { code, stdout, stderr } = await aci('--dir=/dev/null/store --quiet image list');
  expect(code).toBeGreaterThan(0);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^aci: [^\n]+\n([^\n]+\n)?$/);
});

test('nothing is said when nobody reads the output', async () => {
  const { code, stderr } = await aci('bogus', {}, AbortSignal.abort(OUTPUT_CLOSED));
  expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
});

test.each([
  ['v18.20.1', false],
  ['v20.18.3', false],
  ['v20.19.0', true],
  ['v22.1.0', true],
])('Node.js %s runs it: %s', (version, runs) => {
  expect(nodeVersionProblem(version) === undefined).toBe(runs);
});
