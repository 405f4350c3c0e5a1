/** Images of odd layers and rich configs, converted, and judged by umoci, GNU tar and the mapping of rkt. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../dist/src/index.js';
import { buildDockerImage, type LayerInput } from '../support/images/docker.js';
import { writeOciLayout } from '../support/images/oci-layout.js';
import { buildTar, type TarEntry } from '../support/images/tar.js';
import { startRegistry, type TestRegistry } from '../support/servers/registry.js';
import { extractWithTar } from '../support/tar-tool.js';
import { tempDir } from '../support/temp.js';
import { isRoot, requireTools } from '../support/tools.js';
import { describeTree, diffTrees } from '../support/tree.js';
import { umociUnpack } from '../support/umoci.js';
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
const link = (path: string, linkname: string): TarEntry => ({ path, type: 'hardlink', linkname });
const symlink = (path: string, linkname: string): TarEntry => ({ path, type: 'symlink', linkname });

const LOWER: readonly TarEntry[] = [
  dir('d'),
  file('d/a'),
  dir('d/sub'),
  file('d/sub/x'),
  file('f'),
  symlink('s', 'd'),
  file('first'),
  link('second', 'first'),
];

/** Each a list of layers above the one that all have; the base of all of them is LOWER. */
const LAYER_CASES: readonly (readonly [title: string, ...layers: (readonly TarEntry[])[]])[] = [
  ['nothing above'],
  ['an empty layer above', []],
  [
    'whiteouts of a file, a directory, a symbolic link and of nothing',
    [file('.wh.f'), file('.wh.d'), file('.wh.s'), file('.wh.none'), file('nowhere/.wh.none')],
  ],
  [
    'a directory that comes back after its whiteout without what was in it',
    [file('.wh.d')],
    [dir('d'), file('d/new')],
  ],
  ['a directory whited out and made anew in one layer', [file('.wh.d'), dir('d', 0o700), file('d/new')]],
  ['a file whited out after it was made anew in one layer', [file('f', 'new'), file('.wh.f')]],
  ['an opaque directory, its marker last', [dir('d'), file('d/new'), file('d/.wh..wh..opq')]],
  ['an opaque directory, its marker first and alone', [file('d/.wh..wh..opq'), file('d/sub/new')]],
  ['an opaque root', [file('.wh..wh..opq'), file('new')]],
  ['an opaque marker where there is nothing', [dir('n'), file('n/.wh..wh..opq'), file('n/new')]],
  ['an opaque directory in the middle', [dir('d'), file('d/.wh..wh..opq'), file('d/m')], [file('d/top')]],
  ['a file where a directory was', [file('d', 'now a file')]],
  ['a directory where a file was', [dir('f'), file('f/below')]],
  ['a symbolic link where a directory was', [symlink('d', 'f')]],
  ['a directory where a symbolic link was', [dir('s'), file('s/own')]],
  ['a file where a directory was, and below it one again', [file('d')], [dir('d'), file('d/last')]],
  ['a directory that is only stated again', [dir('d', 0o711)]],
  ['a file through a symbolic link to a directory', [file('s/through')]],
  ['a whiteout through a symbolic link to a directory', [file('s/.wh.a')]],
  ['a symbolic link to the root, with entries through it', [symlink('r', '/'), file('r/d/via')]],
  ['the first name of a linked file whited out', [file('.wh.first')]],
  ['the first name of a linked file replaced', [file('first', 'other')]],
  ['a hard link to a file of the layer below', [link('third', 'second')]],
  [
    'a hard link to a file below whose other names are gone',
    [link('third', 'first'), file('.wh.second')],
    [file('.wh.first')],
  ],
  ['hard links in a row', [file('h1'), link('h2', 'h1'), link('h3', 'h2')], [file('.wh.h1')]],
  ['a hard link to a symbolic link', [symlink('l1', 'f'), link('l2', 'l1')]],
  ['a hard link to a fifo', [{ path: 'p1', type: 'fifo' }, link('p2', 'p1')]],
  ['a path twice in a layer', [file('twice', '1'), file('twice', 'two')]],
  ['a path twice in a layer, as directory and file', [file('twice'), dir('twice'), file('twice/below')]],
  ['a file twice in a layer with a link to it between', [file('t', '1'), link('u', 't'), file('t', 'two')]],
  ['names that are absolute or have dots in them', [file('/abs'), file('./dot'), file('d/./sub/../up')]],
  ['names with bytes that are no UTF-8', [{ path: Buffer.from([0x62, 0xff]), data: 'b' }]],
  ['names of whiteouts in the middle', [file('x.wh.y'), file('d/z.wh.')]],
];

