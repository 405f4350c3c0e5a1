/** Files of a layout, found in folders and inside archives. */

import { appendFileSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { archiveFiles, folderFiles, type LayoutFiles, readRange } from '../../../src/layout/files.js';
import { buildTar, type TarEntry } from '../../support/images/tar.js';
import { tempDir } from '../../support/temp.js';

const NEVER = new AbortController().signal;

function archive(entries: readonly TarEntry[] | Buffer): Promise<LayoutFiles> {
  const path = join(tempDir(), 'a.tar');
  writeFileSync(path, Buffer.isBuffer(entries) ? entries : buildTar(entries));
  return archiveFiles(path, NEVER);
}

async function textOf(files: LayoutFiles, name: string): Promise<string | undefined> {
  const range = await files.locate(name);
  return range === undefined ? undefined : (await readRange(range, 1000, 'x')).toString();
}

describe('an archive', () => {
  it('has its files where they lie, whatever their size and the length of their names', async () => {
    const long = `${'d'.repeat(150)}/${'f'.repeat(150)}`;
    const sizes = [0, 1, 511, 512, 513];
    const files = await archive([
      ...sizes.map((size) => ({ path: `size-${size}`, data: 'x'.repeat(size) })),
      { path: './dot', data: 'dot' },
      { path: long, data: 'long' },
      { path: long.replace('d', 'e'), data: 'gnu', format: 'gnu' },
    ]);
    for (const size of sizes) expect(await textOf(files, `size-${size}`)).toBe('x'.repeat(size));
    expect(await textOf(files, 'dot')).toBe('dot');
    expect(await textOf(files, long)).toBe('long');
    expect(await textOf(files, long.replace('d', 'e'))).toBe('gnu');
    expect(await textOf(files, 'none')).toBeUndefined();
  });

  it('follows links inside itself, and none that lead in circles or to nothing', async () => {
    const files = await archive([
      { path: 'a/layer.tar', data: 'content' },
      { path: 'b/layer.tar', type: 'symlink', linkname: '../a/layer.tar' },
      { path: 'c/layer.tar', type: 'hardlink', linkname: 'b/layer.tar' },
      { path: 'd', type: 'symlink', linkname: 'd' },
      { path: 'e', type: 'symlink', linkname: 'none' },
    ]);
    expect(await textOf(files, 'b/layer.tar')).toBe('content');
    expect(await textOf(files, 'c/layer.tar')).toBe('content');
    expect(await textOf(files, 'd')).toBeUndefined();
    expect(await textOf(files, 'e')).toBeUndefined();
  });

  it('has the last of two files of one name, and nothing where a folder replaced it', async () => {
    const files = await archive([
      { path: 'twice', data: 'one' },
      { path: 'twice', data: 'two' },
      { path: 'gone', data: 'x' },
      { path: 'gone', type: 'directory' },
    ]);
    expect(await textOf(files, 'twice')).toBe('two');
    expect(await textOf(files, 'gone')).toBeUndefined();
  });

  it('has no sparse files, which are no obstacle', async () => {
    const files = await archive([
      { path: 'sparse', data: 'ab', pax: { 'GNU.sparse.size': '1000000', 'GNU.sparse.map': '0,2' } },
      { path: 'a', data: 'x' },
    ]);
    expect(await textOf(files, 'sparse')).toBeUndefined();
    expect(await textOf(files, 'a')).toBe('x');
  });

  it.each([
    [
      'ends inside a file',
      buildTar([{ path: 'a', data: 'x'.repeat(2000) }]).subarray(0, 1500),
      'ERR_TAR_INVALID',
    ],
    ['ends inside a header', buildTar([{ path: 'a', data: 'x' }]).subarray(0, 300), 'ERR_TAR_INVALID'],
    ['is no archive', Buffer.from('text '.repeat(500)), 'ERR_TAR_INVALID'],
  ])('that %s is refused', async (_, bytes, code) => {
    await expect(archive(Buffer.from(bytes))).rejects.toMatchObject({ code });
  });

  it('may lack the padding of its last file, and its end', async () => {
    const bytes = buildTar([{ path: 'a', data: 'x'.repeat(600) }]).subarray(0, 512 + 600);
    expect(await textOf(await archive(Buffer.from(bytes)), 'a')).toBe('x'.repeat(600));
  });
});

describe('an archive that is made to cost', () => {
  it('is over at its end, whatever stands behind it', async () => {
    const path = join(tempDir(), 'a.tar');
    writeFileSync(path, buildTar([{ path: 'a', data: 'x' }]));
    truncateSync(path, 2 ** 40);
    expect(await textOf(await archiveFiles(path, NEVER), 'a')).toBe('x');
  });

  it('has names of so many bytes and no more', async () => {
    const member = buildTar([{ path: `${'d'.repeat(4000)}/f`, format: 'pax' }]).subarray(0, -1024);
    const bytes = Buffer.concat([...Array.from({ length: 17_000 }, () => member), Buffer.alloc(1024)]);
    await expect(archive(bytes)).rejects.toMatchObject({ code: 'ERR_LIMIT' });
  });

  it('keeps nothing of its headers but names', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const usedBytes = (): number => {
      collect();
      return process.memoryUsage().external;
    };
    const path = join(tempDir(), 'a.tar');
    const name = (place: number): string => String(place).padStart(30, 'n');
    for (let place = 0; place < 60; place++) {
      const pax = { path: name(place), comment: 'x'.repeat(1_000_000) };
      appendFileSync(path, buildTar([{ path: name(place), pax }]).subarray(0, -1024));
    }
    const before = usedBytes();
    const files = await archiveFiles(path, NEVER);
    expect(usedBytes() - before).toBeLessThan(20_000_000);
    expect(await textOf(files, name(59))).toBe('');
  });
});

describe('a folder', () => {
  it('has its files, and no folders or broken links', async () => {
    const dir = tempDir();
    mkdirSync(join(dir, 'blobs/sha256'), { recursive: true });
    writeFileSync(join(dir, 'blobs/sha256/aa'), 'content');
    symlinkSync('none', join(dir, 'broken'));
    const files = folderFiles(dir);
    expect(await textOf(files, 'blobs/sha256/aa')).toBe('content');
    for (const name of ['blobs', 'broken', 'none', 'blobs/sha256/aa/x']) {
      expect(await textOf(files, name)).toBeUndefined();
    }
  });
});

describe('a range', () => {
  it('is read whole, and refused when it is too large or has become shorter', async () => {
    const path = join(tempDir(), 'file');
    writeFileSync(path, '0123456789');
    expect((await readRange({ path, offset: 2, sizeBytes: 5 }, 5, 'x')).toString()).toBe('23456');
    await expect(readRange({ path, offset: 0, sizeBytes: 6 }, 5, 'x')).rejects.toMatchObject({
      code: 'ERR_LIMIT',
    });
    await expect(readRange({ path, offset: 8, sizeBytes: 5 }, 5, 'x')).rejects.toMatchObject({
      code: 'ERR_IO',
    });
    await expect(readRange({ path: `${path}x`, offset: 0, sizeBytes: 1 }, 5, 'x')).rejects.toMatchObject({
      code: 'ERR_IO',
    });
  });
});
