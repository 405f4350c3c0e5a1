/** A fetch with `--trust-keys-from-https`: the keys of a name are found, trusted, and used from then on. */

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { type RunResult, runAci } from '../support/process.js';
import { tempDir } from '../support/temp.js';
import { requireTools } from '../support/tools.js';
import { HOST, startPublisher } from './support/appc-site.js';

it.runIf(requireTools(['gpg']))('trusts what comes over checked HTTPS, and nothing else', async () => {
  const publisher = await startPublisher();
  onTestFinished(() => publisher.close());
  const { gpg, site } = publisher;
  const [one, two] = [await gpg.createKey('One'), await gpg.createKey('Two')];
  const url = `https://${HOST}/keys.asc`;
  site.tls.putKey('/keys.asc', (await gpg.exportKeys([one])).toString());
  const templates = [`https://${HOST}/{name}-{version}-{os}-{arch}.{ext}`];
  site.tls.putDiscovery('/app', [{ prefix: `${HOST}/app`, templates, keys: [url] }]);
  const image = await publisher.publish('app', { version: '2', signer: one });
  const other = await publisher.publish('app', { version: '3', signer: two });
  const config = tempDir();
  const folders = ['--system-config', config, '--local-config', config, '--user-config', config];
  const fetch = (...args: string[]): Promise<RunResult> =>
    runAci(['fetch', ...args, ...folders, '--dir', join(config, 'store'), ...site.resolveArguments], {
      env: site.environment,
    });
  const trusted = (): string[] => {
    const dir = join(config, 'trustedkeys', 'prefix.d', HOST, 'app');
    return existsSync(dir) ? readdirSync(dir) : [];
  };
  const flag = '--trust-keys-from-https';

  const unchecked = await fetch(image.name, flag, '--insecure-options=tls');
  expect([unchecked.code, trusted()]).toEqual([0, []]);
  const { code, stderr } = await fetch(image.name, flag);
  expect([code, trusted()]).toEqual([0, [one]]);
  expect(stderr).toContain(`aci: the key ${one} is trusted for ${HOST}/app now\n`);
  expect(stderr).toContain('aci: signature verified:\n  One <one@example.test>\n');
  expect((await fetch(other.name)).code).toBe(6);
});
