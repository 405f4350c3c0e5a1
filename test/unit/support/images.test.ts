import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { buildAci, imageIdOf } from '../../support/images/aci.js';
import { buildDockerImage } from '../../support/images/docker.js';
import { createSigningKey } from '../../support/images/keys.js';
import { createRandom, randomFiles, withRandom } from '../../support/images/random.js';
import { schema1Of, signed } from '../../support/images/schema1.js';
import { buildTar, type TarEntry } from '../../support/images/tar.js';
import { run, runTool } from '../../support/process.js';
import { extractWithTar, listWithTar } from '../../support/tar-tool.js';
import { tempDir } from '../../support/temp.js';
import { isRoot, requireTools } from '../../support/tools.js';
import { describeTree } from '../../support/tree.js';

function archiveOf(entries: readonly TarEntry[]): string {
  const path = join(tempDir(), 'a.tar');
  writeFileSync(path, buildTar(entries));
  return path;
}

const long = `${'long-directory/'.repeat(20)}${'n'.repeat(120)}`;

describe.runIf(requireTools(['tar']))('a built archive, read by GNU tar', () => {
  it.each(['pax', 'gnu'] as const)('has long, UTF-8 and prefixed names in %s format', async (format) => {
    const prefixed = `${'p'.repeat(90)}/${'n'.repeat(90)}`;
    const archive = archiveOf(
      [long, 'gr\u00fc\u00dfe/\u732b', prefixed].map((path) => ({ path, data: 'x', format })),
    );
    expect(await listWithTar(archive)).toEqual([long, 'gr\u00fc\u00dfe/\u732b', prefixed]);
  });

  it.runIf(isRoot() && requireTools(['getfattr']))('keeps every kind of entry and fact', async () => {
    const directory = tempDir();
    const archive = archiveOf([
      { path: 'd', type: 'directory', mode: 0o1777, uid: 7, gid: 8 },
      { path: 'd/file', data: 'hello', mode: 0o4711, uid: 3_000_000, gid: 1, mtime: 1.5 },
      { path: 'd/hard', type: 'hardlink', linkname: 'd/file' },
      { path: 'd/soft', type: 'symlink', linkname: long },
      { path: 'd/null', type: 'character', devmajor: 1, devminor: 3, mode: 0o666 },
      { path: 'd/disk', type: 'block', devmajor: 259, devminor: 70_000 },
      { path: 'd/pipe', type: 'fifo' },
      {
        path: 'd/attr',
        size: 1000,
        xattrs: { 'user.mark': Buffer.from([0, 0xff, 0x0a]) },
        format: 'gnu',
        mtime: -5,
      },
    ]);
    await extractWithTar(archive, directory);
    const tree = await describeTree(directory);
    expect(tree.get('d')).toMatchObject({ type: 'directory', mode: 0o1777, uid: 7, gid: 8 });
    const sha256 = createHash('sha256').update('hello').digest('hex');
    const file = { type: 'file', mode: 0o4711, uid: 3_000_000, size: 5, sha256, mtime: 1_500_000_000n };
    expect(tree.get('d/file')).toMatchObject({ ...file, hardLinkGroup: 'd/file' });
    expect(tree.get('d/hard')).toMatchObject({ ...file, hardLinkGroup: 'd/file' });
    expect(tree.get('d/soft')).toMatchObject({ type: 'symlink', linkTarget: long });
    expect(tree.get('d/null')).toMatchObject({ type: 'character', rdev: '1:3' });
    expect(tree.get('d/disk')).toMatchObject({ type: 'block', rdev: '259:70000' });
    expect(tree.get('d/pipe')).toMatchObject({ type: 'fifo' });
    expect(tree.get('d/attr')).toMatchObject({
      size: 1000,
      mtime: -5_000_000_000n,
      xattrs: { 'user.mark': 'AP8K' },
    });
  });

  it('fails when a checksum is declared wrong', async () => {
    const archive = archiveOf([{ path: 'a', badChecksum: true }]);
    expect((await run('tar', ['-tf', archive])).code).not.toBe(0);
  });
});

