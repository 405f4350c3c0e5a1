/** bzip2: streams one after another, what follows them, and blocks that no bzip2 writes. */

import { describe, expect, it } from 'vitest';
import { compression, compressWith, cut, inflate } from '../../support/codecs.js';
import { createRandom } from '../../support/images/random.js';
import { requireTools } from '../../support/tools.js';

/** What `bzip2 -9` makes of nothing, and of an `x`. */
const NOTHING = Buffer.from('425a683917724538509000000000', 'hex');
const X = Buffer.from('425a6839314159265359774bb01400000000800040200021184682ee48a70a120ee9760280', 'hex');
const X_CRC = 0x774bb014;

/** Bits as text, of numbers and text. */
function bits(...fields: readonly (readonly [value: number, count: number] | string)[]): string {
  return fields
    .map((field) => (typeof field === 'string' ? field : field[0].toString(2).padStart(field[1], '0')))
    .join('');
}

function bytesOf(text: string): Buffer {
  const padded = text.padEnd(Math.ceil(text.length / 8) * 8, '0');
  return Buffer.from(cut(Buffer.from(padded), 8).map((byte) => Number.parseInt(byte.toString(), 2)));
}

interface BlockFields {
  readonly start: string;
  readonly magic: string;
  readonly crc: number;
  readonly randomised: string;
  readonly origin: number;
  readonly alphabet: string;
  readonly tables: number;
  readonly selectorCount: number;
  readonly selectors: string;
  /** Of the two digits of run lengths and the end. */
  readonly lengths: string;
  readonly symbols: string;
  readonly endMagic: string;
  readonly streamCrc: number;
}

/** Lengths 1, 2 and 2, so that the codes are 0, 10 and 11. */
const LENGTHS = bits([1, 5], '0', '100', '0');
const ONE_X: BlockFields = {
  start: 'BZh1',
  magic: '314159265359',
  crc: X_CRC,
  randomised: '0',
  origin: 0,
  // The byte 0x78.
  alphabet: bits([0x8000 >>> 7, 16], [0x8000 >>> 8, 16]),
  tables: 2,
  selectorCount: 1,
  selectors: '0',
  lengths: LENGTHS + LENGTHS,
  symbols: '011',
  endMagic: '177245385090',
  streamCrc: X_CRC,
};

/** Of `x` and `y`, all symbols with codes of two bits; a group of fifty times the byte that was not last. */
const TWO_BYTES: Partial<BlockFields> = {
  alphabet: bits([0x8000 >>> 7, 16], [(0x8000 >>> 8) | (0x8000 >>> 9), 16]),
  lengths: bits([2, 5], '0000').repeat(2),
  symbols: '10'.repeat(50),
};

function streamOf(changes: Partial<BlockFields>): Buffer {
  const fields = { ...ONE_X, ...changes };
  const hex = (text: string): string =>
    bits(...[...Buffer.from(text, 'hex')].map((byte) => [byte, 8] as const));
  const block = bits(
    hex(fields.magic),
    [fields.crc, 32],
    fields.randomised,
    [fields.origin, 24],
    fields.alphabet,
    [fields.tables, 3],
    [fields.selectorCount, 15],
    fields.selectors,
    fields.lengths,
    fields.symbols,
  );
  const end = bits(hex(fields.endMagic), [fields.streamCrc, 32]);
  return Buffer.concat([Buffer.from(fields.start), bytesOf(block + end)]);
}

