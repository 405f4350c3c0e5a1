/** Archives that end early or come in pieces. */

import { describe, expect, it } from 'vitest';
import { isFetchError } from '../../../src/errors.js';
import { createRandom, runSeed } from '../../support/images/random.js';
import { buildTar, patternBytes, paxEntry, type TarEntry } from '../../support/images/tar.js';
import { type ReadEntry, readTar, type TarReading, tryReadTar } from './read-tar.js';

const SMALL: readonly TarEntry[] = [
  { path: 'd', type: 'directory' },
  { path: 'd/empty' },
  { path: 'd/short', data: 'short' },
  { path: 'd/block', data: patternBytes(512) },
  {
    path: `d/${'long'.repeat(40)}`,
    data: patternBytes(513),
    xattrs: { 'user.x': Buffer.from([0, 10, 255]) },
  },
  { path: `d/${'gnu'.repeat(50)}`, format: 'gnu', type: 'symlink', linkname: 'l'.repeat(200) },
  { raw: Buffer.concat(paxEntry({ comment: 'x' }, 'g')) },
  { path: 'd/hard', type: 'hardlink', linkname: 'd/short' },
];

describe('an archive cut off after any byte', () => {
  const archive = buildTar(SMALL);
  const whole = readTar(archive);
  const summary = (entry: ReadEntry): string =>
    JSON.stringify({ ...entry, xattrs: [...entry.xattrs], content: entry.content.toString('latin1') });
  const summaries = whole.map(summary);
  const isInvalid = (error: unknown): boolean => isFetchError(error) && error.code === 'ERR_TAR_INVALID';

  /** Lengths where it may end without an error. */
  function cleanLengths(): Set<number> {
    const endsOfEntries = whole.flatMap(({ contentOffset, sizeBytes }) => {
      const paddingBytes = (512 - (sizeBytes % 512)) % 512;
      return Array.from({ length: paddingBytes + 1 }, (_, at) => contentOffset + sizeBytes + at);
    });
    // The global header, in whose padding it may end as well, stands before the last entry.
    const lastHeader = (whole.at(-1)?.contentOffset ?? 0) - 512;
    const recordBytes = '13 comment=x\n'.length;
    const globalPadding = Array.from({ length: 512 - recordBytes + 1 }, (_, at) => lastHeader - at);
    const zeroBlocks = Array.from({ length: 513 }, (_, at) => archive.length - 512 + at);
    return new Set([0, ...endsOfEntries, ...globalPadding, ...zeroBlocks]);
  }

  /** Whether it gives the complete entries before the cut, and of the next one no more than its beginning. */
  function isPrefix({ entries }: TarReading): boolean {
    const complete = entries.filter(({ isComplete }) => isComplete).length;
    if (entries.slice(0, complete).some((entry, index) => summary(entry) !== summaries[index])) return false;
    const [partial, full] = [entries[complete], whole[complete]];
    if (partial === undefined || full === undefined) return entries.length === complete;
    const begins = full.content.subarray(0, partial.content.length).equals(partial.content);
    return begins && summary({ ...partial, content: full.content, isComplete: true }) === summaries[complete];
  }

  it('gives what stands before the cut, and an error unless an entry ends there', () => {
    const clean = cleanLengths();
    const wrong: string[] = [];
    // `toEqual` for each of thousands of cuts would take seconds.
    for (let length = 0; length <= archive.length; length += 1) {
      const reading = tryReadTar(archive.subarray(0, length));
      if (!isPrefix(reading)) wrong.push(`${length}: other entries`);
      if (clean.has(length) ? reading.error !== undefined : !isInvalid(reading.error)) {
        wrong.push(`${length}: ${reading.error}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe('an archive in pieces', () => {
  const archive = buildTar(SMALL);

  it.each([1, 2, 3, 511, 512, 513, 1024, 4095])('of %i bytes gives what it gives as a whole', (length) => {
    expect(readTar(archive, [length])).toEqual(readTar(archive));
  });

  it('of random sizes gives what it gives as a whole', () => {
    const random = createRandom(runSeed());
    for (let round = 0; round < 20; round += 1) {
      const sizes = Array.from({ length: 200 }, () =>
        random.pick([1, 7, 100, 511, 512, 513, random.int(1, 3000)]),
      );
      expect(readTar(archive, sizes), `ACI_TEST_SEED=${random.seed}`).toEqual(readTar(archive));
    }
  });

  it('gives the same error, too', () => {
    const broken = Buffer.concat([archive.subarray(0, 4096), Buffer.alloc(512, 'x'), archive]);
    expect(tryReadTar(broken, [1])).toEqual(tryReadTar(broken));
    expect(tryReadTar(broken).error).toMatchObject({ code: 'ERR_TAR_INVALID' });
  });
});