describe('a built archive', () => {
  it('has raw bytes, patches and a claimed size as they are declared', () => {
    const raw = Buffer.alloc(512, 7);
    const entry: TarEntry = {
      path: 'a',
      data: 'xy',
      size: 9,
      typeflag: 'Z',
      patch: (header) => header.write('b'),
    };
    const tar = buildTar([{ raw }, entry], { endBlocks: 1 });
    expect(tar.subarray(0, 512)).toEqual(raw);
    expect(tar.subarray(512, 514).toString()).toBe('b\0');
    expect(tar.subarray(512 + 124, 512 + 136).toString()).toBe('00000000011\0');
    expect(tar.subarray(512 + 156, 512 + 157).toString()).toBe('Z');
    expect(tar.subarray(1024, 1026).toString()).toBe('xy');
    expect(tar.length).toBe(512 * 4);
  });
});

describe('a built image', () => {
  it('has digests of what goes over the wire and of the tar in it', () => {
    const image = buildDockerImage({ layers: [[{ path: 'a', data: 'x' }], buildTar([])], mediaTypes: 'oci' });
    for (const { bytes, digest, diffId } of image.layers) {
      expect(digest).toBe(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
      expect(diffId).toBe(`sha256:${createHash('sha256').update(gunzipSync(bytes)).digest('hex')}`);
    }
    const config = JSON.parse(image.configBytes.toString()) as { rootfs: { diff_ids: string[] } };
    expect(config.rootfs.diff_ids).toEqual(image.layers.map(({ diffId }) => diffId));
  });

  it('has the manifest first in an ACI', async () => {
    const aci = buildAci({ name: 'example.test/app', entries: [{ path: 'etc/a', data: 'x' }] });
    const path = join(tempDir(), 'a.aci');
    writeFileSync(path, aci);
    expect(await listWithTar(path)).toEqual(['manifest', 'rootfs/', 'rootfs/etc/a']);
    expect(imageIdOf(readFileSync(path))).toMatch(/^sha512-[0-9a-f]{128}$/);
    expect(gunzipSync(buildAci({ name: 'example.test/app', entries: [], gzip: true })).length).toBe(512 * 5);
  });
});

describe.runIf(requireTools(['skopeo']))('a manifest of schema 1, by the word of skopeo', () => {
  it.each([1, 2])('has the digest of what was signed, with %i signatures in it', async (signatures) => {
    const image = schema1Of(buildDockerImage({ layers: [[{ path: 'a' }]] }), { emptySteps: 1 });
    const { manifestBytes } = signed(image, signatures);
    const file = join(tempDir(), 'manifest.json');
    writeFileSync(file, manifestBytes);
    const { stdout } = await runTool('skopeo', ['manifest-digest', file]);
    expect(stdout.trim()).toBe(image.manifestDigest);
  });
});

describe('a random generator', () => {
  it('repeats numbers, bytes and files of a seed', () => {
    const draw = (seed: number) => {
      const random = createRandom(seed);
      return [
        random.next(),
        random.int(1, 6),
        random.bytes(40),
        random.text(9),
        randomFiles(random, { count: 3 }),
      ];
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it('names its seed when a test fails with it', async () => {
    const failing = withRandom(({ seed }) => {
      throw new Error(`seed was ${seed}`);
    }, 42);
    await expect(failing).rejects.toThrow('ACI_TEST_SEED=42');
  });
});

describe.runIf(requireTools(['gpg']))('a signature', () => {
  it.each(['ed25519', 'rsa'] as const)(
    'of an %s key is good for GnuPG, and not for other bytes',
    async (kind) => {
      const key = await createSigningKey({ kind });
      const home = tempDir('gpg-');
      const write = (name: string, content: string) => {
        writeFileSync(join(home, name), content);
        return join(home, name);
      };
      const gpg = ['--homedir', home, '--batch', '--no-autostart'];
      await runTool('gpg', [...gpg, '--import', write('key.asc', key.publicKey)]);
      const signature = write('data.asc', await key.sign(Buffer.from('data')));
      const verified = await run('gpg', [
        ...gpg,
        '--status-fd',
        '1',
        '--verify',
        signature,
        write('data', 'data'),
      ]);
      expect(verified.stdout).toContain(`VALIDSIG ${key.fingerprint.toUpperCase()}`);
      const other = await run('gpg', [...gpg, '--verify', signature, write('other', 'tada')]);
      expect(other.code).toBe(1);
    },
  );
});
