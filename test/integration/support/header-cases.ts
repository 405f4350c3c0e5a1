/** Rows of the conformance suite: what the header of an entry can say, in every format that says it. */

import { buildTar, type NamedEntry, paxEntry, type TarEntry } from '../../support/images/tar.js';
import { aFile, dir, file, type LayerCase, link, symlink } from './layer-case.js';

const judgedByUmoci = (title: string, ...entries: readonly TarEntry[]): LayerCase => ({
  title,
  layers: [entries],
  judge: 'umoci',
});

const NUMBERS: readonly LayerCase[] = [
  judgedByUmoci(
    'owners beyond 2^21 in PAX records and in base 256',
    file('pax', '', { uid: 2_097_152, gid: 4_294_967_294 }),
    file('gnu', '', { uid: 2_097_152, gid: 4_294_967_294, format: 'gnu' }),
    dir('d', { uid: 3_000_000_000, gid: 2_097_151 }),
    { path: 's', type: 'symlink', linkname: 'x', uid: 3_000_000_000 },
  ),
  judgedByUmoci(
    'modes with every bit, and with more than permissions',
    file('all', '', { mode: 0o7777 }),
    file('none', '', { mode: 0 }),
    dir('sticky', { mode: 0o1777 }),
    dir('setgid', { mode: 0o2750 }),
    file('stat', '', { mode: 0o100_640 }),
  ),
  judgedByUmoci(
    'times with fractions, before 1970 and far away, of every kind of entry',
    file('fraction', '', { pax: { mtime: '1600000000.123456789' } }),
    file('more-digits', '', { pax: { mtime: '1600000000.1234567899' } }),
    file('few-digits', '', { pax: { mtime: '1600000000.5' } }),
    file('early', '', { pax: { mtime: '-1.25' } }),
    file('early-gnu', '', { patch: (header) => header.fill(0xff, 136, 148) }),
    file('first', '', { mtime: 0 }),
    file('far', '', { mtime: 4_000_000_000.5 }),
    dir('d', { pax: { mtime: '1500000000.25' } }),
    file('d/in'),
    { path: 's', type: 'symlink', linkname: 'x', pax: { mtime: '1400000000.75' } },
    { path: 'p', type: 'fifo', pax: { mtime: '-3.5' } },
  ),
  judgedByUmoci(
    'sizes about a block, and a size that only a PAX record has',
    ...[0, 1, 511, 512, 513, 1024, 70_000].map((size) => ({ path: `of-${size}`, size })),
    file('by-record', 'twelve bytes', {
      pax: { size: '12' },
      patch: (header) => header.write('0'.repeat(11), 124, 'latin1'),
    }),
  ),
  judgedByUmoci(
    'device nodes and fifos',
    { path: 'null', type: 'character', devmajor: 1, devminor: 3, mode: 0o666 },
    { path: 'disk', type: 'block', devmajor: 259, devminor: 65_537, mode: 0o660 },
    { path: 'last', type: 'character', devmajor: 4095, devminor: 1_048_575 },
    { path: 'gnu', type: 'block', devmajor: 8, devminor: 1, format: 'gnu' },
    { path: 'fifo', type: 'fifo', mode: 0o620 },
  ),
];

const LONG = 'n'.repeat(150);
const DEEP = `${'p'.repeat(120)}/${'q'.repeat(120)}`;

const NAMES: readonly LayerCase[] = [
  judgedByUmoci(
    'long names in a ustar prefix, a PAX record and a GNU entry',
    dir('p'.repeat(155)),
    file(`${'p'.repeat(155)}/${'n'.repeat(100)}`),
    dir(`pax-${LONG}`),
    file(`pax-${LONG}/${'m'.repeat(255)}`),
    file(`gnu-${LONG}`, 'gnu', { format: 'gnu' }),
    dir(`gnu-dir-${LONG}`, { format: 'gnu' }),
    file(`${DEEP}/${DEEP}/${DEEP}`, 'deep'),
  ),
  judgedByUmoci(
    'long targets of links in a PAX record and a GNU entry',
    file(LONG),
    link('pax', LONG),
    { ...link('gnu', LONG), format: 'gnu' },
    symlink('symbolic', `${'t'.repeat(200)}/`.repeat(19)),
    { ...symlink(`both-${LONG}`, `/${LONG}/${LONG}`), format: 'gnu' },
  ),
  judgedByUmoci('an old header without a magic number', {
    ...file('v7', 'seventh edition'),
    patch: (header) => header.fill(0, 257, 512),
  }),
  judgedByUmoci('an old header whose name makes it a directory', {
    path: 'v7/',
    typeflag: '\0',
    mode: 0o755,
    patch: (header) => header.fill(0, 257, 512),
  }),
  judgedByUmoci(
    'bytes that are no UTF-8 in names, targets and attributes, with and without a record that says so',
    { path: Buffer.from([0x62, 0xff]), data: 'header' },
    file('plain', 'record', { pax: { hdrcharset: 'BINARY', path: Buffer.from([0x63, 0xfe, 0x2f, 0xfd]) } }),
    { path: 's', type: 'symlink', linkname: 'x', pax: { linkpath: Buffer.from([0x74, 0xff]) } },
    { path: 'h', type: 'hardlink', linkname: 'x', pax: { linkpath: Buffer.from([0x62, 0xff]) } },
    file('attributes', '', { xattrs: { 'user.ü': Buffer.from([0xff, 0, 0xfe]) } }),
  ),
];

