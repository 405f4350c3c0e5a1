/** `aci trust`: keys of gpg from files, URLs and discovery; the review on a terminal; the list; taking trust back. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createGpg, type Gpg } from '../support/gpg.js';
import { type AciRunOptions, aciEnvironment, type RunResult, run, runAci } from '../support/process.js';
import { aciScript } from '../support/project.js';
import { type DiscoverySite, startDiscoverySite } from '../support/servers/discovery-site.js';
import { tempDir } from '../support/temp.js';
import { hasTool, requireTools } from '../support/tools.js';

const SKIP = '--skip-fingerprint-review';
const FROM_HTTPS = '--trust-keys-from-https';
const APP = 'example.test/app';
const NOT_THERE = '0'.repeat(40);

describe.runIf(requireTools(['gpg']))('aci trust', () => {
  let gpg: Gpg;
  let site: DiscoverySite;
  let one: string;
  let two: string;
  let past: string;
  /** Files with the keys that their names say. */
  let files: Readonly<Record<'one' | 'both' | 'oneAndPast' | 'past' | 'secret', string>>;
  let home: string;

  beforeAll(async () => {
    gpg = createGpg();
    site = await startDiscoverySite();
    one = await gpg.createKey('One');
    two = await gpg.createKey('Two', { algorithm: 'rsa2048' });
    past = await gpg.createKey('Past', { createdAt: new Date(Date.now() - 10 * 86_400_000), expires: '2d' });
    const folder = tempDir();
    const write = (name: string, bytes: Uint8Array): string => {
      writeFileSync(join(folder, name), bytes);
      return join(folder, name);
    };
    files = {
      one: write('one.asc', await gpg.exportKeys([one])),
      both: write('both.gpg', await gpg.exportKeys([one, two], { armor: false })),
      oneAndPast: write(
        'past-and-one.asc',
        Buffer.concat([await gpg.exportKeys([past]), await gpg.exportKeys([one])]),
      ),
      past: write('past.asc', await gpg.exportKeys([past])),
      secret: write('secret.asc', await gpg.exportSecretKey(one)),
    };
    site.tls.putKey('/keys.asc', readFileSync(files.one, 'utf8'));
    site.plain.putKey('/keys.asc', readFileSync(files.one, 'utf8'));
    site.tls.setFaults([
      { match: '/moved.asc', fault: { kind: 'redirect', location: `http://${site.hostName}/keys.asc` } },
    ]);
    site.tls.putDiscovery('/app', [{ prefix: APP, keys: [`${site.url}/keys.asc`] }]);
    site.tls.putDiscovery('/moved', [{ prefix: 'example.test/moved', keys: [`${site.url}/moved.asc`] }]);
  });
  afterAll(() => Promise.all([gpg.close(), site.close()]));
  beforeEach(() => {
    home = tempDir();
  });

  const aci = (args: readonly string[], options: AciRunOptions = {}): Promise<RunResult> =>
    runAci([...args, ...site.resolveArguments], { home, env: site.environment, ...options });

  /** The one of the folders of `home` that this user's keys are written to. */
  const written = (): string =>
    process.geteuid?.() === 0 ? join(home, 'local-config') : join(home, 'config', 'aci');

  /** Paths below `trustedkeys/` with their sizes. */
  function keystore(config = written()): Record<string, number> {
    const root = join(config, 'trustedkeys');
    if (!existsSync(root)) return {};
    const paths = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort();
    const facts = paths.map((path) => [path, statSync(join(root, path))] as const);
    return Object.fromEntries(
      facts.filter(([, each]) => each.isFile()).map(([path, { size }]) => [path, size]),
    );
  }
  const trusted = (): string[] => Object.keys(keystore());

  async function trustFor(config: string, key: 'one' | 'both'): Promise<void> {
    const folders = ['--local-config', config, '--user-config', config];
    const { code } = await aci(['trust', '--root', SKIP, files[key], ...folders]);
    expect(code).toBe(0);
  }

  describe('without a terminal', () => {
    it('shows the keys, asks nothing, changes nothing, and names the option that would', async () => {
      const { code, stdout, stderr } = await aci(['trust', '--prefix', APP, files.both]);
      expect([code, stdout, trusted()]).toEqual([2, '', []]);
      const shown = [...stderr.matchAll(/^gpg key fingerprint is: (.*)$/gm)].map(([, text = '']) =>
        text.replaceAll(' ', '').toLowerCase(),
      );
      expect(shown).toEqual([one, two]);
      expect(stderr).toContain('\tOne <one@example.test>\n');
      expect(stderr.trimEnd().split('\n').at(-1)).toMatch(new RegExp(`^hint: .*${SKIP}`));
    });

    it('trusts with --skip-fingerprint-review, for a prefix, and prints the fingerprint', async () => {
      const { code, stdout } = await aci(['trust', '--prefix', APP, SKIP, files.one]);
      expect([code, stdout, trusted()]).toEqual([0, `${one}\n`, [`prefix.d/${APP}/${one}`]]);
      expect(existsSync(join(home, 'store'))).toBe(true);
      expect(readdirSync(join(home, 'store'))).toEqual([]);
    });

    it('trusts every key of a file, for every name, and says so in one JSON document', async () => {
      const { code, stdout } = await aci(['trust', '--root', SKIP, '--json', '--quiet', files.both]);
      expect([code, trusted()]).toEqual([0, [`root.d/${one}`, `root.d/${two}`].toSorted()]);
      expect(JSON.parse(stdout)).toEqual(
        [one, two].map((fingerprint, at) => ({
          fingerprint,
          prefix: null,
          userIds: [at === 0 ? 'One <one@example.test>' : 'Two <two@example.test>'],
          location: files.both,
          status: 'trusted',
          path: join(written(), 'trustedkeys', 'root.d', fingerprint),
        })),
      );
    });

    it('leaves out a key that has expired beside one that has not, and fails where it is alone', async () => {
      const both = await aci(['trust', '--root', SKIP, '--json', files.oneAndPast]);
      expect([both.code, trusted()]).toEqual([0, [`root.d/${one}`]]);
      expect(JSON.parse(both.stdout)).toMatchObject([
        { fingerprint: past, status: 'refused', path: null, problem: expect.any(String) },
        { fingerprint: one, status: 'trusted' },
      ]);
      const alone = await aci(['trust', '--prefix', APP, SKIP, files.past]);
      expect([alone.code, alone.stdout, trusted()]).toEqual([6, '', [`root.d/${one}`]]);
    });

    it.runIf(hasTool('bash'))('reads a key from a pipe', async () => {
      const line = `'${process.execPath}' '${aciScript}' trust --root ${SKIP} <(cat '${files.one}')`;
      const { code, stdout } = await run('bash', ['-c', line], { env: aciEnvironment({ home }) });
      expect([code, stdout]).toEqual([0, `${one}\n`]);
    });
  });

  describe('over the network', () => {
    it('trusts the keys of a URL', async () => {
      const { code, stdout } = await aci(['trust', '--prefix', APP, SKIP, `${site.url}/keys.asc`]);
      expect([code, stdout]).toEqual([0, `${one}\n`]);
    });

    it('trusts what discovery has for the prefix', async () => {
      const { code, stdout } = await aci(['trust', '--prefix', APP, SKIP]);
      expect([code, stdout, trusted()]).toEqual([0, `${one}\n`, [`prefix.d/${APP}/${one}`]]);
      expect((await aci(['trust', '--prefix', 'example.test/other', SKIP])).code).toBe(3);
    });

    it.each<[string, readonly string[], number]>([
      ['is discovered over HTTPS', ['--prefix', APP], 0],
      ['is below what the page is for', ['--prefix', `${APP}/part`], 0],
      [
        'is discovered over HTTPS without checked certificates',
        ['--prefix', APP, '--insecure-options=tls'],
        2,
      ],
      ['comes over plain HTTP', ['--prefix', 'example.test/moved', '--insecure-options=pubkey'], 2],
      ['is a URL', ['--prefix', APP, 'https://example.test/keys.asc'], 2],
    ])('with --trust-keys-from-https, asks or not about a key that %s: %j', async (_, args, code) => {
      const result = await aci(['trust', FROM_HTTPS, ...args]);
      expect([result.code, result.stdout]).toEqual([code, code === 0 ? `${one}\n` : '']);
    });

    it.each<[string, readonly string[], number]>([
      ['refused', [], 2],
      ['refused with what allows it for images only', ['--insecure-options=http'], 2],
      ['allowed with --insecure-allow-http', ['--insecure-allow-http'], 0],
      ['allowed with --insecure-options=pubkey', ['--insecure-options=pubkey'], 0],
    ])('has plain HTTP %s, for a URL and for where one leads', async (_, args, code) => {
      for (const url of [`http://${site.hostName}/keys.asc`, `${site.url}/moved.asc`]) {
        const result = await aci(['trust', '--root', SKIP, ...args, url]);
        expect([result.code, result.stdout]).toEqual([code, code === 0 ? `${one}\n` : '']);
      }
    });
  });

  it.each<[string, () => readonly string[], number]>([
    ['neither --prefix nor --root', () => [files.one], 2],
    ['both', () => ['--prefix', APP, '--root', files.one], 2],
    ['--root without a key', () => ['--root'], 2],
    ['a prefix that is a pattern', () => ['--prefix', `${APP}/*`, files.one], 2],
    ['a prefix with a scheme', () => ['--prefix', `https://${APP}`, files.one], 2],
    ['a key that is not there, beside one that is', () => ['--root', files.one, '/nonexistent'], 3],
    ['a URL that is not there', () => ['--root', `${site.url}/absent`], 3],
    ['a file without keys', () => ['--root', aciScript], 6],
    ['a private key', () => ['--root', files.secret], 6],
    ['a folder', () => ['--root', dirname(files.one)], 8],
  ])('refuses %s, and changes nothing', async (_, args, code) => {
    const result = await aci(['trust', SKIP, ...args()]);
    expect([result.code, result.stdout, trusted()]).toEqual([code, '', []]);
  });

  describe.runIf(hasTool('script'))('on a terminal', () => {
    const lineOf = (args: readonly string[]): string =>
      [process.execPath, aciScript, ...args].map((word) => `'${word}'`).join(' ');
    const terminalEnvironment = () => ({ ...aciEnvironment({ home }), SHELL: '/bin/sh' });
    const onTerminal = (args: readonly string[], answers: string): Promise<RunResult> =>
      run('script', ['-qec', lineOf(args), '/dev/null'], { env: terminalEnvironment(), input: answers });

    it.each<[string, string, number, (keys: { one: string; two: string }) => string[]]>([
      ['yes', 'yes\nyes\n', 0, (keys) => [keys.one, keys.two]],
      ['no', 'no\nno\n', 0, () => []],
      ['no to one of them', 'no\nyes\n', 0, (keys) => [keys.two]],
      ['something else first', 'perhaps\n\nyes\nno\n', 0, (keys) => [keys.one]],
      ['missing for the second', 'yes\n\u0004', 2, () => []],
    ])('asks about each key, and the answer is %s', async (_, answers, code, expected) => {
      const result = await onTerminal(['trust', '--root', '--quiet', files.both], answers);
      const questions = result.stdout.match(/Are you sure you want to trust this key \(yes\/no\)\?/g);
      expect(questions?.length).toBeGreaterThanOrEqual(2);
      expect([result.code, trusted()]).toEqual([
        code,
        expected({ one, two })
          .map((fingerprint) => `root.d/${fingerprint}`)
          .toSorted(),
      ]);
    });

    it('changes nothing when Ctrl-C is pressed at a later question', async () => {
      const child = spawn('script', ['-qec', lineOf(['trust', '--root', files.both]), '/dev/null'], {
        env: terminalEnvironment(),
      });
      let shown = '';
      const answers = ['yes\n', '\u0003'];
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        shown += text;
        const asked = shown.split('(yes/no)? ').length - 1;
        if (asked > 2 - answers.length) child.stdin.write(answers.shift() ?? '');
      });
      const [code] = await once(child, 'close');
      expect([code, trusted()]).toEqual([130, []]);
    });

    it('does not ask with --skip-fingerprint-review', async () => {
      const { code, stdout } = await onTerminal(['trust', '--root', SKIP, files.one], '');
      expect([code, trusted()]).toEqual([0, [`root.d/${one}`]]);
      expect(stdout).not.toContain('Are you sure');
    });
  });

  describe('list and rm', () => {
    it('show the keys, take them back, and disable those of the system', async () => {
      await trustFor(join(home, 'system-config'), 'one');
      await aci(['trust', '--prefix', APP, SKIP, files.both]);

      const table = (await aci(['trust', 'list'])).stdout.trimEnd().split('\n');
      expect(table[0]).toMatch(/^FINGERPRINT\s+PREFIX\s+STATUS\s+USER IDS$/);
      expect(table[1]).toMatch(
        new RegExp(`^${one}\\s+\\(every name\\)\\s+trusted\\s+One <one@example.test>$`),
      );
      expect(table).toHaveLength(4);

      const ofPrefix = await aci(['trust', 'rm', one, '--prefix', APP]);
      // The system trusts it for every name.
      expect([ofPrefix.code, ofPrefix.stdout]).toEqual([8, '']);
      expect(ofPrefix.stderr).toContain(join(home, 'system-config', 'trustedkeys', 'root.d', one));
      expect(trusted()).toEqual([`prefix.d/${APP}/${two}`]);

      const spaced = one.toUpperCase().replaceAll(/(.{4})/g, '$1 ');
      const ofSystem = await aci(['trust', 'rm', spaced, '--json']);
      const path = join(written(), 'trustedkeys', 'root.d', one);
      expect(ofSystem.code).toBe(0);
      expect(JSON.parse(ofSystem.stdout)).toEqual({
        fingerprint: one,
        removed: [],
        disabled: [path],
        remaining: [],
      });
      expect(keystore()).toMatchObject({ [`root.d/${one}`]: 0 });
      expect(Object.keys(keystore(join(home, 'system-config')))).toEqual([`root.d/${one}`]);

      expect(JSON.parse((await aci(['trust', 'list', '--json'])).stdout)).toMatchObject([
        { fingerprint: one, prefix: null, status: 'disabled', path, userIds: ['One <one@example.test>'] },
        { fingerprint: two, prefix: APP, status: 'trusted', algorithm: 'RSA 2048', expiresAt: null },
      ]);
      expect((await aci(['trust', 'rm', one])).code).toBe(3);
    });

    it.runIf(process.geteuid?.() === 0)(
      'do not pretend to take back what only another file gives',
      async () => {
        await trustFor(join(home, 'config', 'aci'), 'one');
        const { code, stdout, stderr } = await aci(['trust', 'rm', one]);
        expect([code, stdout]).toEqual([8, '']);
        expect(stderr).toContain(join(home, 'config', 'aci', 'trustedkeys', 'root.d', one));
      },
    );

    it('list nothing but the headings where there is no keystore', async () => {
      expect((await aci(['trust', 'list'])).stdout.split('\n')).toHaveLength(2);
      expect((await aci(['trust', 'list', '--json'])).stdout).toBe('[]\n');
    });

    it('name a file that is not the key that its name says', async () => {
      await aci(['trust', '--root', SKIP, files.one]);
      const path = join(written(), 'trustedkeys', 'root.d', NOT_THERE);
      writeFileSync(path, readFileSync(files.one));
      const { code, stdout, stderr } = await aci(['trust', 'list', '--json']);
      expect([code, stdout]).toEqual([8, '']);
      expect(stderr).toContain(path);
    });

    it.each<[string, readonly string[], number]>([
      ['a key that is not trusted', [NOT_THERE], 3],
      ['what is no fingerprint', ['x'], 2],
      ['nothing', [], 2],
    ])('do not take back %s', async (_, args, code) => {
      expect((await aci(['trust', 'rm', ...args])).code).toBe(code);
    });
  });
});
