/** The commands on images of the store: list, cat-manifest, export, extract and rm. */

import {
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTarParser } from '../../dist/src/tar/parser.js';
import { nodeSink } from '../../dist/workers/extract-node.js';
import { buildAci, imageIdOf } from '../support/images/aci.js';
import { buildDockerImage } from '../support/images/docker.js';
import type { TarEntry } from '../support/images/tar.js';
import { runAci, runTool } from '../support/process.js';
import { startRegistry, type TestRegistry } from '../support/servers/registry.js';
import { extractWithTar } from '../support/tar-tool.js';
import { tempDir } from '../support/temp.js';
import { isRoot, requireTools } from '../support/tools.js';
import { describeTree, diffTrees, type Tree } from '../support/tree.js';
import { aci, fetchOne, INSECURE, type OutcomeRecord } from './support/commands.js';
import { withEngine } from './support/engine.js';

type Fetched = OutcomeRecord & { readonly id: string };

const BASE: readonly TarEntry[] = [
  { path: 'etc', type: 'directory' },
  { path: 'etc/base', data: 'base', uid: isRoot() ? 1234 : 0, mode: 0o640 },
  { path: 'etc/link', type: 'symlink', linkname: 'base' },
];
const images = ['one', 'two'].map((name) => ({
  name,
  image: buildDockerImage({
    layers: [BASE, [{ path: `only-${name}`, data: name }]],
    config: { Cmd: [name] },
  }),
}));
const everyBlob = [
  ...new Set(images.flatMap(({ image }) => image.layers.map(({ digest }) => digest))),
].sort();

let registry: TestRegistry;
/** A store that the tests share and do not change. */
let home: string;
let one: Fetched;
let two: Fetched;
const sourceOf = (name: string) => `docker://${registry.host}/team/${name}`;

beforeAll(async () => {
  registry = await startRegistry();
  for (const { name, image } of images) registry.push(`team/${name}`, 'latest', image);
  registry.push('team/one', '2.0', buildDockerImage({ layers: [BASE] }));
  home = tempDir();
  one = await fetchOne(sourceOf('one'), { home });
  two = await fetchOne(`${sourceOf('two')}:latest`, { home });
});
afterAll(() => registry.close());

const image = (...args: string[]) => aci(['image', ...args], { home });
const failing = async (...args: string[]) => (await runAci(['image', ...args], { home })).code;

describe('aci image list', () => {
  it('is JSON in the fields of the specification, with what fetch told', async () => {
    const { stdout } = await image('list', '--json');
    const records = JSON.parse(stdout) as Record<string, unknown>[];
    expect(records).toHaveLength(2);
    const fields = 'id name labels importedAt lastUsedAt sizeBytes latest verified source'.split(' ');
    const times = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
    for (const [index, { id, name, labels, sizeBytes }] of [one, two].entries()) {
      const record = records.find((candidate) => candidate['id'] === id);
      expect(Object.keys(record ?? {})).toEqual(fields);
      expect(record).toMatchObject({ name, labels, sizeBytes, verified: false });
      expect(record?.['importedAt']).toMatch(times);
      expect(record?.['lastUsedAt']).toMatch(times);
      expect(record?.['source']).toBe(`${sourceOf(index === 0 ? 'one' : 'two')}:latest`);
    }
  });

  it('is a table with short IDs and names with versions', async () => {
    const { stdout } = await image('list', '--fields=name,id', '--sort=name');
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]?.split(/\t+| {2,}/)).toEqual(['NAME', 'ID']);
    const [name, id] = lines[1]?.split(/\t+| {2,}/) ?? [];
    expect(name).toBe(`${one.name}:latest`);
    expect(one.id.startsWith(id ?? 'none')).toBe(true);
    expect((await image('list', '--no-legend', '--full')).stdout).toContain(two.id);
  });
});