const XATTRS: readonly LayerCase[] = [
  judgedByUmoci(
    'extended attributes with any bytes, on files, directories and what is linked',
    file('file', '', { xattrs: { 'user.nul': Buffer.from([0, 10, 61]), 'user.a=b': '=' } }),
    dir('dir', { xattrs: { 'user.dir': 'x'.repeat(1000), 'trusted.mark': '1' } }),
    file('name', '', { xattrs: { 'user.two\nlines': 'v=1\nw' } }),
    link('second', 'file'),
  ),
  judgedByUmoci(
    'file capabilities of both versions',
    file('v2', 'x', {
      mode: 0o755,
      xattrs: { 'security.capability': Buffer.from(`0100000200200000${'00'.repeat(12)}`, 'hex') },
    }),
    file('v3', 'x', {
      mode: 0o4755,
      uid: 1,
      xattrs: { 'security.capability': Buffer.from(`0100000300200000${'00'.repeat(12)}e8030000`, 'hex') },
    }),
  ),
  {
    title: 'an attribute without a value, and a time beyond eleven octal digits',
    layers: [[file('f', '', { mtime: 10_000_000_000.5, xattrs: { 'user.empty': '', 'user.a': '1' } })]],
    judge: 'specification',
    why: 'umoci loses the attribute, as Go does, and has another time; GNU tar keeps both',
    expected: { f: { xattrs: { 'user.empty': '', 'user.a': 'MQ==' }, mtime: 10_000_000_000_500_000_000n } },
  },
  {
    title: 'attributes gone with the entry that had them',
    layers: [
      [file('f', '', { xattrs: { 'user.old': '1' } }), dir('d', { xattrs: { 'user.old': '1' } })],
      [file('f', '', { xattrs: { 'user.new': '1' } }), dir('d', { xattrs: { 'user.new': '1' } })],
    ],
    judge: 'umoci',
  },
  judgedByUmoci(
    'attributes as libarchive writes them, beside those that every program reads',
    file('both', '', { pax: { 'SCHILY.xattr.user.a': 'one', 'LIBARCHIVE.xattr.user.a': 'b25l' } }),
    file('alone', '', { pax: { 'LIBARCHIVE.xattr.user.b': 'dHdv' } }),
  ),
];

const g = (records: Readonly<Record<string, string>>): TarEntry => ({
  raw: Buffer.concat(paxEntry(records, 'g')),
});
const x = (records: Readonly<Record<string, string>>): TarEntry => ({
  raw: Buffer.concat(paxEntry(records, 'x')),
});
const gnuNamed = (name: string, pax: Readonly<Record<string, string>> = {}): NamedEntry =>
  file(name, 'gnu', { format: 'gnu', pax });

