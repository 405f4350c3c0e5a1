/** Odd headers and rich configs, converted, and judged by GNU tar and the mapping of rkt. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../dist/src/index.js';
import { buildDockerImage, type LayerInput } from '../support/images/docker.js';
import { buildTar, type TarEntry } from '../support/images/tar.js';
import { startRegistry, type TestRegistry } from '../support/servers/registry.js';
import { extractWithTar } from '../support/tar-tool.js';
import { tempDir } from '../support/temp.js';
import { isRoot, requireTools } from '../support/tools.js';
import { describeTree, diffTrees } from '../support/tree.js';
import { archiveProblems } from './support/archive.js';
import { testEngine } from './support/engine.js';

const HOST = 'registry.example.test';

let registry: TestRegistry;
let engine: Engine;

beforeAll(async () => {
  registry = await startRegistry();
  const resolve = [{ host: HOST, port: 80, address: '127.0.0.1', addressPort: registry.port }];
  engine = await testEngine({ resolve: [...resolve, ...resolve.map((one) => ({ ...one, port: 443 }))] });
});
afterAll(async () => {
  await engine.close();
  await registry.close();
});

const dir = (path: string, mode = 0o755): TarEntry => ({ path, type: 'directory', mode });
const file = (path: string, data = path): TarEntry => ({ path, data });

async function fetchImage(repository: string, layers: readonly LayerInput[]): Promise<string> {
  const image = buildDockerImage({ layers, mediaTypes: 'oci' });
  registry.push(repository, '1.0', image);
  return (await engine.fetch({ image: `docker://${registry.host}/${repository}:1.0` })).id;
}

describe('entries at the limits of the header', () => {
  const layer: readonly TarEntry[] = [
    { path: 'far', mtime: 10_000_000_000.5, uid: 4_294_967_294, gid: 2_097_152 },
    { path: 'early', pax: { mtime: '-1.25' } },
    dir('p'.repeat(155)),
    { path: `${'p'.repeat(155)}/${'n'.repeat(100)}`, data: 'ustar prefix', mode: 0o7777 },
    dir('q'.repeat(250)),
    { path: `${'q'.repeat(250)}/${'n'.repeat(250)}`, data: 'pax path' },
    { path: `${'l'.repeat(120)}`, data: 'gnu path', format: 'gnu', uid: 3_000_000_000 },
    { path: 'to-long', type: 'hardlink', linkname: 'l'.repeat(120), format: 'gnu' },
    { path: 'long-target', type: 'symlink', linkname: 't'.repeat(4000) },
    { path: 'attributes', xattrs: { 'user.nul': Buffer.from([0, 10, 61]), 'user.empty': '', 'user.ü': 'ü' } },
    { path: 'terminal', type: 'character', devmajor: 4095, devminor: 1_048_575 },
    { path: 'blocks', size: 512 * 3 },
    { path: 'names', uname: 'daemon', gname: 'staff', uid: 5, gid: 6 },
  ];

  it.runIf(isRoot() && requireTools(['tar', 'getfattr']))(
    'come out as GNU tar unpacks the layer itself',
    async () => {
      const layerFile = join(tempDir(), 'layer.tar');
      writeFileSync(layerFile, buildTar(layer));
      const id = await fetchImage('team/limits', [layer]);
      const archive = join(tempDir(), 'image.aci');
      await engine.exportImage(id, { path: archive, overwrite: false });
      const [fromLayer, fromAci, extracted] = [tempDir(), tempDir(), join(tempDir(), 'image')];
      await extractWithTar(layerFile, fromLayer);
      await extractWithTar(archive, fromAci);
      await engine.extractImage(id, { directory: extracted });
      const expected = await describeTree(fromLayer);
      const ignore = [/^\.$/, /^dev(\/|$)/];
      for (const tree of [fromAci, extracted]) {
        const actual = await describeTree(join(tree, 'rootfs'));
        expect(diffTrees(expected, actual, { ignore, labels: ['layer', 'ACI'] })).toEqual([]);
      }
      expect(await archiveProblems(archive)).toEqual([]);
    },
  );
});

describe('the manifest of a converted image', () => {
  const MANIFEST_HEAD = { acKind: 'ImageManifest', acVersion: '0.8.11' };

  async function manifestOf(repository: string, tag = ''): Promise<unknown> {
    const { id } = await engine.fetch({ image: `docker://${HOST}/${repository}${tag}` });
    const text = await engine.catManifest(id);
    // As Go writes it: without spaces, and with the characters of markup escaped.
    const compact = JSON.stringify(JSON.parse(text));
    expect(text).toBe(compact.replaceAll('<', '\\u003c').replaceAll('>', '\\u003e'));
    return JSON.parse(text);
  }

  it('has everything that a rich config says', async () => {
    const image = buildDockerImage({
      layers: [[file('base')], [file('top')]],
      architecture: 'arm64',
      variant: 'v8',
      imageConfig: {
        author: 'Ann <ann@example.test>',
        created: '2024-05-06T07:08:09.123456789Z',
        history: [{ created_by: 'sh' }],
      },
      config: {
        Entrypoint: ['/entry', '--flag'],
        Cmd: ['serve', 'a b', ''],
        User: 'app:staff',
        WorkingDir: '/work',
        Env: ['PATH=/usr/bin:/bin', 'KEY=a=b', 'TWICE=1', 'EMPTY=', 'TWICE=2'],
        ExposedPorts: { '8080/tcp': {}, '53/udp': {}, '9000': {} },
        Volumes: { '/var/lib/My_App.d': {}, '/data/': {}, '/data': {} },
        Labels: { maintainer: 'Ann' },
        StopSignal: 'SIGTERM',
      },
    });
    registry.push('team/my_app', '1.2', image);
    expect(await manifestOf('team/my_app', ':1.2')).toEqual({
      ...MANIFEST_HEAD,
      name: `${HOST}/team/my_app`,
      labels: [
        { name: 'arch', value: 'aarch64' },
        { name: 'os', value: 'linux' },
        { name: 'version', value: '1.2' },
      ],
      app: {
        exec: ['/entry', '--flag', 'serve', 'a b', ''],
        user: 'app',
        group: 'staff',
        workingDirectory: '/work',
        environment: [
          { name: 'PATH', value: '/usr/bin:/bin' },
          { name: 'KEY', value: 'a=b' },
          { name: 'TWICE', value: '2' },
          { name: 'EMPTY', value: '' },
        ],
        mountPoints: [
          { name: 'volume-data', path: '/data' },
          { name: 'volume-data-1', path: '/data/' },
          { name: 'volume-var-lib-my-app-d', path: '/var/lib/My_App.d' },
        ],
        ports: [
          { name: '53-udp', protocol: 'udp', port: 53, count: 1, socketActivated: false },
          { name: '8080-tcp', protocol: 'tcp', port: 8080, count: 1, socketActivated: false },
          { name: '9000', protocol: 'tcp', port: 9000, count: 1, socketActivated: false },
        ],
        userLabels: { maintainer: 'Ann' },
      },
      annotations: [
        { name: 'author', value: 'Ann <ann@example.test>' },
        { name: 'created', value: '2024-05-06T07:08:09.123456789Z' },
        { name: 'appc.io/docker/originalname', value: `${HOST}/team/my_app:1.2` },
        { name: 'appc.io/docker/registryurl', value: HOST },
        { name: 'appc.io/docker/repository', value: 'team/my_app' },
        { name: 'appc.io/docker/imageid', value: image.layers[1]?.digest },
        { name: 'appc.io/docker/manifesthash', value: image.manifestDigest },
        { name: 'appc.io/docker/entrypoint', value: '["/entry","--flag"]' },
        { name: 'appc.io/docker/cmd', value: '["serve","a b",""]' },
        { name: 'appc.io/docker/stopsignal', value: 'SIGTERM' },
        { name: 'appc.io/docker/history', value: '[{"created_by":"sh"}]' },
      ],
    });
  });

  it('has root as user and no program where the config is empty, and the version "latest" without a tag', async () => {
    const image = buildDockerImage({ layers: [[file('base')]] });
    registry.push('team/bare', 'latest', image);
    expect(await manifestOf('team/bare')).toEqual({
      ...MANIFEST_HEAD,
      name: `${HOST}/team/bare`,
      labels: [
        { name: 'arch', value: 'amd64' },
        { name: 'os', value: 'linux' },
        { name: 'version', value: 'latest' },
      ],
      app: { exec: null, user: '0', group: '0' },
      annotations: [
        { name: 'appc.io/docker/originalname', value: `${HOST}/team/bare` },
        { name: 'appc.io/docker/registryurl', value: HOST },
        { name: 'appc.io/docker/repository', value: 'team/bare' },
        { name: 'appc.io/docker/imageid', value: image.layers[0]?.digest },
        { name: 'appc.io/docker/manifesthash', value: image.manifestDigest },
      ],
    });
  });
});