describe('an image', () => {
  it.runIf(requireTools(['tar']))('has the manifest that stands in its ACI, whatever names it', async () => {
    const file = join(tempDir(), 'image.aci');
    await image('export', one.id, file);
    const { stdout: manifest } = await runTool('tar', ['-xOf', file, 'manifest']);
    const names = [one.id, one.id.slice(0, 39), one.id.slice(0, 19), `${one.name}:latest`, sourceOf('one')];
    for (const name of names) {
      expect((await image('cat-manifest', name)).stdout.replace(/\n$/, '')).toBe(manifest.replace(/\n$/, ''));
    }
    const { stdout: pretty } = await image('cat-manifest', '--pretty-print', one.id);
    expect(pretty.split('\n').length).toBeGreaterThan(20);
    expect(JSON.parse(pretty)).toEqual(JSON.parse(manifest));
  });

  it('that the store has not, or that digits too few name, is an error', async () => {
    const output = join(tempDir(), 'out');
    expect(await failing('cat-manifest', `sha512-${'0'.repeat(32)}`)).toBe(3);
    expect(await failing('cat-manifest', one.id.slice(0, 12))).toBe(2);
    expect(await failing('export', `${sourceOf('one')}:none`, output)).toBe(3);
    expect(await failing('extract', 'example.test/none', output)).toBe(3);
    expect(await failing('rm', 'example.test/none:1')).toBe(3);
    expect(existsSync(output)).toBe(false);
  });
});

it('JSON of an image with control characters in its labels has them escaped', async () => {
  const label = 'a\u007f\u009b2J\u2028\u2029';
  const folder = tempDir();
  const file = join(folder, 'image.aci');
  writeFileSync(file, buildAci({ name: 'example.test/app', labels: { version: '1', label } }));
  const options = { home: folder };
  const fetched = await aci(['fetch', INSECURE, '--json', '--progress=json', file], options);
  const { id } = JSON.parse(fetched.stdout) as Fetched;
  const outputs = [
    fetched.stdout,
    fetched.stderr.split('\n').find((line) => line.includes('image.done')) ?? '',
    (await aci(['image', 'list', '--json'], options)).stdout,
    (await aci(['image', 'cat-manifest', id], options)).stdout,
    (await aci(['image', 'cat-manifest', '--pretty-print', id], options)).stdout,
  ];
  for (const text of outputs) {
    expect(text).not.toMatch(/[\u007f-\u009f\u2028\u2029]/);
    expect(JSON.stringify(JSON.parse(text))).toContain(JSON.stringify(label));
  }
});

describe('aci image export', () => {
  it('writes the bytes of the ACI to a file or to stdout', async () => {
    const file = join(tempDir(), 'image.aci');
    expect((await image('export', one.id, file)).stdout).toBe('');
    const streamed = await image('export', sourceOf('one'), '-');
    expect(imageIdOf(readFileSync(file))).toBe(one.id);
    expect(imageIdOf(streamed.stdoutBytes)).toBe(one.id);
  });

  it('leaves a file that exists as it is, unless it is to be overwritten', async () => {
    const directory = tempDir();
    const file = join(directory, 'image.aci');
    writeFileSync(file, 'mine');
    expect(await failing('export', one.id, file)).toBe(2);
    expect(readFileSync(file, 'utf8')).toBe('mine');
    await image('export', '--overwrite', one.id, file);
    expect(imageIdOf(readFileSync(file))).toBe(one.id);
    expect(readdirSync(directory)).toEqual(['image.aci']);
  });
});

describe('aci image extract', () => {
  it('makes a folder with manifest and rootfs, or of the root file system alone', async () => {
    const [whole, root] = [join(tempDir(), 'a', 'whole'), join(tempDir(), 'root')];
    await image('extract', two.id, whole);
    await image('extract', '--rootfs-only', two.id, root);
    expect(readdirSync(whole).sort()).toEqual(['manifest', 'rootfs']);
    expect(readFileSync(join(whole, 'manifest'), 'utf8')).toBe(
      (await image('cat-manifest', two.id)).stdout.replace(/\n$/, ''),
    );
    expect(readdirSync(root).sort()).toEqual(['dev', 'etc', 'only-two']);
    const trees = [await describeTree(join(whole, 'rootfs')), await describeTree(root)] as const;
    expect(diffTrees(...trees)).toEqual([]);
    expect(trees[1].get('etc/base')).toMatchObject({ mode: 0o640, uid: isRoot() ? 1234 : 0, size: 4 });
  });

  it('leaves a folder with something in it as it is, unless it is to be overwritten', async () => {
    const directory = tempDir();
    writeFileSync(join(directory, 'mine'), 'mine');
    expect(await failing('extract', two.id, directory)).toBe(2);
    expect(readdirSync(directory)).toEqual(['mine']);
    await image('extract', '--overwrite', two.id, directory);
    expect(readdirSync(directory).sort()).toEqual(['manifest', 'rootfs']);
  });
});

