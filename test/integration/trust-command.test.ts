/** `aci trust` from the first key to the last, with a terminal and without; test/long has every case. */

import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type RunResult, run, runAci } from '../support/process.js';
import { aciScript } from '../support/project.js';
import { tempDir } from '../support/temp.js';
import { hasTool, requireTools } from '../support/tools.js';
import { HOST, type Publisher, startPublisher } from './support/appc-site.js';

describe.runIf(requireTools(['gpg']))('aci trust', () => {
  let publisher: Publisher;
  let fingerprint: string;
  let keyFile: string;
  let config: string;

  beforeAll(async () => {
    publisher = await startPublisher();
    fingerprint = await publisher.gpg.createKey('Publisher');
    keyFile = join(tempDir(), 'key.asc');
    writeFileSync(keyFile, await publisher.gpg.exportKeys([fingerprint]));
  });
  afterAll(() => publisher.close());
  beforeEach(() => {
    config = tempDir();
  });

  const options = (): string[] => {
    // As root the local configuration is written to, else that of the user: here they are one.
    const folders = ['--system-config', tempDir(), '--local-config', config, '--user-config', config];
    return [...folders, '--dir', join(config, 'store'), ...publisher.site.resolveArguments];
  };
  const aci = (...args: string[]): Promise<RunResult> =>
    runAci([...args, ...options()], { env: publisher.site.environment });
  const trusted = (): string[] => {
    const dir = join(config, 'trustedkeys', 'prefix.d', HOST);
    return existsSync(dir) ? readdirSync(dir) : [];
  };

  it('asks nobody without a terminal, and changes nothing', async () => {
    const { code, stdout, stderr } = await aci('trust', '--prefix', HOST, keyFile);
    expect([code, stdout, trusted()]).toEqual([2, '', []]);
    expect(stderr).toContain('gpg key fingerprint is: ');
    expect(stderr.trimEnd().split('\n').at(-1)).toContain('--skip-fingerprint-review');
  });

  it('makes an image verified, until the trust is taken back', async () => {
    const image = await publisher.publish('app', { signer: fingerprint });
    const first = await aci('trust', '--prefix', HOST, '--skip-fingerprint-review', keyFile);
    expect([first.code, first.stdout, trusted()]).toEqual([0, `${fingerprint}\n`, [fingerprint]]);
    expect((await aci('fetch', image.name)).stderr).toContain('  Publisher <publisher@example.test>\n');
    expect((await aci('trust', 'list')).stdout).toMatch(
      new RegExp(`^${fingerprint}\\s+${HOST}\\s+trusted`, 'm'),
    );
    expect((await aci('trust', 'rm', fingerprint)).code).toBe(0);
    expect(trusted()).toEqual([]);
    expect((await aci('fetch', '--require-signature', image.name)).code).toBe(6);
  });

  it.runIf(hasTool('script')).each([
    ['yes', 1],
    ['no', 0],
  ])('does as it is told on a terminal: %s', async (answer, keys) => {
    const words = [process.execPath, aciScript, 'trust', '--prefix', HOST, keyFile, ...options()];
    const command = words.map((word) => `'${word}'`).join(' ');
    const { code, stdout } = await run('script', ['-qec', command, '/dev/null'], { input: `${answer}\n` });
    expect([code, trusted().length]).toEqual([0, keys]);
    expect(stdout).toContain('(yes/no)?');
  });
});
