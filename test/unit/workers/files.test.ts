/** The files of a task: one that is appended to, and the rest of a download. */

import { closeSync, existsSync, openSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { appendFile, writeFully } from '../../../workers/append-file.js';
import { openPartialFile, replay } from '../../../workers/partial-file.js';
import { createRandom } from '../../support/images/random.js';
import { tempDir } from '../../support/temp.js';

const NEVER = new AbortController().signal;
const MIB = 1024 * 1024;

describe('a file that is appended to', () => {
  it('has what was written, as much as was flushed, and tells how much that is', () => {
    const path = join(tempDir(), 'a');
    const fd = openSync(path, 'w');
    const sizes: number[] = [];
    const file = appendFile(fd, (sizeBytes) => void sizes.push(sizeBytes));
    const random = createRandom(1);
    const pieces = [1, 1000, MIB - 1, MIB, MIB + 1, 2 * MIB + 7, 0].map((length) => random.bytes(length));
    for (const piece of pieces) {
      const memory = Buffer.from(piece);
      file.write(memory);
      memory.fill(0xee);
    }
    const before = sizes.at(-1) ?? 0;
    expect(readFileSync(path).length).toBe(before);
    file.flush();
    const whole = Buffer.concat(pieces);
    expect(readFileSync(path).equals(whole)).toBe(true);
    expect(sizes.at(-1)).toBe(whole.length);
    expect([...sizes].sort((a, b) => a - b)).toEqual(sizes);
    closeSync(fd);
  });

  it('is written over from its beginning by another attempt', () => {
    const path = join(tempDir(), 'a');
    writeFileSync(path, 'old content');
    const fd = openSync(path, 'r+');
    const file = appendFile(fd);
    file.write(Buffer.from('new'));
    file.flush();
    expect(readFileSync(path, 'utf8')).toBe('new content');
    closeSync(fd);
  });

  it('says that it cannot be written', () => {
    const path = join(tempDir(), 'a');
    writeFileSync(path, '');
    const fd = openSync(path, 'r');
    const file = appendFile(fd);
    file.write(Buffer.from('x'));
    expect(() => file.flush()).toThrow(expect.objectContaining({ exitCode: 8 }));
    expect(() => writeFully(fd, Buffer.from('x'), 1, 0)).toThrow(expect.objectContaining({ exitCode: 8 }));
    closeSync(fd);
  });

  it.runIf(existsSync('/dev/full'))('says that the disk is full', () => {
    const fd = openSync('/dev/full', 'w');
    const failing = (): void => writeFully(fd, Buffer.from('x'), 1, 0);
    expect(failing).toThrow(expect.objectContaining({ code: 'ERR_NO_SPACE' }));
    closeSync(fd);
  });
});

describe('the rest of a download', () => {
  it('is made, appended to, found again and removed', async () => {
    const path = join(tempDir(), 'a.part');
    const first = openPartialFile(path);
    expect(first.size()).toBe(0);
    first.append(Buffer.from('hello '));
    first.close();
    const second = openPartialFile(path);
    expect(second.size()).toBe(6);
    second.append(Buffer.from('world'));
    const chunks: string[] = [];
    await replay(second, async (chunk) => void chunks.push(chunk.toString()), NEVER);
    expect(chunks.join('')).toBe('hello world');
    second.clear();
    expect([second.size(), readFileSync(path, 'utf8')]).toEqual([0, '']);
    second.append(Buffer.from('again'));
    second.close();
    expect(readFileSync(path, 'utf8')).toBe('again');
    second.remove();
    second.remove();
    expect(existsSync(path)).toBe(false);
  });

  it('is handed out in pieces, each good until its promise resolves', async () => {
    const path = join(tempDir(), 'a.part');
    const content = createRandom(2).bytes(2 * MIB + 100);
    writeFileSync(path, content);
    const file = openPartialFile(path);
    const chunks: Buffer[] = [];
    await replay(
      file,
      async (chunk) => {
        await new Promise((resolve) => setImmediate(resolve));
        chunks.push(Buffer.from(chunk));
      },
      NEVER,
    );
    expect(chunks.length).toBe(3);
    expect(Buffer.concat(chunks).equals(content)).toBe(true);
    file.close();
  });

  it('is read from anywhere, and never past its end', () => {
    const path = join(tempDir(), 'a.part');
    writeFileSync(path, '0123456789');
    const file = openPartialFile(path);
    const target = Buffer.alloc(4);
    expect([file.read(target, 3, 4), target.toString()]).toEqual([4, '3456']);
    expect([file.read(target, 8, 4), target.toString('latin1', 0, 2)]).toEqual([2, '89']);
    expect(() => file.read(target, 10, 4)).toThrow(expect.objectContaining({ code: 'ERR_IO' }));
    file.close();
  });

  it('stops being handed out at an abort, and where it has been cut', async () => {
    const path = join(tempDir(), 'a.part');
    writeFileSync(path, Buffer.alloc(3 * MIB));
    const controller = new AbortController();
    const file = openPartialFile(path);
    const aborting = replay(file, async () => controller.abort(), controller.signal);
    await expect(aborting).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    const cutting = replay(file, async () => truncateSync(path, 10), NEVER);
    await expect(cutting).rejects.toMatchObject({ code: 'ERR_IO' });
    file.close();
  });

  it('in a folder that is not there is an error of the file system', () => {
    const open = (): unknown => openPartialFile(join(tempDir(), 'none', 'a'));
    expect(open).toThrow(expect.objectContaining({ code: 'ERR_IO' }));
  });
});