describe('aci image extract --overwrite', () => {
  it('replaces neither the store, nor what is in it, nor what holds it, by whatever name', async () => {
    const link = join(tempDir(), 'link');
    symlinkSync(home, link);
    for (const target of [home, join(home, 'store'), join(home, 'store', 'blobs'), join(link, 'store')]) {
      expect(await failing('extract', '--overwrite', two.id, target), target).toBe(2);
    }
    await image('export', two.id, join(tempDir(), 'whole.aci'));
  });

  it('keeps the old folder when the image turns out to be damaged', async () => {
    const options = { home: tempDir() };
    await aci(['fetch', INSECURE, sourceOf('one')], options);
    const blobs = join(options.home, 'store', 'blobs', 'layer');
    const files = readdirSync(blobs, { recursive: true, withFileTypes: true }).filter((file) =>
      file.isFile(),
    );
    for (const { parentPath, name } of files) {
      if (!name.endsWith('.index')) flipLastByte(join(parentPath, name));
    }
    const directory = tempDir();
    writeFileSync(join(directory, 'mine'), 'mine');
    const { code } = await runAci(['image', 'extract', '--overwrite', sourceOf('one'), directory], options);
    expect(code).toBe(8);
    expect(readdirSync(directory)).toEqual(['mine']);
    expect(
      readdirSync(dirname(directory)).filter((name) => name.includes(`.${basename(directory)}.`)),
    ).toEqual([]);
  });

  function flipLastByte(path: string): void {
    const bytes = readFileSync(path);
    const last = bytes.length - 1;
    bytes[last] = (bytes[last] ?? 0) ^ 0xff;
    writeFileSync(path, bytes);
  }
});

describe('aci image rm', () => {
  /** The layers that a store has files of, wherever they lie. */
  function layersIn(storeDir: string): string[] {
    const files = readdirSync(storeDir, { recursive: true, encoding: 'utf8' });
    const digests = files.flatMap((file) => /sha256-[0-9a-f]{64}/.exec(file)?.[0].replace('-', ':') ?? []);
    return [...new Set(digests)].sort();
  }

  it('drops the blobs that no other image needs, and keeps those that one does', async () => {
    const options = { home: tempDir() };
    const store = join(options.home, 'store');
    await aci(['fetch', INSECURE, sourceOf('one'), `${sourceOf('two')}:latest`], options);
    expect(layersIn(store)).toEqual(everyBlob);
    const removed = await aci(['image', 'rm', sourceOf('one')], options);
    expect(removed.stdout).toBe(`${one.id}\n`);
    expect(layersIn(store)).toEqual(images[1]?.image.layers.map(({ digest }) => digest).sort());
    const exported = await aci(['image', 'export', two.id, '-'], options);
    expect(imageIdOf(exported.stdoutBytes)).toBe(two.id);
    const rest = await runAci(['image', 'rm', one.id, two.id], options);
    expect(rest).toMatchObject({ code: 9, stdout: `${two.id}\n` });
    expect(layersIn(store)).toEqual([]);
    expect((await aci(['image', 'list', '--json'], options)).stdout).toBe('[]\n');
    expect(await fetchOne(sourceOf('one'), options)).toMatchObject({ id: one.id, status: 'fetched' });
  });
});

/** Unpacks an ACI as where there is no GNU tar. */
async function extractWithNode(archive: string, directory: string): Promise<string[]> {
  mkdirSync(directory, { recursive: true });
  const sink = nodeSink(directory);
  const parser = createTarParser(sink);
  for await (const chunk of createReadStream(archive)) parser.push(chunk as Buffer);
  parser.end();
  return await sink.finish();
}

