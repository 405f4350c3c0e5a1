/** The structure of an ACI, checked while it streams by, and its manifest. */

import { describe, expect, it } from 'vitest';
import { type AciFacts, createAciInspector } from '../../../src/aci/inspect.js';
import { aciManifest, buildAci } from '../../support/images/aci.js';
import { buildTar, type TarEntry } from '../../support/images/tar.js';

const NAME = 'example.test/app';
const MANIFEST: TarEntry = { path: 'manifest', data: JSON.stringify(aciManifest({ name: NAME })) };
const ROOTFS: TarEntry = { path: 'rootfs', type: 'directory' };
/** Each in two thousand directories of its own. */
const DEEP: readonly TarEntry[] = Array.from({ length: 250 }, (_, at) => ({
  path: `rootfs/${at}/${'a/'.repeat(2000)}b`,
}));

function inspect(archive: Buffer, pieceBytes = archive.length): AciFacts {
  const inspector = createAciInspector();
  for (let at = 0; at < archive.length; at += pieceBytes) {
    const piece = Buffer.from(archive.subarray(at, at + pieceBytes));
    inspector.push(piece);
    piece.fill(0xee);
  }
  return inspector.end();
}

const inspectEntries = (...entries: TarEntry[]): AciFacts => inspect(buildTar(entries));

describe('an ACI', () => {
  it.each([undefined, 1, 511, 513, 4096])(
    'gives its manifest and where it lies, in pieces of %s bytes',
    (pieceBytes) => {
      const aci = buildAci({ name: NAME, entries: [{ path: 'a', data: 'x' }] });
      const { manifest } = inspect(aci, pieceBytes);
      expect(JSON.parse(manifest.bytes.toString())).toEqual(aciManifest({ name: NAME }));
      expect(manifest.offset).toBe(512);
      expect(aci.subarray(512, 512 + manifest.bytes.length)).toEqual(manifest.bytes);
    },
  );

  it.each<[string, TarEntry[]]>([
    ['the manifest last', [ROOTFS, { path: 'rootfs/a', data: 'x' }, MANIFEST]],
    ['no entry for rootfs itself', [MANIFEST, { path: 'rootfs/a' }]],
    [
      'names that begin with ./',
      [{ ...MANIFEST, path: './manifest' } as TarEntry, { path: './rootfs/', type: 'directory' }],
    ],
    ['an empty rootfs', [MANIFEST, ROOTFS]],
    [
      'every kind of entry',
      [
        MANIFEST,
        ROOTFS,
        { path: 'rootfs/f', data: 'x' },
        { path: 'rootfs/h', type: 'hardlink', linkname: 'rootfs/f' },
        { path: 'rootfs/s', type: 'symlink', linkname: '/etc' },
        { path: 'rootfs/c', type: 'character' },
        { path: 'rootfs/p', type: 'fifo' },
      ],
    ],
    [
      'a hard link before its target',
      [MANIFEST, { path: 'rootfs/h', type: 'hardlink', linkname: './rootfs/f' }, { path: 'rootfs/f' }],
    ],
    ['an empty manifest, which is not looked into', [{ path: 'manifest' }, ROOTFS]],
    [
      'links that point anywhere',
      [MANIFEST, { path: 'rootfs/s', type: 'symlink', linkname: '../../etc/passwd' }],
    ],
  ])('may have %s', (_, entries) => {
    expect(inspectEntries(...entries).manifest).toBeDefined();
  });

  it.each<[string, TarEntry[], string]>([
    ['no manifest', [ROOTFS], 'ERR_TAR_INVALID'],
    ['no rootfs', [MANIFEST], 'ERR_TAR_INVALID'],
    ['nothing', [], 'ERR_TAR_INVALID'],
    ['a manifest that is a folder', [{ path: 'manifest', type: 'directory' }, ROOTFS], 'ERR_TAR_INVALID'],
    [
      'a manifest that is a link',
      [{ path: 'manifest', type: 'symlink', linkname: 'x' }, ROOTFS],
      'ERR_TAR_INVALID',
    ],
    ['a rootfs that is a file', [MANIFEST, { path: 'rootfs' }], 'ERR_TAR_INVALID'],
    [
      'a rootfs that is a link',
      [MANIFEST, { path: 'rootfs', type: 'symlink', linkname: '/' }],
      'ERR_TAR_INVALID',
    ],
    ['two manifests', [MANIFEST, ROOTFS, MANIFEST], 'ERR_TAR_INVALID'],
    ['two roots', [MANIFEST, ROOTFS, ROOTFS], 'ERR_TAR_INVALID'],
    ['a path twice', [MANIFEST, { path: 'rootfs/a' }, { path: 'rootfs//a' }], 'ERR_TAR_INVALID'],
    ['something else at its top', [MANIFEST, ROOTFS, { path: 'other' }], 'ERR_TAR_INVALID'],
    ['an entry for its top', [{ path: '.', type: 'directory' }, MANIFEST, ROOTFS], 'ERR_TAR_INVALID'],
    ['a name that only begins like rootfs', [MANIFEST, ROOTFS, { path: 'rootfsx/a' }], 'ERR_TAR_INVALID'],
    ['a path that leaves rootfs', [MANIFEST, ROOTFS, { path: 'rootfs/../x' }], 'ERR_TAR_INVALID'],
    ['a path that leaves the archive', [MANIFEST, ROOTFS, { path: 'rootfs/../../x' }], 'ERR_UNSAFE_PATH'],
    [
      'a hard link to the manifest',
      [MANIFEST, ROOTFS, { path: 'rootfs/h', type: 'hardlink', linkname: 'manifest' }],
      'ERR_UNSAFE_PATH',
    ],
    [
      'a hard link out of rootfs',
      [MANIFEST, ROOTFS, { path: 'rootfs/h', type: 'hardlink', linkname: 'rootfs/../manifest' }],
      'ERR_UNSAFE_PATH',
    ],
    [
      'a hard link out of the archive',
      [MANIFEST, ROOTFS, { path: 'rootfs/h', type: 'hardlink', linkname: '../etc/passwd' }],
      'ERR_UNSAFE_PATH',
    ],
    [
      'a hard link to nothing',
      [MANIFEST, ROOTFS, { path: 'rootfs/h', type: 'hardlink', linkname: 'rootfs/none' }],
      'ERR_TAR_INVALID',
    ],
    ['more names than fit into memory', [MANIFEST, ROOTFS, ...DEEP], 'ERR_LIMIT'],
    ['a manifest of more than 4 MiB', [{ path: 'manifest', size: 4 * 1024 * 1024 + 1 }, ROOTFS], 'ERR_LIMIT'],
  ])('must not have %s', (_, entries, code) => {
    expect(() => inspectEntries(...entries)).toThrow(expect.objectContaining({ code }));
  });

  it('must not end in the middle of an entry', () => {
    const archive = buildTar([MANIFEST, ROOTFS, { path: 'rootfs/a', data: 'some content' }]);
    const cut = archive.subarray(0, archive.length - 1024 - 510);
    expect(() => inspect(cut)).toThrow(expect.objectContaining({ code: 'ERR_TAR_INVALID' }));
  });

  it('may have a manifest of 4 MiB', () => {
    const { manifest } = inspectEntries({ path: 'manifest', size: 4 * 1024 * 1024 }, ROOTFS);
    expect(manifest.bytes.length).toBe(4 * 1024 * 1024);
  });
});