describe('a bzip2 block', () => {
  it('comes out when it is right', async () => {
    expect((await inflate([streamOf({})])).toString()).toBe('x');
    expect((await inflate([X])).toString()).toBe('x');
  });

  it.each<[string, Partial<BlockFields>]>([
    ['is randomised', { randomised: '1' }],
    ['begins at its end', { origin: 1 }],
    ['begins far beyond its end', { origin: 0xffffff }],
    ['has no bytes to choose from', { alphabet: bits([0, 16]) }],
    ['has no bytes to choose from in its only sixteenth', { alphabet: bits([1, 16], [0, 16]) }],
    ['has one code table', { tables: 1, lengths: LENGTHS }],
    ['has seven code tables', { tables: 7, lengths: LENGTHS.repeat(7) }],
    ['has no selectors', { selectorCount: 0, selectors: '' }],
    ['selects a table that it does not have', { selectors: '110' }],
    ['has a code of no bits', { lengths: bits([0, 5], '0', '100', '0') + LENGTHS }],
    ['has a code of 21 bits', { lengths: bits([20, 5], '100', '0', '0') + LENGTHS }],
    ['has a code length that goes up and down', { lengths: bits([1, 5], '1011'.repeat(5000), '0') }],
    ['has more codes than bits can tell apart', { lengths: bits([1, 5], '000') + LENGTHS }],
    ['has a short code that no symbol has', { lengths: bits([2, 5], '000') + LENGTHS, symbols: '11' }],
    [
      'has a long code that no symbol has',
      { lengths: bits([20, 5], '000') + LENGTHS, symbols: '1'.repeat(20) },
    ],
    ['has a run that is longer than a block', { symbols: `${'10'.repeat(17)}11` }],
    ['has a run whose length no number holds', { symbols: `${'10'.repeat(49)}11` }],
    ['has no end', TWO_BYTES],
    ['has nothing in it', { symbols: '11' }],
    ['has another checksum', { crc: X_CRC ^ 1 }],
    ['is in a stream of another checksum', { streamCrc: X_CRC ^ 1 }],
    ['does not begin as a block', { magic: '314159265358' }],
    ['is followed by neither a block nor an end', { endMagic: '177245385091' }],
  ])('is refused when it %s', async (_, changes) => {
    // A stream before it: by its first bytes alone it might be taken for something else.
    const bytes = Buffer.concat([X, streamOf(changes)]);
    await expect(inflate([bytes])).rejects.toMatchObject(compression);
    await expect(inflate(cut(bytes, 3))).rejects.toMatchObject(compression);
  });

  it.each(['BZh0', 'BZh:', 'BZg9', 'BZip', 'bZh9'])(
    'is refused in a stream that begins with %s',
    async (start) => {
      await expect(inflate([X, streamOf({ start })])).rejects.toMatchObject(compression);
    },
  );

  it('may have its lengths in any sixteenths and all tables', async () => {
    const stream = streamOf({ tables: 6, selectors: '111110', lengths: LENGTHS.repeat(6) });
    expect((await inflate([stream])).toString()).toBe('x');
  });
});

describe('bzip2 streams', () => {
  it('may follow each other, empty ones too', async () => {
    const bytes = Buffer.concat([NOTHING, X, X, NOTHING, streamOf({}), NOTHING]);
    for (const pieces of [[bytes], cut(bytes, 1), cut(bytes, 17)])
      expect((await inflate(pieces)).toString()).toBe('xxx');
  });

  it('may be thousands of nothing, of changing sizes of blocks, and take no time', async () => {
    const small = Buffer.from(NOTHING);
    small.write('1', 3);
    const pair = Buffer.concat([NOTHING, small]);
    const startedAt = performance.now();
    expect(await inflate([Buffer.concat(Array.from({ length: 2500 }, () => pair))])).toHaveLength(0);
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });

  it.runIf(requireTools(['bzip2']))('may have blocks of different sizes', async () => {
    const random = createRandom(3);
    const parts = [random.text(250_000), random.bytes(120_000), random.text(1_000_000), Buffer.alloc(70_000)];
    const levels = ['-1', '-9', '-2', '-1'];
    const streams = await Promise.all(
      parts.map((part, at) => compressWith('bzip2', [levels[at] as string], part)),
    );
    const whole = Buffer.concat(parts);
    expect((await inflate([Buffer.concat(streams)])).equals(whole)).toBe(true);
    expect((await inflate(cut(Buffer.concat(streams), 4099))).equals(whole)).toBe(true);
  });

  it.runIf(requireTools(['bzip2']))('may hold runs of every length', async () => {
    const runs = Array.from({ length: 600 }, (_, length) => Buffer.alloc(length, 'ab'[length % 2]));
    const bytes = Buffer.concat([...runs, Buffer.alloc(3_000_000, 'c'), Buffer.from('ccccd')]);
    expect((await inflate([await compressWith('bzip2', ['-1'], bytes)])).equals(bytes)).toBe(true);
  });

  it('may be padded with zeros', async () => {
    expect((await inflate([X, Buffer.alloc(200_000), Buffer.alloc(1)])).toString()).toBe('x');
  });

  it.each(['junk', 'B', 'BZ', 'BZh9', '\0\0BZh9'])('are refused when followed by %j', async (junk) => {
    await expect(inflate([X, Buffer.from(junk)])).rejects.toMatchObject(compression);
    await expect(inflate([Buffer.concat([X, Buffer.from(junk)])])).rejects.toMatchObject(compression);
  });

  it('are refused when the last one is cut off', async () => {
    for (let length = 1; length < X.length; length++)
      await expect(inflate([X, X.subarray(0, length)]), `${length}`).rejects.toMatchObject(compression);
  });
});
