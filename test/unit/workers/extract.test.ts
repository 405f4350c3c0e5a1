/** Unpacking an image: both ways give the tree that GNU tar gives, and neither writes outside of the folder. */

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeEntry } from '../../../src/tar/entry.js';
import { createTarParser } from '../../../src/tar/parser.js';
import { normalizePath } from '../../../src/tar/path.js';
import { nodeSink } from '../../../workers/extract-node.js';
import type { ExtractSink } from '../../../workers/extract-sink.js';
import { findSystemTar, systemTarSink } from '../../../workers/extract-tar.js';
import { buildAci } from '../../support/images/aci.js';
import { buildTar, type TarEntry } from '../../support/images/tar.js';
import { inlineRunner } from '../../support/layer-assembly.js';
import { extractWithTar } from '../../support/tar-tool.js';
import { tempDir } from '../../support/temp.js';
import { hasTool, isRoot } from '../../support/tools.js';
import { describeTree, diffTrees } from '../../support/tree.js';

const NEVER = new AbortController().signal;
const NAME = 'example.test/app';

const ORDINARY: readonly TarEntry[] = [
  { path: 'd', type: 'directory', mode: 0o1750, mtime: 1_400_000_000 },
  { path: 'd/file', data: 'content', mode: 0o4755, uid: 12, gid: 34, mtime: 1_500_000_000.25 },
  { path: 'd/empty', mode: 0, mtime: 1_500_000_001 },
  {
    path: 'd/hard',
    type: 'hardlink',
    linkname: 'd/file',
    mode: 0o4755,
    uid: 12,
    gid: 34,
    mtime: 1_500_000_000.25,
  },
  { path: 'd/soft', type: 'symlink', linkname: '../etc/none', mtime: 1_500_000_002 },
  { path: 'no/entries/above', data: 'x', mtime: 1_500_000_003 },
  { path: `long/${'n'.repeat(200)}`, data: 'x', mtime: 1_500_000_004 },
  { path: 'gr\u00fc\u00dfe', data: 'x', mtime: 1_500_000_005 },
  { path: 'old', data: 'x', mtime: -1000 },
];

/** Folders that no entry tells the time of. */
const IMPLIED = [/^no(\/entries)?$/, /^long$/, /^\.$/];

interface Extraction {
  readonly directory: string;
  readonly notKept: readonly string[];
}

async function extract(
  aci: Buffer,
  { rootfsOnly = true, id = `sha512-${createHash('sha512').update(aci).digest('hex')}` } = {},
): Promise<Extraction> {
  const directory = tempDir('extract-');
  const file = join(tempDir(), 'a.aci');
  writeFileSync(file, aci);
  const parts = [{ bytes: aci.subarray(0, 600) }, { file, offset: 600, sizeBytes: aci.length - 600 }];
  const { notKept } = await inlineRunner.run(
    'extract',
    { parts, id, directory, rootfsOnly },
    { signal: NEVER },
  );
  return { directory, notKept };
}

/** Entries through a sink, as the task hands them over. */
async function extractThrough(sink: ExtractSink, archive: Buffer): Promise<string[]> {
  const parser = createTarParser({
    entry: (entry) =>
      sink.entry({
        ...entry,
        path: normalizePath(entry.path) || '.',
        linkPath: entry.type === 'hardlink' ? normalizePath(entry.linkPath) : entry.linkPath,
      }),
    data: (chunk) => sink.data(Buffer.from(chunk)),
    hole: (sizeBytes) => sink.hole(sizeBytes),
    entryEnd: () => sink.entryEnd(),
  });
  parser.push(archive);
  await sink.drained(NEVER);
  return sink.finish();
}

