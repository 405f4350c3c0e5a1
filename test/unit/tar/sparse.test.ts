/** Sparse files: the holes come out as zeros, whoever wrote them, and maps that do not fit are refused. */

import { openSync, readFileSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createTarParser } from '../../../src/tar/parser.js';
import { buildTar, type NamedEntry, type TarEntry } from '../../support/images/tar.js';
import { runTool } from '../../support/process.js';
import { tempDir } from '../../support/temp.js';
import { requireTools } from '../../support/tools.js';
import { readTar, tryReadTar } from './read-tar.js';

const invalid = { code: 'ERR_TAR_INVALID' };

/** A file of pieces of text at offsets, in a file system that has holes. */
function writeSparse(path: string, pieces: readonly (readonly [number, string])[], sizeBytes: number): void {
  const fd = openSync(path, 'w');
  for (const [offset, text] of pieces) writeSync(fd, text, offset);
  truncateSync(path, sizeBytes);
}

const MIB = 1024 * 1024;

describe.runIf(requireTools(['tar']))('a sparse file of GNU tar', () => {
  const cases: readonly (readonly [string, readonly (readonly [number, string])[], number])[] = [
    [
      'holes before, between and after',
      [
        [MIB, 'one'],
        [2 * MIB, 'two'],
      ],
      3 * MIB + 7,
    ],
    ['no content at all', [], MIB],
    ['a hole at its end', [[0, 'start']], MIB],
    ['content at its end', [[MIB, 'the end']], MIB + 7],
    [
      'more pieces than a header holds',
      Array.from({ length: 60 }, (_, at) => [at * 65_536, `piece ${at}`] as const),
      4 * MIB,
    ],
  ];

  for (const [what, pieces, sizeBytes] of cases) {
    it.each(['gnu', 'pax 0.0', 'pax 0.1', 'pax 1.0'])(
      `with ${what} comes out whole from %s`,
      async (format) => {
        const directory = tempDir();
        writeSparse(join(directory, 'sparse'), pieces, sizeBytes);
        const [name = '', version] = format.split(' ');
        const archive = join(directory, 'a.tar');
        const args = [
          '--sparse',
          `--format=${name}`,
          ...(version === undefined ? [] : [`--sparse-version=${version}`]),
        ];
        await runTool('tar', [
          '-C',
          directory,
          '-cf',
          archive,
          ...args,
          '--hole-detection=raw',
          'sparse',
          '/dev/null',
        ]);
        expect(statSync(archive).size).toBeLessThan(sizeBytes / 2);
        for (const pieceBytes of [[512], [100_000], undefined]) {
          const [entry, next] = readTar(readFileSync(archive), pieceBytes);
          expect(entry).toMatchObject({ path: 'sparse', type: 'file', sizeBytes });
          expect(entry?.content.equals(readFileSync(join(directory, 'sparse')))).toBe(true);
          expect(next).toMatchObject({ type: 'char' });
        }
      },
    );
  }
});

const pax = (records: Record<string, string>, fields: Partial<NamedEntry> = {}): TarEntry => ({
  path: 'f',
  ...fields,
  pax: Object.fromEntries(Object.entries(records).map(([key, value]) => [`GNU.sparse.${key}`, value])),
});

/** An entry of GNU format with up to four pieces in its header. */
function gnu(pieces: readonly (readonly [number, number])[], realBytes: number, data = ''): TarEntry {
  const octal = (value: number): string => `${value.toString(8).padStart(11, '0')}\0`;
  const patch = (header: Buffer): void => {
    for (const [index, [offset, sizeBytes]] of pieces.entries()) {
      header.write(octal(offset) + octal(sizeBytes), 386 + index * 24, 'latin1');
    }
    header.write(octal(realBytes), 483, 'latin1');
  };
  return { path: 'f', typeflag: 'S', format: 'gnu', data, patch };
}

