/** The examples for fleets: the loop over machines, with a shell in place of SSH, and what a checker says of the others. */

import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { buildDockerImage } from '../support/images/docker.js';
import { run } from '../support/process.js';
import { aciScript, projectDir } from '../support/project.js';
import { startRegistry } from '../support/servers/registry.js';
import { tempDir } from '../support/temp.js';

const FLEET = join(projectDir, 'examples', 'fleet');

it('the loop warms every machine, tells which lack images, and asks for nothing when it runs again', async () => {
  const registry = await startRegistry();
  onTestFinished(() => registry.close());
  registry.push('team/app', '1', buildDockerImage({ layers: [[{ path: 'a', data: 'a' }]] }));
  const dir = tempDir();
  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  // Each "machine" is a folder of its own on this one.
  const ssh = file(
    'ssh.sh',
    `#!/bin/sh\nhost=$1; shift\n[ "$host" != away ] || exit 255\nexport ACI_DIR=${dir}/$host\nexec sh -c "$*"\n`,
  );
  chmodSync(ssh, 0o755);
  const hosts = file('hosts.txt', '# machines\none\ntwo\n');
  const good = file('good.txt', `docker://${registry.host}/team/app:1\n`);
  const bad = file(
    'bad.txt',
    `docker://${registry.host}/team/app:1\ndocker://${registry.host}/team/none:1\n`,
  );
  const aci = `${process.execPath} ${aciScript} prefetch --json --quiet --insecure-options=image,http --pull-policy=new`;
  const env = { ...process.env, SSH: ssh, ACI: aci, SPREAD: '0' };
  const loop = (images: string, machines = hosts) =>
    run('sh', [join(FLEET, 'prefetch-fleet.sh'), images, machines, join(dir, 'reports')], { env });

  const first = await loop(good);
  expect([first.code, first.stdout.split('\n').sort()]).toEqual([
    0,
    ['', '0 machines lack images', 'one: ok', 'two: ok'],
  ]);
  registry.requests.length = 0;
  expect((await loop(good)).code).toBe(0);
  expect(registry.requests).toEqual([]);

  const second = await loop(bad, file('more.txt', 'one\naway\n'));
  expect(second.code).toBe(9);
  expect(second.stdout).toContain('one: 1 images failed');
  expect(second.stdout).toContain('away: exit code 255');
  expect(second.stdout).toContain('2 machines lack images');
  expect(readFileSync(join(dir, 'reports', 'one.ndjson'), 'utf8')).toContain('ERR_NOT_FOUND');
});

it.runIf(existsSync('/usr/bin/systemd-analyze'))('systemd finds nothing wrong with the units', async () => {
  const { stdout, stderr } = await run('systemd-analyze', [
    'verify',
    '--man=no',
    join(FLEET, 'aci-prefetch.timer'),
  ]);
  expect(
    `${stdout}${stderr}`
      .split('\n')
      .filter((line) => /aci-prefetch/.test(line) && !/not executable/.test(line)),
  ).toEqual([]);
});
