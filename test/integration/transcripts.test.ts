/** The transcripts of rkt's documentation, with `aci` for `rkt`: commands, lines and IDs in their order. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addKey } from '../../src/trust/keystore.js';
import { readKeys } from '../../src/trust/read-keys.js';
import { createCertificate } from '../support/certificates.js';
import { createGpg, type Gpg } from '../support/gpg.js';
import { buildAci, imageIdOf } from '../support/images/aci.js';
import { buildDockerImage } from '../support/images/docker.js';
import { type RunResult, runAci } from '../support/process.js';
import { type DiscoverySite, startDiscoverySite } from '../support/servers/discovery-site.js';
import { startRegistry } from '../support/servers/registry.js';
import { tempDir } from '../support/temp.js';
import { requireTools } from '../support/tools.js';

const ACI = buildAci({
  name: 'coreos.test/etcd',
  labels: { version: 'v2.0.0', os: 'linux', arch: 'amd64' },
  entries: [{ path: 'etcd', data: 'etcd'.repeat(50_000) }],
});
const SHORT_ID = imageIdOf(ACI).slice(0, 39);
const RELEASES = 'https://github.test/coreos/etcd/releases/download/v2.0.0';
const IMAGE_URL = `${RELEASES}/etcd-v2.0.0-linux-amd64.aci`;

describe.runIf(requireTools(['gpg']))('as rkt shows it', () => {
  let gpg: Gpg;
  let pages: DiscoverySite;
  let files: DiscoverySite;
  let publicKey: Buffer;
  let config: string;

  beforeAll(async () => {
    const certificate = await createCertificate(['coreos.test', 'github.test']);
    gpg = createGpg();
    pages = await startDiscoverySite({ hostName: 'coreos.test', certificate });
    files = await startDiscoverySite({ hostName: 'github.test', certificate });
    const fingerprint = await gpg.createKey('Release');
    publicKey = await gpg.exportKeys([fingerprint]);
    const template =
      'https://github.test/coreos/etcd/releases/download/{version}/etcd-{version}-{os}-{arch}.{ext}';
    pages.tls.putDiscovery('/etcd', [{ prefix: 'coreos.test/etcd', templates: [template] }]);
    files.tls.putAci(new URL(IMAGE_URL).pathname, ACI, { signature: await gpg.sign(fingerprint, ACI) });
  });
  afterAll(() => Promise.all([gpg.close(), pages.close(), files.close()]));
  beforeEach(() => {
    config = join(tempDir(), 'config');
    mkdirSync(config);
  });

  function aci(args: readonly string[], dir = tempDir()): Promise<RunResult> {
    const options = [
      '--progress=plain',
      '--dir',
      dir,
      '--user-config',
      config,
      '--local-config',
      '/nonexistent',
    ];
    const resolve = [...pages.resolveArguments, ...files.resolveArguments];
    return runAci([...args, ...options, ...resolve], { env: pages.environment });
  }

  it('an image whose creator is trusted is downloaded and verified', async () => {
    for (const key of await readKeys(publicKey)) await addKey(key, 'coreos.test/etcd', config);
    const { code, stdout, stderr } = await aci(['fetch', 'coreos.test/etcd:v2.0.0']);
    expect(stderr.trimEnd().split('\n')).toEqual([
      'aci: searching for app image coreos.test/etcd:v2.0.0',
      `aci: fetching image from ${IMAGE_URL}`,
      `Downloading aci: ${IMAGE_URL}`,
      `Downloading signature from ${IMAGE_URL}.asc`,
      'aci: signature verified:',
      '  Release <release@example.test>',
    ]);
    expect([code, stdout]).toEqual([0, `${SHORT_ID}\n`]);
  });

  it('an image whose creator is not trusted is downloaded but not verified', async () => {
    const { code, stdout, stderr } = await aci(['fetch', 'coreos.test/etcd:v2.0.0']);
    expect(stderr.trimEnd().split('\n')).toEqual([
      'aci: searching for app image coreos.test/etcd:v2.0.0',
      `aci: fetching image from ${IMAGE_URL}`,
      `Downloading aci: ${IMAGE_URL}`,
      `Downloading signature from ${IMAGE_URL}.asc`,
      expect.stringMatching(/^aci: warning: .*not verified.*aci trust --prefix coreos\.test\/etcd$/),
    ]);
    expect([code, stdout]).toEqual([0, `${SHORT_ID}\n`]);
  });

  it('an image is fetched directly from where it is stored', async () => {
    const { code, stdout, stderr } = await aci(['fetch', IMAGE_URL]);
    expect(stderr.trimEnd().split('\n').slice(0, 3)).toEqual([
      `aci: fetching image from ${IMAGE_URL}`,
      `Downloading aci: ${IMAGE_URL}`,
      `Downloading signature from ${IMAGE_URL}.asc`,
    ]);
    expect([code, stdout]).toEqual([0, `${SHORT_ID}\n`]);
  });

  it('an image of a Docker registry is downloaded and converted', async () => {
    const registry = await startRegistry();
    const image = buildDockerImage({ layers: [[{ path: 'a', data: 'a' }], [{ path: 'b', data: 'b' }]] });
    registry.push('busybox', 'latest', image);
    const name = `docker://${registry.host}/busybox`;
    const { code, stdout, stderr } = await aci(['--insecure-options=image,http', 'fetch', name]);
    const lines = stderr.trimEnd().split('\n');
    expect(lines.slice(0, 2)).toEqual([
      `aci: fetching image from ${name}:latest`,
      'aci: warning: image signature verification has been disabled',
    ]);
    const layers = image.layers.map(({ digest }) => `Downloading layer: ${digest.replace('sha256:', '')}`);
    expect(lines.slice(2).toSorted()).toEqual(layers.toSorted());
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^sha512-[0-9a-f]{32}\n$/)]);
    await registry.close();
  });

  it('an image of the store is not downloaded again, and the flags have their meanings', async () => {
    const dir = tempDir();
    const whole = await aci(['fetch', '--full', IMAGE_URL], dir);
    expect(whole.stdout).toBe(`${imageIdOf(ACI)}\n`);
    const sent = (): number =>
      files.tls.requests.filter(({ path, status }) => path.endsWith('.aci') && status === 200).length;
    const before = sent();
    for (const args of [
      ['fetch', IMAGE_URL],
      ['fetch', '--store-only', IMAGE_URL],
      ['fetch', '--store-only', 'coreos.test/etcd:v2.0.0'],
    ]) {
      expect((await aci(args, dir)).stdout).toBe(`${SHORT_ID}\n`);
    }
    expect(sent()).toBe(before);
    expect((await aci(['fetch', '--no-store', IMAGE_URL], dir)).stdout).toBe(`${SHORT_ID}\n`);
    expect(sent()).toBe(before + 1);
    const signature = join(tempDir(), 'wrong.asc');
    writeFileSync(signature, 'no signature');
    for (const key of await readKeys(publicKey)) await addKey(key, 'coreos.test/etcd', config);
    const refused = await aci(['fetch', IMAGE_URL, '--signature', signature], dir);
    expect([refused.code, refused.stdout]).toEqual([6, '']);
  });

  it('three images at once stay readable: every line says which it is of', async () => {
    for (const key of await readKeys(publicKey)) await addKey(key, 'coreos.test/etcd', config);
    const images = ['coreos.test/etcd:v2.0.0', IMAGE_URL, 'coreos.test/etcd:none'];
    const { code, stdout, stderr } = await aci(['fetch', ...images]);
    expect([code, stdout]).toEqual([9, `${SHORT_ID}\n${SHORT_ID}\n\n`]);
    const lines = stderr.trimEnd().split('\n');
    for (const image of images.slice(0, 2)) {
      expect(lines).toContain(`aci: signature verified (${image}):`);
      expect(lines.filter((line) => line.includes(`(${image})`)).length).toBeGreaterThan(1);
    }
    expect(lines.filter((line) => line.startsWith('aci: coreos.test/etcd:none: '))).toHaveLength(1);
  });
});
