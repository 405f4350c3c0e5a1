/** A real root file system as an OCI image of several layers, with everything in it that layers can hold. */

import { createHash } from 'node:crypto';
import {
  linkSync,
  lutimesSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildTar, type TarEntry } from '../../support/images/tar.js';
import { runTool } from '../../support/process.js';
import { buildRootfs, cachedFolder, copyTree, type RootfsPart } from '../../support/rootfs.js';
import { umociConfig, umociInit, umociLayers } from '../../support/umoci.js';

export interface LayeredImage {
  /** Folder of the OCI layout; shared between runs, not to be changed. */
  readonly layout: string;
  /** Five layers of which each entry alone says what is hidden. */
  readonly plainRef: string;
  /** The same with a sixth layer whose entries need those around and below them. */
  readonly oddRef: string;
}

const PLAIN_REF = 'plain';
const ODD_REF = 'odd';

/** Of the first layer; the second has the others. */
const BASE_PARTS: readonly string[] = ['base-files', 'libc6', 'bash', 'coreutils', 'host'];
/** Left out where half of the size shows the same. */
const BULKY_PARTS: readonly string[] = ['coreutils', 'dpkg', 'tar', 'e2fsprogs'];

/** The image of the cache, made there when this file or the root file system is another one than before. */
export async function layeredImage(size: 'small' | 'whole' = 'small'): Promise<LayeredImage> {
  const rootfs = await buildRootfs();
  const key = createHash('sha256')
    .update(readFileSync(fileURLToPath(import.meta.url)))
    .update(`${basename(dirname(rootfs.dir))} ${size}`)
    .digest('hex')
    .slice(0, 16);
  const parts = rootfs.parts.filter(({ name }) => size === 'whole' || !BULKY_PARTS.includes(name));
  const target = await cachedFolder(`layers-${key}`, (work) => buildInto(work, parts));
  return { layout: join(target, 'layout'), plainRef: PLAIN_REF, oddRef: ODD_REF };
}

async function buildInto(work: string, parts: readonly RootfsPart[]): Promise<void> {
  const [layout, bundle] = [join(work, 'layout'), join(work, 'bundle')];
  const isBase = ({ name }: RootfsPart): boolean => BASE_PARTS.includes(name);
  await umociInit(layout);
  await umociLayers(layout, PLAIN_REF, bundle, [
    (root) => copyParts(parts.filter(isBase), root),
    async (root) => {
      await copyParts(
        parts.filter((part) => !isBase(part)),
        root,
      );
      await addSpecialFiles(root);
    },
    changeThings,
    removeThings,
  ]);
  rmSync(bundle, { recursive: true });
  await addLayer(work, PLAIN_REF, opaqueLayer());
  await umociConfig(layout, PLAIN_REF, ['--config.cmd', '/bin/bash', '--config.env', 'PATH=/usr/bin:/bin']);
  await runTool('umoci', ['tag', '--image', `${layout}:${PLAIN_REF}`, ODD_REF]);
  await addLayer(work, ODD_REF, oddLayer());
}

async function copyParts(parts: readonly RootfsPart[], root: string): Promise<void> {
  for (const { dir } of parts) await copyTree(dir, root);
}

/** umoci writes layers of its own only as differences of trees; this one goes in byte for byte. */
async function addLayer(work: string, ref: string, entries: readonly TarEntry[]): Promise<void> {
  const file = join(work, 'layer.tar');
  writeFileSync(file, buildTar(entries));
  await runTool('umoci', ['raw', 'add-layer', '--image', `${join(work, 'layout')}:${ref}`, file]);
  rmSync(file);
}

