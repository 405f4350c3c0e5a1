/** Archives of independent writers: tar-stream, and the system's tar in its formats. */

import { linkSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pack } from 'tar-stream';
import { beforeAll, describe, expect, it } from 'vitest';
import { runTool } from '../../support/process.js';
import { tempDir } from '../../support/temp.js';
import { requireTools } from '../../support/tools.js';
import { type ReadEntry, readTar } from './read-tar.js';

const LONG = `${'folder/'.repeat(30)}${'n'.repeat(120)}`;

function byPath(entries: readonly ReadEntry[]): Map<string, ReadEntry> {
  return new Map(entries.map((entry) => [entry.path.replace(/^\.\//, '').replace(/\/$/, ''), entry]));
}

describe('an archive of tar-stream', () => {
  it('is read with every field', async () => {
    const archive = pack();
    const mtime = new Date(1_500_000_000_000);
    const owner = { uid: 1000, gid: 100 };
    archive.entry({ name: 'd', type: 'directory', mode: 0o700, mtime });
    archive.entry({ name: LONG, mode: 0o4755, mtime, ...owner }, 'content');
    archive.entry({ name: 'gr\u00fc\u00dfe', pax: { 'SCHILY.xattr.user.x': 'v' } }, 'x');
    archive.entry({ name: 's', type: 'symlink', linkname: LONG });
    archive.entry({ name: 'h', type: 'link', linkname: 'd' });
    archive.entry({ name: 'c', type: 'character-device', devmajor: 1, devminor: 3 });
    archive.entry({ name: 'b', type: 'block-device', devmajor: 8, devminor: 1 });
    archive.entry({ name: 'p', type: 'fifo' });
    archive.finalize();
    const chunks: Buffer[] = [];
    for await (const chunk of archive) chunks.push(Buffer.from(chunk as Buffer));
    const entries = byPath(readTar(Buffer.concat(chunks)));
    expect(entries.get('d')).toMatchObject({ type: 'directory', mode: 0o700, mtimeSeconds: 1_500_000_000 });
    expect(entries.get(LONG)).toMatchObject({ mode: 0o4755, ...owner, content: Buffer.from('content') });
    const greetings = entries.get(Buffer.from('gr\u00fc\u00dfe').toString('latin1'));
    expect(greetings?.xattrs).toEqual(new Map([['user.x', 'v']]));
    expect(entries.get('s')).toMatchObject({ type: 'symlink', linkPath: LONG });
    expect(entries.get('h')).toMatchObject({ type: 'hardlink', linkPath: 'd' });
    expect(entries.get('c')).toMatchObject({ type: 'char', deviceMajor: 1, deviceMinor: 3 });
    expect(entries.get('b')).toMatchObject({ type: 'block', deviceMajor: 8, deviceMinor: 1 });
    expect(entries.get('p')).toMatchObject({ type: 'fifo' });
  });
});

describe.runIf(requireTools(['tar']))('an archive of GNU tar', () => {
  const source = tempDir();

  async function archiveOf(
    format: string,
    paths: readonly string[],
    ...args: string[]
  ): Promise<ReadEntry[]> {
    const archive = join(tempDir(), 'a.tar');
    const owner = ['--owner=app:3000000', '--group=app:7', '--sort=name'];
    await runTool('tar', ['-C', source, '-cf', archive, `--format=${format}`, ...owner, ...args, ...paths]);
    return readTar(readFileSync(archive));
  }

  beforeAll(() => {
    const folder = join(source, 'folder/'.repeat(30));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'n'.repeat(120)), 'long');
    mkdirSync(join(source, 'short'));
    writeFileSync(join(source, 'short/file'), 'content', { mode: 0o640 });
    utimesSync(join(source, 'short/file'), 1_500_000_000.25, 1_500_000_000.25);
    linkSync(join(source, 'short/file'), join(source, 'short/hard'));
    symlinkSync(LONG, join(source, 'short/soft'));
    writeFileSync(join(source, 'short/old'), '');
    // A negative number would mean now.
    utimesSync(join(source, 'short/old'), new Date(-5000), new Date(-5000));
  });

  it.each(['gnu', 'pax', 'posix'])(
    'in %s format is read with long names, owners and links',
    async (format) => {
      const entries = byPath(await archiveOf(format, ['.']));
      expect(entries.get(LONG)?.content.toString()).toBe('long');
      const facts = { type: 'file', mode: 0o640, uid: 3_000_000, gid: 7, mtimeSeconds: 1_500_000_000 };
      expect(entries.get('short/file')).toMatchObject({ ...facts, content: Buffer.from('content') });
      expect(entries.get('short/file')?.mtimeNanoseconds).toBe(format === 'gnu' ? 0 : 250_000_000);
      expect(entries.get('short/hard')).toMatchObject({ type: 'hardlink', linkPath: './short/file' });
      expect(entries.get('short/soft')).toMatchObject({ type: 'symlink', linkPath: LONG });
      expect(entries.get('short/old')?.mtimeSeconds).toBe(-5);
      expect(entries.get('short')).toMatchObject({ type: 'directory', sizeBytes: 0 });
    },
  );

  it.each(['ustar', 'v7', 'oldgnu'])('in %s format is read', async (format) => {
    const owner = ['--owner=0', '--group=0'];
    const entries = byPath(await archiveOf(format, ['short/file', 'short/hard'], ...owner));
    expect([...entries.keys()]).toEqual(['short/file', 'short/hard']);
    expect(entries.get('short/file')?.content.toString()).toBe('content');
    expect(entries.get('short/hard')).toMatchObject({ type: 'hardlink', linkPath: 'short/file' });
  });

  it('in version 7 format has folders by their slash', async () => {
    const entries = await archiveOf('v7', ['short'], '--no-recursion', '--owner=0', '--group=0');
    expect(entries).toMatchObject([{ path: 'short/', type: 'directory' }]);
  });
});
