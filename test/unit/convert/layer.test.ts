/** A layer converted while it streams in: canonical bytes below rootfs/, and the index of them. */

import { describe, expect, it } from 'vitest';
import { createLayerConverter, inRootfs } from '../../../src/convert/layer.js';
import { endOffset, type IndexEntry } from '../../../src/convert/layer-index.js';
import { encodeHeader } from '../../../src/tar/encode.js';
import { makeEntry } from '../../../src/tar/entry.js';
import { buildTar, patternBytes, type TarEntry } from '../../support/images/tar.js';
import { readTar } from '../tar/read-tar.js';

interface Converted {
  readonly bytes: Buffer;
  readonly index: IndexEntry[];
}

function convert(layer: Buffer, pieceBytes = layer.length): Converted {
  const chunks: Buffer[] = [];
  const index: IndexEntry[] = [];
  const converter = createLayerConverter({
    write: (bytes) => void chunks.push(Buffer.from(bytes)),
    hole: (sizeBytes) => void chunks.push(Buffer.alloc(sizeBytes)),
    index: (entry) => void index.push(entry),
  });
  for (let at = 0; at < layer.length; at += pieceBytes) {
    const piece = Buffer.from(layer.subarray(at, at + pieceBytes));
    converter.push(piece);
    piece.fill(0xee);
  }
  converter.end();
  return { bytes: Buffer.concat(chunks), index };
}

const convertEntries = (...entries: TarEntry[]): Converted => convert(buildTar(entries));

const KINDS: readonly TarEntry[] = [
  { path: './', type: 'directory' },
  { path: './d', type: 'directory', mode: 0o700, uid: 1, gid: 2 },
  { path: '/d//f', data: 'content', mode: 0o4755, mtime: 1.5, xattrs: { 'user.x': Buffer.from([0, 10]) } },
  { path: 'd/empty' },
  { path: 'd/block', data: patternBytes(512) },
  { path: 'd/h', type: 'hardlink', linkname: './d/f' },
  { path: 'd/s', type: 'symlink', linkname: '../../etc/./x' },
  { path: 'd/c', type: 'character', devmajor: 1, devminor: 3 },
  { path: 'd/b', type: 'block', devmajor: 8, devminor: 1 },
  { path: 'd/p', type: 'fifo' },
  { path: `d/${'long'.repeat(50)}`, data: 'x' },
];

