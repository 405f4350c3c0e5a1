/** The rest of a download: which bytes of it are there, whatever ended it. */

import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openPartialFile, replay } from '../../../workers/partial-file.js';
import { createRandom } from '../../support/images/random.js';
import { leavePartial } from '../../support/partial.js';
import { tempDir } from '../../support/temp.js';

const NEVER = new AbortController().signal;
const MIB = 1024 * 1024;
const bytes = (text: string): Buffer => Buffer.from(text);
const newPath = (): string => join(tempDir(), 'a.part');

/** What a later run finds. */
function foundAt(path: string): unknown {
  const file = openPartialFile(path);
  const found = file.received().map(({ start, end }) => [start, end]);
  file.close();
  return found;
}

describe('the rest of a download', () => {
  it('is of its host only until somebody else has added to it', () => {
    const path = newPath();
    const first = openPartialFile(path);
    first.begin({ etag: '"a"', isAuthenticated: true });
    first.write([bytes('a')], 0);
    first.close();
    const second = openPartialFile(path);
    expect(second.facts()).toMatchObject({ isAuthenticated: true });
    second.noteUnauthenticated();
    second.close();
    const third = openPartialFile(path);
    expect(third.facts()).toMatchObject({ etag: '"a"', isAuthenticated: false });
    third.begin({ etag: '"a"', isAuthenticated: true });
    expect(third.facts()).toMatchObject({ isAuthenticated: true });
    third.close();
  });

  it('is written in order, found again, begun anew and removed', async () => {
    const path = newPath();
    const first = openPartialFile(path);
    expect([first.size(), first.facts()]).toEqual([0, undefined]);
    first.begin({ etag: '"a"', totalBytes: 11 });
    first.write([bytes('hello ')], 0);
    first.close();
    const second = openPartialFile(path);
    expect([second.size(), second.facts()]).toMatchObject([6, { etag: '"a"', totalBytes: 11 }]);
    second.write([bytes('world')], 6);
    const chunks: string[] = [];
    await replay(second, async (chunk) => void chunks.push(chunk.toString()), NEVER);
    expect(chunks.join('')).toBe('hello world');
    second.begin({ etag: '"b"' });
    expect([second.size(), readFileSync(path, 'utf8'), second.facts()]).toMatchObject([
      0,
      '',
      { etag: '"b"' },
    ]);
    second.write([bytes('again')], 0);
    second.close();
    expect(readFileSync(path, 'utf8')).toBe('again');
    second.remove();
    second.remove();
    expect([existsSync(path), existsSync(`${path}.json`)]).toEqual([false, false]);
  });

  it('may have gaps; its size is what is there from the beginning on', () => {
    const path = newPath();
    const file = openPartialFile(path);
    file.begin(undefined);
    file.write([bytes('56')], 5);
    expect([file.size(), file.received()]).toEqual([0, [{ start: 5, end: 7 }]]);
    file.write([bytes('012')], 0);
    expect(file.size()).toBe(3);
    file.write([bytes('34')], 3);
    expect([file.size(), readFileSync(path, 'utf8')]).toEqual([7, '0123456']);
    file.close();
  });

  it('keeps the bytes that it has when others come for the same place', () => {
    const path = newPath();
    const file = openPartialFile(path);
    file.begin(undefined);
    file.write([bytes('ab')], 2);
    file.write([bytes('......')], 0);
    expect(readFileSync(path, 'utf8')).toBe('..ab..');
    file.write([bytes('xxxxxx')], 0);
    expect(readFileSync(path, 'utf8')).toBe('..ab..');
    file.write([bytes('x'), bytes('xx'), bytes('x'), bytes('xxcd'), bytes('e')], 0);
    expect(readFileSync(path, 'utf8')).toBe('..ab..cde');
    file.close();
  });

  it('of a process that was killed has what was written in order', () => {
    const path = newPath();
    const file = openPartialFile(path);
    file.begin(undefined);
    file.write([bytes('0123')], 0);
    // Nothing is closed or saved.
    expect(foundAt(path)).toEqual([[0, 4]]);
    file.close();
  });

  it.each<[string, boolean, unknown]>([
    // Neither is the gap taken for bytes, nor what nobody noted.
    ['what was there before the gap, when it was not noted', false, [[0, 2]]],
    [
      'what is behind the gap too, when it was noted',
      true,
      [
        [0, 2],
        [8, 10],
      ],
    ],
  ])('of a process that was killed has %s', (_, isSaved, expected) => {
    const path = newPath();
    const file = openPartialFile(path);
    file.begin(undefined);
    file.write([bytes('01')], 0);
    file.write([bytes('89')], 8);
    if (isSaved) file.save();
    expect(foundAt(path)).toEqual(expected);
    file.close();
  });

  it('of another run of the machine has what had reached the disk', async () => {
    const path = newPath();
    const file = openPartialFile(path);
    file.begin(undefined);
    file.write([bytes('0123')], 0);
    await file.checkpoint(() => true);
    file.write([bytes('4567')], 4);
    file.save();
    file.close();
    const record = JSON.parse(readFileSync(`${path}.json`, 'utf8'));
    writeFileSync(`${path}.json`, JSON.stringify({ ...record, bootId: 'another' }));
    expect(foundAt(path)).toEqual([[0, 4]]);
    leavePartial(path, bytes('0123'), { bootId: 'another' });
    expect(foundAt(path)).toEqual([]);
  });

  it('is not noted any more by whom it does not belong to when the disk is done', async () => {
    const path = newPath();
    const file = openPartialFile(path);
    file.begin(undefined);
    file.write([bytes('0123456789')], 0);
    let isOurs = true;
    const late = file.checkpoint(() => isOurs);
    isOurs = false;
    leavePartial(path, bytes('ab'), { received: [{ start: 0, end: 2 }] });
    const record = readFileSync(`${path}.json`, 'utf8');
    await late;
    expect(readFileSync(`${path}.json`, 'utf8')).toBe(record);
    file.close();
  });

  it.each<[string, string, unknown]>([
    ['no record', '', []],
    ['half a record', '{"bootId": "', []],
    ['a record of another kind', '"text"', []],
    ['spans that are none', '{"received": [{"start": 3}]}', []],
    ['spans below nothing', '{"received": [{"start": -3, "end": 2}]}', []],
  ])('with %s has nothing', (_, record, expected) => {
    const path = newPath();
    writeFileSync(path, '0123456789');
    writeFileSync(`${path}.json`, record);
    expect(foundAt(path)).toEqual(expected);
  });

  it('that was cut has no more than the file, and one that is longer no more than its record', () => {
    const path = newPath();
    const received = [
      { start: 0, end: 4 },
      { start: 6, end: 9 },
    ];
    leavePartial(path, bytes('0123456'), { received });
    expect(foundAt(path)).toEqual([
      [0, 4],
      [6, 7],
    ]);
    leavePartial(path, bytes('0123456789abcdef'), { received: [{ start: 0, end: 4 }] });
    expect(foundAt(path)).toEqual([[0, 4]]);
    expect(readFileSync(path, 'utf8')).toBe('0123');
  });

  it('is handed out in pieces, each good until its promise resolves', async () => {
    const path = newPath();
    const content = createRandom(2).bytes(2 * MIB + 100);
    leavePartial(path, content);
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
    const path = newPath();
    leavePartial(path, bytes('0123456789'));
    const file = openPartialFile(path);
    const target = Buffer.alloc(4);
    expect([file.read(target, 3, 4), target.toString()]).toEqual([4, '3456']);
    expect([file.read(target, 8, 4), target.toString('latin1', 0, 2)]).toEqual([2, '89']);
    expect(() => file.read(target, 10, 4)).toThrow(expect.objectContaining({ code: 'ERR_IO' }));
    file.close();
  });

  it('stops being handed out at an abort, and where it has been cut', async () => {
    const path = newPath();
    leavePartial(path, Buffer.alloc(3 * MIB));
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