/** Owners, modes, attributes, kinds of files, and names that need extended headers. */
async function addSpecialFiles(root: string): Promise<void> {
  const dir = join(root, 'special');
  const at = (name: string): string => join(dir, name);
  for (const name of ['dev', 'removed/deep/er', 'replaced', 'opaque/old-dir', 'opaque-unnamed', 'linked-dir'])
    mkdirSync(at(name), { recursive: true });
  for (const name of ['setuid', 'setgid', 'mode-0', 'owned', 'capable', 'marked', 'to-directory', 'to-link'])
    writeFileSync(at(name), `${name}\n`);
  for (const name of ['removed/deep/er/file', 'replaced/file', 'opaque/old', 'opaque/old-dir/file'])
    writeFileSync(at(name), name);
  for (const name of ['opaque-unnamed/old', 'hidden', 'twice', 'linked', 'linked-dir/inside'])
    writeFileSync(at(name), name);
  writeFileSync(at('empty'), '');
  writeFileSync(at('sparse'), 'start');
  truncateSync(at('sparse'), 3 * 1024 * 1024 + 1);
  writeFileSync(at('n'.repeat(255)), 'a long name');
  writeFileSync(at('gr\u00fc\u00dfe \u2603\n"x"'), 'a name of many scripts');
  writeFileSync(Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0x66, 0xff, 0xfe])]), 'no UTF-8');
  const deep = at(Array.from({ length: 4 }, (_, index) => `${index}`.repeat(90)).join('/'));
  mkdirSync(deep, { recursive: true });
  writeFileSync(join(deep, 'file'), 'deep');
  for (const name of ['hard-a', 'hard-b', '0-first']) linkSync(at('owned'), at(name));
  symlinkSync('../special/owned', at('link'));
  symlinkSync(`/${'long/'.repeat(40)}target`, at('long-link'));
  symlinkSync('nowhere', at('dangling'));
  symlinkSync('linked-dir', at('dir-link'));
  await runTool('mkfifo', ['-m', '620', at('fifo')]);
  await runTool('mknod', ['-m', '666', at('dev/null'), 'c', '1', '3']);
  await runTool('mknod', ['-m', '660', at('dev/disk'), 'b', '259', '65537']);
  await runTool('chmod', ['4755', at('setuid')]);
  await runTool('chmod', ['2755', at('setgid')]);
  await runTool('chmod', ['0', at('mode-0')]);
  await runTool('chmod', ['3777', at('dev')]);
  await runTool('chown', ['-h', '4000000000:3000000', at('owned'), at('dangling')]);
  const capability = '0x0100000200200000000000000000000000000000';
  await runTool('setfattr', ['-n', 'security.capability', '-v', capability, at('capable')]);
  await runTool('setfattr', ['-n', 'user.mark', '-v', '0x00ff3d0a', at('marked'), at('dev')]);
  await runTool('touch', ['-h', '-d', '2001-02-03 04:05:06.789012345 UTC', at('marked'), at('dangling')]);
  await runTool('touch', ['-d', '1969-12-31 23:59:58 UTC', at('empty')]);
}

/** The third layer: other content, metadata alone, and other types. */
function changeThings(root: string): void {
  const at = (name: string): string => join(root, 'special', name);
  writeFileSync(at('twice'), 'changed');
  rmSync(at('to-directory'));
  mkdirSync(at('to-directory'));
  writeFileSync(join(at('to-directory'), 'file'), 'now below');
  rmSync(at('to-link'));
  symlinkSync('owned', at('to-link'));
  rmSync(at('replaced'), { recursive: true });
  writeFileSync(at('replaced'), 'a directory before');
  rmSync(at('link'));
  symlinkSync('elsewhere', at('link'));
  lutimesSync(at('link'), 1_500_000_000, 1_500_000_000);
  writeFileSync(join(root, 'etc', 'motd'), 'hello\n', { mode: 0o640 });
}

/** The fourth layer: whiteouts, also of directories and of one name of a hard-linked file. */
function removeThings(root: string): void {
  const gone = ['special/removed', 'special/hard-a', 'special/twice', 'usr/share/doc', 'etc/motd'];
  for (const name of gone) rmSync(join(root, name), { recursive: true, force: true });
}

/** After the whiteouts in it, because umoci lets them change its time. */
const SPECIAL: TarEntry = { path: 'special', type: 'directory', mode: 0o750, mtime: 1_400_000_000 };

/** The fifth layer: opaque directories, named and not, and times and owners that umoci does not write. */
function opaqueLayer(): TarEntry[] {
  return [
    { path: 'special/opaque', type: 'directory', uid: 7, gid: 8, mtime: 1_400_000_001 },
    { path: 'special/opaque/new', data: 'new' },
    { path: 'special/opaque/.wh..wh..opq' },
    { path: 'special/opaque-unnamed/.wh..wh..opq' },
    { path: 'special/opaque-unnamed/new', data: 'new' },
    { path: 'special/.wh.hidden' },
    { path: 'special/exact-time', pax: { mtime: '1600000000.123456789' } },
    { path: 'special/old-time', pax: { mtime: '-12345.5' } },
    { path: 'special/future', mtime: 4_000_000_000 },
    { path: 'special/base-256', uid: 4_000_000_000, gid: 3_000_000_000, format: 'gnu' },
    { path: `special/${'gnu'.repeat(60)}`, type: 'directory', format: 'gnu' },
    { path: `special/${'gnu'.repeat(60)}/file`, data: 'a long GNU name', format: 'gnu' },
    { path: 'special/attributes', xattrs: { 'user.two\nlines': 'v=1\nw', 'user.b': Buffer.from([0, 255]) } },
    { path: 'special/linked-dir/first', data: 'with names in one layer', mode: 0o4711, uid: 12 },
    { path: 'special/linked-dir/second', type: 'hardlink', linkname: 'special/linked-dir/first' },
    SPECIAL,
  ];
}

/** The sixth layer: what only a look at the whole image tells. */
function oddLayer(): TarEntry[] {
  return [
    { path: './special/dir-link/through', data: 'written through a link', mtime: 1_450_000_000 },
    { path: 'special/lower-link', type: 'hardlink', linkname: 'special/linked' },
    { path: 'special/duplicate', data: 'first' },
    { path: 'special/duplicate', data: 'the last one counts', mode: 0o600 },
    { path: 'special/again', data: 'there all the same' },
    { path: 'special/.wh.again' },
    { path: 'special/.wh.owned' },
    { path: 'usr/share/base-files/../../../special//./dots', data: 'normalized' },
    SPECIAL,
  ];
}