describe('a converted layer', () => {
  it('has every entry below rootfs/, with its content', () => {
    const { bytes } = convertEntries(...KINDS);
    const entries = readTar(bytes);
    expect(entries.map(({ path, type, linkPath }) => [path, type, linkPath])).toEqual([
      ['rootfs/', 'directory', ''],
      ['rootfs/d/', 'directory', ''],
      ['rootfs/d/f', 'file', ''],
      ['rootfs/d/empty', 'file', ''],
      ['rootfs/d/block', 'file', ''],
      ['rootfs/d/h', 'hardlink', 'rootfs/d/f'],
      ['rootfs/d/s', 'symlink', '../../etc/./x'],
      ['rootfs/d/c', 'char', ''],
      ['rootfs/d/b', 'block', ''],
      ['rootfs/d/p', 'fifo', ''],
      [`rootfs/d/${'long'.repeat(50)}`, 'file', ''],
    ]);
    expect(entries[1]).toMatchObject({ mode: 0o700, uid: 1, gid: 2 });
    const facts = { mode: 0o4755, mtimeSeconds: 1, mtimeNanoseconds: 500_000_000 };
    expect(entries[2]).toMatchObject({ ...facts, content: Buffer.from('content') });
    expect(entries[2]?.xattrs).toEqual(new Map([['user.x', '\0\n']]));
    expect(entries[7]).toMatchObject({ deviceMajor: 1, deviceMinor: 3 });
  });

  it('has an index that says where each entry lies', () => {
    const { bytes, index } = convertEntries(...KINDS);
    expect(index.map(({ type, path, link }) => [type, path, link])).toEqual([
      ['d', '', undefined],
      ['d', 'd', undefined],
      ['f', 'd/f', undefined],
      ['f', 'd/empty', undefined],
      ['f', 'd/block', undefined],
      ['h', 'd/h', 'd/f'],
      ['l', 'd/s', '../../etc/./x'],
      ['c', 'd/c', undefined],
      ['b', 'd/b', undefined],
      ['p', 'd/p', undefined],
      ['f', `d/${'long'.repeat(50)}`, undefined],
    ]);
    let end = 0;
    for (const entry of index) {
      expect(entry.offset).toBe(end);
      end = endOffset(entry);
      const [alone] = readTar(bytes.subarray(entry.offset, end));
      expect(alone?.path.replace(/\/$/, '')).toBe(inRootfs(entry.path));
      expect(alone?.contentOffset).toBe(entry.headerBytes);
      expect(alone?.sizeBytes).toBe(entry.sizeBytes);
    }
    expect(end).toBe(bytes.length);
  });

  it('has the canonical header, whatever the layer had', () => {
    const expected = encodeHeader(makeEntry({ path: 'rootfs/f', type: 'file', uid: 7, mtimeSeconds: 9 }));
    for (const format of ['pax', 'gnu'] as const) {
      const { bytes } = convertEntries({
        path: './f',
        uid: 7,
        mtime: 9,
        uname: 'name',
        gname: 'group',
        format,
      });
      expect(bytes).toEqual(expected);
    }
  });

  it.each([1, 511, 513, 4096])('is the same from pieces of %i bytes', (pieceBytes) => {
    const layer = buildTar(KINDS);
    expect(convert(layer, pieceBytes)).toEqual(convert(layer));
  });

  it('has whiteouts in its index only, and none of what they or aufs contain', () => {
    const { bytes, index } = convertEntries(
      { path: 'd/.wh.a' },
      { path: 'f', data: 'x' },
      { path: 'd/.wh..wh..opq', data: 'some content' },
      { path: '.wh..wh.plnk', type: 'directory' },
      { path: '.wh..wh.plnk/1.2', data: 'aufs' },
      { path: './.wh.b', type: 'directory' },
      { path: 'g', data: 'y' },
    );
    expect(index).toEqual([
      { type: 'w', path: 'd/a', offset: 0, headerBytes: 0, sizeBytes: 0 },
      { type: 'f', path: 'f', offset: 0, headerBytes: 512, sizeBytes: 1, link: undefined },
      { type: 'o', path: 'd', offset: 1024, headerBytes: 0, sizeBytes: 0 },
      { type: 'w', path: 'b', offset: 1024, headerBytes: 0, sizeBytes: 0 },
      { type: 'f', path: 'g', offset: 1024, headerBytes: 512, sizeBytes: 1, link: undefined },
    ]);
    expect(readTar(bytes).map(({ path }) => path)).toEqual(['rootfs/f', 'rootfs/g']);
  });

  it('is empty for an empty layer', () => {
    expect(convertEntries()).toEqual({ bytes: Buffer.alloc(0), index: [] });
  });

  it('keeps the biggest times and owners that an archive can have, so that they can be read again', () => {
    const { bytes } = convertEntries({ path: 'f', uid: 2 ** 53 - 1, mtime: 2 ** 52, format: 'gnu' });
    expect(readTar(bytes)).toMatchObject([{ uid: 2 ** 53 - 1, mtimeSeconds: 2 ** 52 }]);
  });

  it.each([2 ** 21, 2 ** 40])('has no device number over its field: %i is refused or kept', (devminor) => {
    let converted: Converted;
    try {
      converted = convertEntries({ path: 'dev/x', type: 'block', devmajor: 1, devminor, format: 'gnu' });
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_TAR_INVALID' });
      return;
    }
    expect(readTar(converted.bytes)).toMatchObject([{ path: 'rootfs/dev/x', deviceMinor: devminor }]);
  });

  it.each<[string, TarEntry, string]>([
    ['a name that leaves the root', { path: '../x' }, 'ERR_UNSAFE_PATH'],
    ['an absolute name that leaves the root', { path: '/../x' }, 'ERR_UNSAFE_PATH'],
    [
      'a hard link that leaves the root',
      { path: 'h', type: 'hardlink', linkname: '../../etc/passwd' },
      'ERR_UNSAFE_PATH',
    ],
    ['a whiteout of ..', { path: 'd/.wh...' }, 'ERR_UNSAFE_PATH'],
    ['a whiteout of nothing', { path: '.wh.' }, 'ERR_TAR_INVALID'],
    ['an entry that no tar has', { path: 'x', typeflag: 'Q' }, 'ERR_TAR_INVALID'],
    ['a wrong checksum', { path: 'x', badChecksum: true }, 'ERR_TAR_INVALID'],
  ])('is refused for %s', (_, entry, code) => {
    expect(() => convertEntries({ path: 'ok' }, entry)).toThrow(expect.objectContaining({ code }));
  });

  it('is refused when the layer ends early', () => {
    const layer = buildTar([{ path: 'a', data: 'some content' }]).subarray(0, 515);
    expect(() => convert(layer)).toThrow(expect.objectContaining({ code: 'ERR_TAR_INVALID' }));
  });

  it('lets a symbolic link point wherever it likes', () => {
    const { index } = convertEntries({ path: 's', type: 'symlink', linkname: '../../../etc' });
    expect(index[0]?.link).toBe('../../../etc');
  });
});