async function fetchImage(repository: string, layers: readonly LayerInput[]): Promise<string> {
  const image = buildDockerImage({ layers, mediaTypes: 'oci' });
  registry.push(repository, '1.0', image);
  return (await engine.fetch({ image: `docker://${registry.host}/${repository}:1.0` })).id;
}

describe.runIf(isRoot() && requireTools(['umoci', 'tar', 'getfattr']))('layers upon a layer', () => {
  it.each(LAYER_CASES.map((one, index) => [index, one[0], one.slice(1) as (readonly TarEntry[])[]] as const))(
    'case %i gives the tree that umoci unpacks: %s',
    async (index, _, upper) => {
      const layers = [LOWER, ...upper];
      const layout = tempDir();
      await writeOciLayout(layout, [
        { ref: 'image', image: buildDockerImage({ layers, mediaTypes: 'oci' }) },
      ]);
      const [id, unpacked] = await Promise.all([
        fetchImage(`team/case-${index}`, layers),
        umociUnpack(layout, 'image', join(tempDir(), 'bundle')),
      ]);
      const [directory, archive] = [join(tempDir(), 'image'), join(tempDir(), 'image.aci')];
      await engine.extractImage(id, { directory, rootfsOnly: true });
      const trees = [await describeTree(unpacked), await describeTree(directory)] as const;
      // Times of directories that no layer has are those of the moment; with real layers they are compared elsewhere.
      expect(diffTrees(...trees, { ignore: ['mtime', /^dev(\/|$)/], labels: ['umoci', 'aci'] })).toEqual([]);
      await engine.exportImage(id, { path: archive, overwrite: false });
      expect(await archiveProblems(archive)).toEqual([]);
    },
  );
});

describe('the links in /dev that programs of Docker images expect', () => {
  const LINKS = {
    'dev/fd': '/proc/self/fd',
    'dev/stderr': '/dev/console',
    'dev/stdin': '/proc/self/fd/0',
    'dev/stdout': '/dev/console',
  };
  const cases: readonly [title: string, layers: (readonly TarEntry[])[], expected: Record<string, string>][] =
    [
      ['in an image without /dev', [[file('f')]], LINKS],
      ['in an image without layers', [], LINKS],
      ['beside what is there', [[dir('dev'), file('dev/x')]], LINKS],
      [
        'but not in place of what is there',
        [[symlink('dev/stdin', 'own')]],
        { ...LINKS, 'dev/stdin': 'own' },
      ],
      ['where an upper layer took them away', [[symlink('dev/fd', 'x')], [file('dev/.wh.fd')]], LINKS],
      ['but not where /dev is a file', [[file('dev', 'no directory')]], {}],
      ['but not where /dev is a symbolic link', [[symlink('dev', 'f'), file('f')]], {}],
    ];

  it.each(cases)('are added %s', async (title, layers, expected) => {
    const id = await fetchImage(`team/dev-${title.replaceAll(/\W+/g, '-')}`, layers);
    const [directory, archive] = [join(tempDir(), 'image'), join(tempDir(), 'image.aci')];
    await engine.extractImage(id, { directory, rootfsOnly: true });
    const tree = await describeTree(directory, { xattrs: false });
    const found = Object.keys(LINKS).flatMap((path) => {
      const target = tree.get(path)?.linkTarget;
      return target === undefined ? [] : [[path, target] as const];
    });
    expect(Object.fromEntries(found)).toEqual(expected);
    await engine.exportImage(id, { path: archive, overwrite: false });
    expect(await archiveProblems(archive)).toEqual([]);
  });
});

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
