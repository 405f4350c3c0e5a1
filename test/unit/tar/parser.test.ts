/** Archives of every format: what is read, and what is refused. */

import { describe, expect, it } from 'vitest';
import { buildTar, patternBytes, paxEntry, type TarEntry } from '../../support/images/tar.js';
import { readTar, tryReadTar } from './read-tar.js';

const invalid = { code: 'ERR_TAR_INVALID' };
const errorOf = (entries: readonly TarEntry[]): unknown => tryReadTar(buildTar(entries)).error;

describe('a tar parser', () => {
  it('hands out every kind of entry with its fields and content', () => {
    const mtime = 1_500_000_000;
    const [folder, file, hard, soft, char, block, fifo, contiguous] = readTar(
      buildTar([
        { path: 'd', type: 'directory', mode: 0o1755, mtime },
        { path: 'd/f', data: 'hello', mode: 0o4711, uid: 12, gid: 34, mtime },
        { path: 'd/h', type: 'hardlink', linkname: 'd/f', mtime },
        { path: 'd/s', type: 'symlink', linkname: '../x', mtime },
        { path: 'd/c', type: 'character', devmajor: 5, devminor: 6, mtime },
        { path: 'd/b', type: 'block', devmajor: 7, devminor: 8, mtime },
        { path: 'd/p', type: 'fifo', mtime },
        { path: 'd/7', type: 'contiguous', data: 'x', mtime },
      ]),
    );
    expect(folder).toMatchObject({
      path: 'd/',
      type: 'directory',
      mode: 0o1755,
      mtimeSeconds: mtime,
      sizeBytes: 0,
    });
    expect(file).toMatchObject({
      path: 'd/f',
      type: 'file',
      mode: 0o4711,
      uid: 12,
      gid: 34,
      sizeBytes: 5,
      linkPath: '',
    });
    expect(file?.content.toString()).toBe('hello');
    expect(hard).toMatchObject({ type: 'hardlink', linkPath: 'd/f', sizeBytes: 0 });
    expect(soft).toMatchObject({ type: 'symlink', linkPath: '../x' });
    expect(char).toMatchObject({ type: 'char', deviceMajor: 5, deviceMinor: 6 });
    expect(block).toMatchObject({ type: 'block', deviceMajor: 7, deviceMinor: 8 });
    expect(fifo).toMatchObject({ type: 'fifo', deviceMajor: 0, deviceMinor: 0 });
    expect(contiguous).toMatchObject({ type: 'file', content: Buffer.from('x') });
  });

  it.each(['pax', 'gnu'] as const)('reads long names and links in %s format', (format) => {
    const path = `${'folder/'.repeat(50)}${'n'.repeat(150)}`;
    const linkname = `${'target/'.repeat(50)}t`;
    const [entry, next] = readTar(
      buildTar([
        { path, type: 'symlink', linkname, format },
        { path: 'next', data: 'x' },
      ]),
    );
    expect(entry).toMatchObject({ path, linkPath: linkname });
    expect(next).toMatchObject({ path: 'next', linkPath: '', content: Buffer.from('x') });
  });

  it('joins the prefix and the name of a ustar header', () => {
    const path = `${'p'.repeat(150)}/${'n'.repeat(99)}`;
    const archive = buildTar([{ path, data: 'x' }]);
    expect(archive.length).toBe(4 * 512);
    expect(readTar(archive)[0]?.path).toBe(path);
  });

  it('takes no prefix from a GNU header, which keeps other things there', () => {
    const [entry] = readTar(
      buildTar([
        { path: 'name', format: 'gnu', patch: (header) => header.write('14000000000\0', 345, 'latin1') },
      ]),
    );
    expect(entry?.path).toBe('name');
  });

  it('reads names that fill their field without a NUL', () => {
    const [entry] = readTar(
      buildTar([{ path: 'n'.repeat(100), type: 'symlink', linkname: 'l'.repeat(100) }]),
    );
    expect(entry).toMatchObject({ path: 'n'.repeat(100), linkPath: 'l'.repeat(100) });
  });

  it('keeps names that are not UTF-8 as they are', () => {
    const path = Buffer.from([0x61, 0xff, 0x2f, 0xe9]);
    expect(readTar(buildTar([{ path, format: 'gnu' }]))[0]?.path).toBe('a\xff/\xe9');
  });

  it('reads numbers in base 256', () => {
    const [entry] = readTar(
      buildTar([{ path: 'f', uid: 2 ** 31, gid: 4_294_967_294, mtime: -(2 ** 33), format: 'gnu' }]),
    );
    expect(entry).toMatchObject({ uid: 2 ** 31, gid: 4_294_967_294, mtimeSeconds: -(2 ** 33) });
  });

  it('reads a size in base 256, and knows it before the content', () => {
    const archive = buildTar([{ path: 'f', data: 'x', size: 2 ** 40, format: 'gnu' }]);
    const { entries, error } = tryReadTar(archive.subarray(0, 512));
    expect(entries[0]?.sizeBytes).toBe(2 ** 40);
    expect(error).toMatchObject(invalid);
  });

  it('takes numbers with spaces, NULs or nothing in their field', () => {
    const patch = (header: Buffer): void => {
      header.write('   644 \0', 100, 'latin1');
      header.write('12 \0\0\0\0\0', 108, 'latin1');
      header.write('\0\0\0\0\0\0\0\0', 116, 'latin1');
      header.write('    5     \0 ', 124, 'latin1');
      header.write('            ', 136, 'latin1');
    };
    const [entry] = readTar(buildTar([{ path: 'f', data: 'hello', patch }]));
    expect(entry).toMatchObject({ mode: 0o644, uid: 0o12, gid: 0, sizeBytes: 5, mtimeSeconds: 0 });
  });

  it('leaves the file type bits of a mode out', () => {
    const patch = (header: Buffer): void => void header.write('0100755\0', 100, 'latin1');
    expect(readTar(buildTar([{ path: 'f', patch }]))[0]?.mode).toBe(0o755);
  });

  it('reads version 7 archives, where a slash makes a folder', () => {
    const patch = (header: Buffer): void => void header.fill(0, 257);
    const entries = readTar(
      buildTar([
        { path: 'd/', typeflag: '\0', patch },
        { path: 'd/f', typeflag: '\0', data: 'x', patch },
      ]),
    );
    expect(entries.map(({ path, type }) => [path, type])).toEqual([
      ['d/', 'directory'],
      ['d/f', 'file'],
    ]);
  });

  it('takes a checksum of signed bytes', () => {
    const archive = buildTar([{ path: Buffer.from([0xff, 0xfe, 0x80]) }]);
    const block = archive.subarray(0, 512);
    const sum = block.reduce(
      (total, byte, at) => total + (at >= 148 && at < 156 ? 32 : (byte << 24) >> 24),
      0,
    );
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    expect(readTar(archive)[0]?.path).toBe('\xff\xfe\x80');
  });

  it.each(['symlink', 'hardlink', 'character', 'block', 'directory', 'fifo'] as const)(
    'sees no content after a %s, whatever its size field says',
    (type) => {
      const odd: TarEntry = { path: 'odd', type, linkname: 'x', size: 4096 };
      const pax: TarEntry = { ...odd, pax: { size: '4096' } };
      for (const first of [odd, pax]) {
        const entries = readTar(buildTar([first, { path: 'next', data: 'x' }]));
        expect(entries.map(({ sizeBytes, content }) => [sizeBytes, content.toString()])).toEqual([
          [0, ''],
          [1, 'x'],
        ]);
      }
    },
  );

  it('lets PAX records win over the header', () => {
    const pax = {
      path: 'new',
      linkpath: 'to',
      uid: '9',
      gid: '8',
      size: '3',
      mtime: '7.5',
      comment: 'x',
      atime: '1',
    };
    const [entry] = readTar(buildTar([{ path: 'old', uid: 1, gid: 1, data: 'abc', size: 1, mtime: 1, pax }]));
    const expected = {
      path: 'new',
      uid: 9,
      gid: 8,
      sizeBytes: 3,
      mtimeSeconds: 7,
      mtimeNanoseconds: 500_000_000,
    };
    expect(entry).toMatchObject({ ...expected, content: Buffer.from('abc'), linkPath: '' });
  });

  it('takes the names of GNU entries, and the sparse name before them, where PAX records have others', () => {
    const long = Buffer.alloc(120, 'g').toString();
    const link = { path: long, type: 'hardlink', linkname: `${long}t`, format: 'gnu' } as const;
    const record = { raw: Buffer.concat(paxEntry({ path: 'pax' }, 'x')) };
    const [after, before, sparse] = readTar(
      buildTar([
        { ...link, pax: { path: 'pax', linkpath: 'pax' } },
        record,
        link,
        { path: long, format: 'gnu', pax: { 'GNU.sparse.name': 's', 'GNU.sparse.size': '0' } },
      ]),
    );
    for (const entry of [after, before]) expect(entry).toMatchObject({ path: long, linkPath: `${long}t` });
    expect(sparse?.path).toBe('s');
  });

  it('takes the header where a PAX record is empty', () => {
    const pax = { path: '', uid: '', size: '', mtime: '' };
    const [entry] = readTar(buildTar([{ path: 'f', uid: 5, mtime: 6, data: 'x', pax }]));
    expect(entry).toMatchObject({ path: 'f', uid: 5, mtimeSeconds: 6, sizeBytes: 1 });
  });

  it('uses PAX records for the next entry only', () => {
    const [, next] = readTar(
      buildTar([
        { path: 'a', xattrs: { 'user.x': '1' }, pax: { uid: '77' } },
        { path: 'b', uid: 1 },
      ]),
    );
    expect(next).toMatchObject({ path: 'b', uid: 1, xattrs: new Map() });
  });

  it('gives extended attributes as bytes', () => {
    const value = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const [entry] = readTar(buildTar([{ path: 'f', xattrs: { 'user.all': value, 'user.none': '' } }]));
    expect(entry?.xattrs).toEqual(
      new Map([
        ['user.all', value.toString('latin1')],
        ['user.none', ''],
      ]),
    );
  });

  it('leaves global PAX records out', () => {
    const raw = Buffer.concat(paxEntry({ path: 'global', uid: '9', comment: 'x' }, 'g'));
    const entries = readTar(buildTar([{ raw }, { path: 'a' }, { raw }, { path: 'b' }]));
    expect(entries.map(({ path, uid }) => [path, uid])).toEqual([
      ['a', 0],
      ['b', 0],
    ]);
  });

  it('tells where content starts', () => {
    const archive = buildTar([
      { path: 'a', data: patternBytes(700) },
      { path: 'p'.repeat(300), data: patternBytes(1) },
      { path: 'b', type: 'directory' },
    ]);
    const offsets = readTar(archive).map(({ contentOffset }) => contentOffset);
    expect(offsets).toEqual([512, 512 + 1024 + 512 + 512 + 512, 512 + 1024 + 2048 + 512]);
    expect(readTar(archive, [1]).map(({ contentOffset }) => contentOffset)).toEqual(offsets);
  });

  it('ignores what stands after the end', () => {
    const archive = Buffer.concat([
      buildTar([{ path: 'a' }]),
      Buffer.from('anything'),
      buildTar([{ path: 'b' }]),
    ]);
    expect(readTar(archive).map(({ path }) => path)).toEqual(['a']);
  });

  it('needs no zero blocks, nor the padding of the last entry', () => {
    const archive = buildTar([{ path: 'a', data: 'xyz' }]);
    for (const length of [512 + 3, 512 + 4, 1024, 1536, 2048]) {
      expect(readTar(archive.subarray(0, length))).toMatchObject([
        { path: 'a', content: Buffer.from('xyz') },
      ]);
    }
  });

  it('takes an empty archive', () => {
    expect(readTar(Buffer.alloc(0))).toEqual([]);
    expect(readTar(buildTar([]))).toEqual([]);
    expect(readTar(buildTar([], { endBlocks: 1 }))).toEqual([]);
  });

  it.each<[string, TarEntry]>([
    ['a wrong checksum', { path: 'a', badChecksum: true }],
    ['a block of text', { raw: Buffer.alloc(512, 'text') }],
    ['an empty name', { path: '' }],
    ['a symbolic link without a target', { path: 'a', type: 'symlink' }],
    ['a hard link without a target', { path: 'a', type: 'hardlink' }],
    ['a GNU multi-volume part', { path: 'a', typeflag: 'M' }],
    ['a type of its own', { path: 'a', typeflag: 'Z' }],
    ['a mode in words', { path: 'a', patch: (header) => void header.write('rwxrwxr\0', 100, 'latin1') }],
    [
      'a size with a digit that is not octal',
      { path: 'a', patch: (header) => void header.write('00000000008\0', 124) },
    ],
    ['a negative octal number', { path: 'a', patch: (header) => void header.write('-000001\0', 108) }],
    ['a negative size', { path: 'a', patch: (header) => void header.fill(0xff, 124, 136) }],
    ['a size over 2^53', { path: 'a', patch: (header) => void header.fill(0x80, 124, 136) }],
    ['a negative owner', { path: 'a', patch: (header) => void header.fill(0xff, 108, 116) }],
    ['a negative PAX size', { path: 'a', pax: { size: '-1' } }],
    ['a PAX size that is no number', { path: 'a', pax: { size: '1k' } }],
    ['a PAX time that is none', { path: 'a', pax: { mtime: 'now' } }],
    ['a PAX path with a NUL', { path: 'a', pax: { path: 'a\0b' } }],
    ['a malformed PAX header', { path: 'a', typeflag: 'x', data: 'nonsense' }],
    ['a malformed global PAX header', { path: 'a', typeflag: 'g', data: '99 a=b\n' }],
  ])('refuses %s', (_, entry) => {
    expect(errorOf([{ path: 'before', data: 'x' }, entry, { path: 'after' }])).toMatchObject(invalid);
  });

  it.each(['x', 'g', 'L', 'K'])(
    'refuses an extension of type %s over a mebibyte before reading it',
    (typeflag) => {
      const [first] = [buildTar([{ path: 'a', typeflag, data: '', size: 1024 * 1024 + 1 }]).subarray(0, 512)];
      expect(tryReadTar(first).error).toMatchObject({ code: 'ERR_LIMIT' });
    },
  );

  it('reads an extension of just under a mebibyte', () => {
    const value = 'v'.repeat(1024 * 1024 - 100);
    const [entry] = readTar(buildTar([{ path: 'a', xattrs: { a: value } }]));
    expect(entry?.xattrs.get('a')).toBe(value);
  });

  it.each<[string, TarEntry]>([
    ['PAX records', { raw: Buffer.concat(paxEntry({ path: 'lost' }, 'x')) }],
    ['a long name', { path: 'x', typeflag: 'L', data: 'lost' }],
    ['a long link', { path: 'x', typeflag: 'K', data: 'lost' }],
  ])('refuses an archive that ends after %s', (_, entry) => {
    const archive = buildTar([entry], { endBlocks: 0 });
    expect(tryReadTar(archive).error).toMatchObject(invalid);
  });
});