const PAX: readonly LayerCase[] = [
  judgedByUmoci(
    'records that change nothing',
    file('known', '', {
      pax: {
        atime: '1.5',
        ctime: '2.5',
        comment: 'a\nb',
        charset: 'ISO-IR 8859 1 1998',
        uname: 'u',
        gname: 'g',
      },
    }),
    file('star', '', {
      pax: { 'SCHILY.dev': '5', 'SCHILY.ino': '6', 'SCHILY.nlink': '9', 'SCHILY.fflags': 'immutable' },
    }),
    file('vendors', '', { pax: { 'LIBARCHIVE.creationtime': '3', 'MSWINDOWS.fileattr': '32', 'x.y': '=' } }),
    file('nul', '', { pax: { comment: 'a\0b', 'VENDOR.bytes': Buffer.from([0, 1, 255]) } }),
    { path: 'device', type: 'character', devmajor: 1, devminor: 3, pax: { 'SCHILY.devmajor': '7' } },
  ),
  judgedByUmoci(
    'empty records, which leave the header as it is',
    file('kept', 'kept', {
      uid: 5,
      mtime: 7,
      pax: { path: '', linkpath: '', uid: '', gid: '', size: '', mtime: '' },
    }),
  ),
  judgedByUmoci(
    'records over long names of GNU and the other way round',
    gnuNamed(`one-${LONG}`, { mtime: '5.5' }),
    x({ mtime: '6.5', uid: '77' }),
    gnuNamed(`two-${LONG}`),
    gnuNamed(`three-${LONG}`, { path: 'three-by-record' }),
    x({ path: 'four-by-record' }),
    gnuNamed(`four-${LONG}`),
  ),
  judgedByUmoci(
    'two headers of records before one entry, of which the last counts',
    x({ uid: '1', gid: '2' }),
    x({ uid: '3' }),
    file('f', ''),
  ),
  {
    title: 'records for all that follow',
    layers: [
      [
        g({ comment: '0123456789abcdef', mtime: '5', uid: '9' }),
        file('f', 'x', { uid: 1, gid: 2, mtime: 3 }),
      ],
    ],
    judge: 'specification',
    why: 'umoci refuses a global header; like Go and Docker, this program reads it and lets it change nothing',
    expected: { f: { ...aFile('x'), uid: 1, gid: 2, mtime: 3_000_000_000n } },
  },
];

/** `abc`, then 4093 zeros, then `def`, then a hole up to 10000. */
const HOLED = Buffer.concat([Buffer.from('abc'), Buffer.alloc(4093), Buffer.from('def'), Buffer.alloc(5901)]);
const STORED = 'abcdef';
const MAP = '0,3,4096,3';

const SPARSE: readonly LayerCase[] = [
  judgedByUmoci(
    'sparse files of GNU tar with a map in records',
    file('GNUSparseFile.1/one', STORED, {
      pax: {
        'GNU.sparse.name': 'one',
        'GNU.sparse.size': '10000',
        'GNU.sparse.numblocks': '2',
        'GNU.sparse.map': MAP,
      },
    }),
    file('after'),
  ),
  judgedByUmoci(
    'sparse files of GNU tar with a map before the content',
    file('GNUSparseFile.1/one', `2\n0\n3\n4096\n3\n${'\0'.repeat(499)}${STORED}`, {
      pax: {
        'GNU.sparse.major': '1',
        'GNU.sparse.minor': '0',
        'GNU.sparse.name': `one-${LONG}`,
        'GNU.sparse.realsize': '10000',
      },
    }),
    file('GNUSparseFile.1/hole', `0\n${'\0'.repeat(510)}`, {
      pax: {
        'GNU.sparse.major': '1',
        'GNU.sparse.minor': '0',
        'GNU.sparse.name': 'hole',
        'GNU.sparse.realsize': '5000',
      },
    }),
    file('after'),
  ),
  {
    title: 'sparse files of GNU tar with a map in the header, and contiguous files',
    layers: [
      [
        file('one', STORED, { typeflag: 'S', format: 'gnu', patch: gnuSparseHeader }),
        file('cont', 'contiguous', { typeflag: '7' }),
        file('after'),
      ],
    ],
    judge: 'specification',
    why: 'umoci knows neither type; GNU tar gives the same files',
    expected: { one: aFile(HOLED), cont: aFile('contiguous'), after: aFile('after') },
  },
];

function gnuSparseHeader(header: Buffer): void {
  for (const [at, value] of [0, 3, 4096, 3].entries())
    header.write(`${value.toString(8).padStart(11, '0')}\0`, 386 + at * 12, 'latin1');
  header.write(`${(10_000).toString(8).padStart(11, '0')}\0`, 483, 'latin1');
}

const one = [file('f')];

const ENDS: readonly LayerCase[] = [
  {
    title: 'a layer without the blocks at its end',
    layers: [buildTar(one, { endBlocks: 0 })],
    judge: 'umoci',
  },
  { title: 'a layer with one block at its end', layers: [buildTar(one, { endBlocks: 1 })], judge: 'umoci' },
  {
    title: 'a layer in records of 10240 bytes',
    layers: [buildTar(one, { recordBytes: 10_240 })],
    judge: 'umoci',
  },
  {
    title: 'a layer with bytes behind its end',
    layers: [Buffer.concat([buildTar(one), Buffer.from('garbage')])],
    judge: 'umoci',
  },
  {
    title: 'layers of no bytes and of one and two blocks of zeros',
    layers: [0, 512, 1024].map((size) => Buffer.alloc(size)),
    judge: 'umoci',
  },
];

export const HEADER_CASES: readonly LayerCase[] = [
  ...NUMBERS,
  ...NAMES,
  ...XATTRS,
  ...PAX,
  ...SPARSE,
  ...ENDS,
];
