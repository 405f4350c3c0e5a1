/** A file that a task appends to. */

import { closeSync, existsSync, openSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { appendFile, writeFully } from '../../../workers/append-file.js';
import { createRandom } from '../../support/images/random.js';
import { tempDir } from '../../support/temp.js';

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

  it('has zeros where they were asked for, and holes where they are many', () => {
    const path = join(tempDir(), 'a');
    const expected = Buffer.alloc(6 * MIB);
    for (const [at, text] of [
      [0, 'a'],
      [2, 'b'],
      [64 * 1024 + 2, 'c'],
      [128 * 1024 + 3, 'd'],
      [5 * MIB + 128 * 1024 + 4, 'e'],
    ] as const) {
      expected.write(text, at);
    }
    // Of an attempt before this one, which somebody may be reading.
    const oldBytes = 2 * MIB;
    writeFileSync(path, expected.subarray(0, oldBytes));
    const fd = openSync(path, 'r+');
    const sizes: number[] = [];
    let leastBytes = oldBytes;
    const file = appendFile(fd, (sizeBytes) => {
      sizes.push(sizeBytes);
      leastBytes = Math.min(leastBytes, statSync(path).size);
    });
    for (const [text, zeros] of [
      ['a', 1],
      ['b', 64 * 1024 - 1],
      ['c', 64 * 1024],
      ['d', 5 * MIB],
    ] as const) {
      file.write(Buffer.from(text));
      file.zeros(zeros);
    }
    file.write(Buffer.from('e'));
    file.zeros(2 ** 36);
    file.flush();
    const sizeBytes = 5 * MIB + 128 * 1024 + 5 + 2 ** 36;
    const { size, blocks } = statSync(path);
    expect([size, sizes.at(-1)]).toEqual([sizeBytes, sizeBytes]);
    expect(blocks * 512).toBeLessThan(3 * MIB);
    const start = Buffer.alloc(6 * MIB, 0xee);
    readSync(fd, start, 0, start.length, 0);
    expect(start.equals(expected)).toBe(true);
    expect(leastBytes).toBe(oldBytes);
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