describe('unpacking without GNU tar', () => {
  const entries: readonly TarEntry[] = [
    { path: 'd', type: 'directory', mode: 0o2750, gid: 55, mtime: 1_000_000_001 },
    { path: 'd/setuid', data: 'x', mode: 0o4711, uid: 77, mtime: 1_000_000_002 },
    { path: 'd/linked', type: 'hardlink', linkname: 'd/setuid' },
    { path: 'd/symlink', type: 'symlink', linkname: '/nowhere/\u00fc', uid: 78, mtime: 1_000_000_003 },
    { path: 'd/big', size: 3_000_000 },
    { path: 'gr\u00fc\u00df', data: 'UTF-8' },
    { path: Buffer.from('rootfs/no-utf-8-\xff', 'latin1').subarray('rootfs/'.length), data: 'a' },
    { path: Buffer.from('rootfs/no-utf-8-\xfe', 'latin1').subarray('rootfs/'.length), data: 'b' },
    { path: 'old', mtime: 1, data: '' },
  ];
  const special: readonly TarEntry[] = [
    { path: 'd/fifo', type: 'fifo' },
    { path: 'd/fifo-link', type: 'hardlink', linkname: 'd/fifo' },
    { path: 'd/device', type: 'character', devmajor: 1, devminor: 3 },
    { path: 'marked', data: 'marked', xattrs: { 'user.mark': 'yes' }, mtime: 1_000_000_004.25 },
  ];
  const fileOf = (name: string, list: readonly TarEntry[]): string => {
    const file = join(tempDir(), `${name}.aci`);
    writeFileSync(file, buildAci({ name: 'example.test/app', entries: list }));
    return file;
  };

  it.runIf(isRoot() && requireTools(['tar', 'getfattr']))(
    'gives the tree that GNU tar gives, less what it says that it cannot keep',
    async () => {
      const file = fileOf('all', [...entries, ...special]);
      const [byNode, byTar] = [join(tempDir(), 'node'), join(tempDir(), 'tar')];
      const notKept = await extractWithNode(file, byNode);
      await extractWithTar(file, byTar);
      const [actual, expected]: Tree[] = await Promise.all([describeTree(byNode), describeTree(byTar)]);
      expect(
        diffTrees(expected as Tree, actual as Tree, { ignore: [/^\.$/], labels: ['tar', 'Node'] }),
      ).toEqual([
        'rootfs/d/device: only in tar',
        'rootfs/d/fifo: only in tar',
        'rootfs/d/fifo-link: only in tar',
        'rootfs/marked: xattrs {"user.mark":"eWVz"} in tar, {} in Node',
      ]);
      expect(notKept).toHaveLength(2);
      expect(notKept[0]).toMatch(/^3 device nodes and fifos/);
      expect(notKept[1]).toMatch(/^extended attributes of 1 entr/);
    },
  );

  const escapes: readonly [title: string, target: (outside: string) => string][] = [
    ['absolute', (outside) => outside],
    ['relative', (outside) => `${'../'.repeat(20)}${outside.slice(1)}`],
  ];
  it.each(escapes)('writes nothing through a symbolic link out of the folder: %s', async (_, target) => {
    const outside = tempDir();
    writeFileSync(join(outside, 'secret'), 'secret', { mode: 0o600 });
    const link: TarEntry = { path: 'out', type: 'symlink', linkname: target(outside) };
    const attacks: readonly TarEntry[] = [
      { path: 'out/file', data: 'written' },
      { path: 'out/new', type: 'directory', mode: 0o777 },
      { path: 'stolen', type: 'hardlink', linkname: 'out/secret' },
    ];
    for (const [index, attack] of attacks.entries()) {
      const file = fileOf(`attack-${index}`, [link, attack]);
      const [byNode, byTar] = [join(tempDir(), 'node'), join(tempDir(), 'tar')];
      await expect(extractWithNode(file, byNode)).rejects.toMatchObject({ code: 'ERR_UNSAFE_PATH' });
      await withEngine({}, async (engine) => {
        // Refused while it is fetched, or while it is unpacked.
        const extracting = engine
          .fetch({ image: file })
          .then(({ id }) => engine.extractImage(id, { directory: byTar }));
        await expect(extracting).rejects.toMatchObject({ name: 'FetchError' });
      });
      expect(existsSync(byTar)).toBe(false);
      expect(existsSync(join(byNode, 'rootfs', 'stolen'))).toBe(false);
    }
    expect(readdirSync(outside)).toEqual(['secret']);
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret');
  });
});