describe.runIf(hasTool('tar'))('an image', () => {
  it('is unpacked with its manifest, or its root alone', async () => {
    const aci = buildAci({ name: NAME, entries: ORDINARY });
    const whole = await extract(aci, { rootfsOnly: false });
    expect(readdirSync(whole.directory).sort()).toEqual(['manifest', 'rootfs']);
    const root = await extract(aci);
    const expected = join(tempDir(), 'expected');
    const archive = join(tempDir(), 'a.tar');
    writeFileSync(archive, aci);
    await extractWithTar(archive, expected);
    const tree = await describeTree(join(expected, 'rootfs'));
    expect(diffTrees(tree, await describeTree(join(whole.directory, 'rootfs')), { ignore: IMPLIED })).toEqual(
      [],
    );
    expect(diffTrees(tree, await describeTree(root.directory), { ignore: IMPLIED })).toEqual([]);
  });

  it('is not the one that was asked for: damaged', async () => {
    const aci = buildAci({ name: NAME, entries: ORDINARY });
    const id = `sha512-${'0'.repeat(128)}`;
    await expect(extract(aci, { id })).rejects.toMatchObject({ code: 'ERR_STORE_DAMAGED' });
  });

  it('that ends early is refused', async () => {
    const aci = buildAci({ name: NAME, entries: [{ path: 'a', data: 'x'.repeat(2000) }] });
    const cut = aci.subarray(0, aci.length - 1024 - 600);
    await expect(extract(cut)).rejects.toMatchObject({ code: 'ERR_STORE_DAMAGED' });
  });

  it.each<[string, TarEntry, boolean]>([
    ['a path that leaves it', { path: 'rootfs/../../x', data: 'x' }, false],
    ['a hard link that leaves it', { path: 'rootfs/h', type: 'hardlink', linkname: '../x' }, false],
    ['a hard link to its manifest', { path: 'rootfs/h', type: 'hardlink', linkname: 'manifest' }, true],
  ])('with %s is refused', async (_, entry, rootfsOnly) => {
    const manifest: TarEntry = { path: 'manifest', data: '{}' };
    const aci = buildTar([manifest, { path: 'rootfs', type: 'directory' }, entry]);
    await expect(extract(aci, { rootfsOnly })).rejects.toMatchObject({ code: 'ERR_UNSAFE_PATH' });
  });

  it('is not unpacked after an abort', async () => {
    const aci = buildAci({ name: NAME, entries: ORDINARY });
    const input = { parts: [{ bytes: aci }], id: 'x', directory: tempDir(), rootfsOnly: true };
    const extracting = inlineRunner.run('extract', input, { signal: AbortSignal.abort() });
    await expect(extracting).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

const program = await findSystemTar();
const SINKS: readonly (readonly [string, (directory: string) => ExtractSink])[] = [
  ['Node alone', nodeSink],
  ...(program === undefined
    ? []
    : [['GNU tar', (directory: string) => systemTarSink(program, directory)] as const]),
];

describe.each(SINKS)('unpacking with %s', (name, sinkFor) => {
  it.runIf(hasTool('tar'))('gives the tree that tar gives', async () => {
    const [directory, expected] = [tempDir('extract-'), join(tempDir(), 'expected')];
    const archive = join(tempDir(), 'a.tar');
    writeFileSync(archive, buildTar(ORDINARY));
    await extractWithTar(archive, expected);
    const notKept = await extractThrough(sinkFor(directory), buildTar(ORDINARY));
    const trees = [await describeTree(expected), await describeTree(directory)] as const;
    expect(diffTrees(...trees, { ignore: IMPLIED })).toEqual([]);
    expect(notKept.length).toBe(isRoot() ? 0 : 1);
  });

  it('fills the holes of sparse files with zeros', async () => {
    const directory = tempDir('extract-');
    const pax = { 'GNU.sparse.size': '3000000', 'GNU.sparse.map': '0,1,2000000,2' };
    await extractThrough(
      sinkFor(directory),
      buildTar([
        { path: 'f', pax, data: 'abc' },
        { path: 'g', data: 'd' },
      ]),
    );
    const expected = Buffer.alloc(3_000_000);
    expected.write('a');
    expected.write('bc', 2_000_000);
    expect(readFileSync(join(directory, 'f')).equals(expected)).toBe(true);
    expect(readFileSync(join(directory, 'g'), 'utf8')).toBe('d');
  });

  it('ends soon after an abort in the middle of a large hole', async () => {
    const sink = sinkFor(tempDir('extract-'));
    const sizeBytes = 2 ** 40;
    sink.entry(makeEntry({ path: 'f', type: 'file', sizeBytes }));
    sink.hole(sizeBytes);
    // Where a hole takes no time there is no middle.
    const outcome = await sink.drained(AbortSignal.timeout(20)).catch((error: unknown) => error);
    if (outcome !== undefined) expect(outcome).toMatchObject({ code: 'ERR_ABORTED' });
    await sink.abort();
  });

  it('writes nothing through links that lead out of the folder', async () => {
    for (const linkname of ['PARENT/outside', '../outside']) {
      const parent = tempDir('extract-');
      const [directory, outside] = [join(parent, 'inside'), join(parent, 'outside')];
      mkdirSync(directory);
      mkdirSync(outside);
      writeFileSync(join(outside, 'kept'), 'as it was');
      const archive = buildTar([
        { path: 'l', type: 'symlink', linkname: linkname.replace('PARENT', parent) },
        { path: 'l/new', data: 'x' },
        { path: 'l/kept', data: 'overwritten' },
      ]);
      const sink = sinkFor(directory);
      await extractThrough(sink, archive).catch(() => sink.abort());
      expect(readdirSync(outside)).toEqual(['kept']);
      expect((await describeTree(outside)).get('kept')?.size).toBe('as it was'.length);
      rmSync(parent, { recursive: true });
    }
  });

  it('says what it did not keep', async () => {
    const archive = buildTar([
      { path: 'null', type: 'character', devmajor: 1, devminor: 3 },
      { path: 'pipe', type: 'fifo' },
      { path: 'attr', data: 'x', xattrs: { 'user.x': '1' } },
    ]);
    const notKept = await extractThrough(sinkFor(tempDir('extract-')), archive);
    if (name === 'Node alone') expect(notKept.length).toBe(isRoot() ? 2 : 3);
    else expect(notKept.length).toBe(isRoot() ? 0 : 2);
  });
});