describe('the map of a sparse file', () => {
  it('may have pieces of nothing', () => {
    const [old] = readTar(
      buildTar([
        gnu(
          [
            [0, 0],
            [2, 3],
            [9, 0],
          ],
          9,
          'abc',
        ),
      ]),
    );
    expect(old?.content).toEqual(Buffer.from('\0\0abc\0\0\0\0'));
    const [entry] = readTar(buildTar([pax({ size: '6', map: '1,0,1,2,3,0' }, { data: 'ab' })]));
    expect(entry?.content).toEqual(Buffer.from('\0ab\0\0\0'));
  });

  it('may stand in the content, with the name of the file in a record', () => {
    const map = Buffer.alloc(512);
    map.write('1\n3\n2\n');
    const data = Buffer.concat([map, Buffer.from('ab')]);
    const entry = pax({ major: '1', minor: '0', realsize: '8', name: 'real/name' }, { data });
    const [read, next] = readTar(buildTar([entry, { path: 'next', data: 'x' }]));
    expect(read).toMatchObject({ path: 'real/name', sizeBytes: 8, content: Buffer.from('\0\0\0ab\0\0\0') });
    expect(next?.path).toBe('next');
  });

  it.each<[string, TarEntry]>([
    [
      'pieces that overlap',
      gnu(
        [
          [0, 2],
          [1, 2],
        ],
        8,
        'abcd',
      ),
    ],
    [
      'pieces in the wrong order',
      gnu(
        [
          [4, 2],
          [0, 2],
        ],
        8,
        'abcd',
      ),
    ],
    ['a piece past the end', gnu([[6, 4]], 8, 'abcd')],
    ['less in its pieces than is stored', gnu([[0, 2]], 8, 'abcd')],
    ['more in its pieces than is stored', gnu([[0, 4]], 8, 'ab')],
    ['half a piece', pax({ size: '8', map: '0,2,4' }, { data: 'ab' })],
    ['words for numbers', pax({ size: '8', map: '0,two' }, { data: 'ab' })],
    ['a size that is no number', pax({ size: 'big', map: '0,2' }, { data: 'ab' })],
    ['a negative offset', pax({ size: '8', map: '-1,2' }, { data: 'ab' })],
    ['no block for its map', pax({ major: '1', realsize: '8' }, { data: '' })],
    ['a map that is longer than what is stored', pax({ major: '1', realsize: '8' }, { data: '900\n' })],
    ['a map of text', pax({ major: '1', realsize: '8' }, { data: `many\n${'0\n'.repeat(300)}` })],
    ['a map of millions', pax({ major: '1', realsize: '8' }, { data: `1000001\n${'0\n'.repeat(300)}` })],
  ])('is refused with %s', (_, entry) => {
    expect(tryReadTar(buildTar([entry, { path: 'after' }])).error).toMatchObject(invalid);
  });

  it('is refused where it promises much more than is stored', () => {
    const bomb = pax({ size: String(2 ** 40), map: '0,2' }, { data: 'ab' });
    expect(tryReadTar(buildTar([bomb])).error).toMatchObject({ code: 'ERR_LIMIT' });
    expect(tryReadTar(buildTar([gnu([[0, 2]], 2 ** 32, 'ab')])).error).toMatchObject({ code: 'ERR_LIMIT' });
  });

  it('is refused where many of them promise together what one may not', () => {
    const file = buildTar([gnu([], 900 * MIB)]).subarray(0, 512);
    let sizeBytes = 0;
    const parser = createTarParser({
      entry() {},
      data() {},
      hole: (holeBytes) => {
        sizeBytes += holeBytes;
      },
      entryEnd() {},
    });
    parser.push(file);
    expect(() => parser.push(file)).toThrow(expect.objectContaining({ code: 'ERR_LIMIT' }));
    expect(sizeBytes).toBe(900 * MIB);
  });

  it('is handed out hole by hole, whatever their sizes are', () => {
    const holes: number[] = [];
    const parser = createTarParser({
      entry() {},
      data() {},
      hole: (sizeBytes) => void holes.push(sizeBytes),
      entryEnd() {},
    });
    parser.push(
      buildTar([
        gnu(
          [
            [1, 2],
            [500 * MIB, 1],
          ],
          900 * MIB,
          'abc',
        ),
      ]),
    );
    parser.end();
    expect(holes).toEqual([1, 500 * MIB - 3, 400 * MIB - 1]);
  });

  it('is refused where the archive ends in it', () => {
    const archive = buildTar([pax({ major: '1', realsize: '8' }, { data: Buffer.alloc(1024, '2\n0\n2\n') })]);
    for (const length of [1536, 1537, 2047]) {
      expect(tryReadTar(archive.subarray(0, length)).error).toMatchObject(invalid);
    }
  });

  // What is no file has no content in any archive: a reader would take the zeros for the archive's end.
  it.each(['symlink', 'directory', 'fifo', 'hardlink'] as const)('gives a %s no content', (type) => {
    const entry = pax({ size: '1024', map: '' }, { type, linkname: 'x' });
    const { entries, error } = tryReadTar(buildTar([entry, { path: 'after' }]));
    if (error !== undefined) expect(error).toMatchObject(invalid);
    else expect(entries.map(({ sizeBytes, content }) => sizeBytes + content.length)).toEqual([0, 0]);
  });

  it('is read in no time when its table goes on for thousands of blocks', () => {
    const block = Buffer.alloc(512);
    for (let at = 0; at < 504; at += 12) block.write('00000000000\0', at);
    block[504] = 1;
    const raw = Buffer.concat(Array.from({ length: 8000 }, () => block));
    const first: TarEntry = {
      ...(gnu([], 0) as NamedEntry),
      patch: (header) => void header.fill(1, 482, 483),
    };
    const startedAt = performance.now();
    tryReadTar(buildTar([first, { raw }]));
    expect(performance.now() - startedAt).toBeLessThan(6000);
  });
});
