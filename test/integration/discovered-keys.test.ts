/** A fetch with `--trust-keys-from-https`: the keys of a name are found, trusted, and used from then on. */

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { addKey } from '../../src/trust/keystore.js';
import { type PublicKeyFacts, readKeys } from '../../src/trust/read-keys.js';
import { type RunResult, runAci } from '../support/process.js';
import { tempDir } from '../support/temp.js';
import { requireTools } from '../support/tools.js';
import { HOST, startPublisher } from './support/appc-site.js';

const FLAG = '--trust-keys-from-https';

/** The page of `/app` names the key `one`; `two` signs as well, but no page has it. */
async function startApp() {
  const publisher = await startPublisher();
  onTestFinished(() => publisher.close());
  const { gpg, site } = publisher;
  const [one, two] = [await gpg.createKey('One'), await gpg.createKey('Two')];
  const armored = (await gpg.exportKeys([one])).toString();
  site.tls.putKey('/keys.asc', armored);
  const templates = [`https://${HOST}/{name}-{version}-{os}-{arch}.{ext}`];
  const keys = [`https://${HOST}/keys.asc`];
  site.tls.putDiscovery('/app', [{ prefix: `${HOST}/app`, templates, keys }]);
  const [system, local] = [tempDir(), tempDir()];
  const folders = ['--system-config', system, '--local-config', local, '--user-config', local];
  const aci = (...args: string[]): Promise<RunResult> =>
    runAci([...args, ...folders, '--dir', join(local, 'store'), ...site.resolveArguments], {
      env: site.environment,
    });
  const filesOf = (configDir: string): string[] => {
    const dir = join(configDir, 'trustedkeys', 'prefix.d', HOST, 'app');
    return existsSync(dir) ? readdirSync(dir) : [];
  };
  return { publisher, one, two, armored, system, aci, trusted: () => filesOf(local) };
}

it.runIf(requireTools(['gpg']))('trusts what comes over checked HTTPS, and nothing else', async () => {
  const { publisher, one, two, aci, trusted } = await startApp();
  const image = await publisher.publish('app', { version: '2', signer: one });
  const other = await publisher.publish('app', { version: '3', signer: two });

  const unchecked = await aci('fetch', image.name, FLAG, '--insecure-options=tls');
  expect([unchecked.code, trusted()]).toEqual([0, []]);
  const { code, stderr } = await aci('fetch', image.name, FLAG);
  expect([code, trusted()]).toEqual([0, [one]]);
  expect(stderr).toContain(`aci: the key ${one} is trusted for ${HOST}/app now\n`);
  expect(stderr).toContain('aci: signature verified:\n  One <one@example.test>\n');
  expect((await aci('fetch', other.name)).code).toBe(6);
});

it.runIf(requireTools(['gpg']))('does not trust again what was taken back', async () => {
  const { publisher, one, armored, system, aci, trusted } = await startApp();
  const image = await publisher.publish('app', { version: '2', signer: one });
  const [key] = await readKeys(Buffer.from(armored));
  await addKey(key as PublicKeyFacts, `${HOST}/app`, system);
  expect((await aci('trust', 'rm', one)).code).toBe(0);
  expect(trusted()).toEqual([one]);

  const { code, stdout } = await aci('fetch', '--json', image.name, FLAG);
  expect([code, JSON.parse(stdout).verified]).toEqual([0, false]);
  expect((await aci('trust', 'list', '--json')).stdout).not.toContain('"trusted"');
});

it.runIf(requireTools(['gpg']))('asks for no key for a name that none can be trusted for', async () => {
  const { publisher, aci, trusted } = await startApp();
  const image = await publisher.publish(`app/${'0'.repeat(40)}`, { version: '2' });
  const { code, stdout } = await aci('fetch', '--json', image.name, FLAG);
  expect([code, JSON.parse(stdout).verified, trusted()]).toEqual([0, false, []]);
});
