/** Inflating by the first bytes: every codec, in pieces, cut off and damaged. */

import { describe, expect, it } from 'vitest';
import { createDecompressor, sniffCodec } from '../../../src/codec/decompress.js';
import { FetchError } from '../../../src/errors.js';
import { CODECS, compression, cut, inflate } from '../../support/codecs.js';
import { createRandom, runSeed } from '../../support/images/random.js';

const TEXT = Buffer.from('a text that is repeated. '.repeat(4000));
const NOISE = createRandom(7).bytes(300_000);

it.each([
  ['1f8b0800000000000003', 'gzip'],
  ['1f8b08', 'gzip'],
  ['1f8b', 'none'],
  ['1f8b0700000000000000', 'none'],
  ['28b52ffd000000000000', 'zstd'],
  ['502a4d18000000000000', 'zstd'],
  ['5f2a4d18000000000000', 'zstd'],
  ['602a4d18000000000000', 'none'],
  ['28b52f', 'none'],
  ['fd377a585a0000000000', 'xz'],
  ['fd377a585a', 'none'],
  ['425a6839314159265359', 'bzip2'],
  ['425a6831177245385090', 'bzip2'],
  ['425a6830314159265359', 'none'],
  ['425a6839000000000000', 'none'],
  ['', 'none'],
  ['00000000000000000000', 'none'],
  ['2e2f0000000000000000', 'none'],
])('takes bytes that begin with %s for %s', (hex, codec) => {
  expect(sniffCodec(Buffer.from(hex, 'hex'))).toBe(codec);
});

describe.each(CODECS)('what $name has written', (codec) => {
  it.each([
    ['nothing', Buffer.alloc(0)],
    ['a byte', Buffer.from('x')],
    ['ten bytes', Buffer.from('0123456789')],
    ['text', TEXT],
    ['noise', NOISE],
    ['a megabyte of zeros', Buffer.alloc(1024 * 1024)],
  ])('comes out as it went in: %s', async (_, bytes) => {
    const compressed = await codec.compress(bytes);
    expect((await inflate([compressed])).equals(bytes)).toBe(true);
    expect((await inflate(cut(compressed, 65_537))).equals(bytes)).toBe(true);
  });

  it('comes out of pieces of a byte', async () => {
    const bytes = NOISE.subarray(0, 700);
    expect((await inflate(cut(await codec.compress(bytes), 1))).equals(bytes)).toBe(true);
  });

  it('comes out of random pieces, empty ones too', async () => {
    const random = createRandom(runSeed());
    const compressed = await codec.compress(NOISE);
    const pieces: Buffer[] = [];
    for (let at = 0; at < compressed.length; ) {
      const length = random.pick([0, 1, random.int(1, 100), random.int(1, 50_000)]);
      pieces.push(compressed.subarray(at, at + length));
      at += length;
    }
    expect((await inflate(pieces)).equals(NOISE), `ACI_TEST_SEED=${random.seed}`).toBe(true);
  });

  it('throws what the output throws, and no more comes out', async () => {
    const compressed = await codec.compress(NOISE);
    const failure = new FetchError('ERR_TAR_INVALID', 'no tar', { stage: 'convert' });
    let calls = 0;
    const decompressor = createDecompressor(() => {
      calls += 1;
      throw failure;
    });
    const writing = async (): Promise<void> => {
      for (const piece of cut(compressed, 40_000)) await decompressor.write(piece);
      await decompressor.end();
    };
    await expect(writing()).rejects.toBe(failure);
    expect(calls).toBe(1);
    decompressor.destroy();
  });

  it('may be given up at any time', async () => {
    const decompressor = createDecompressor(() => {});
    await decompressor.write((await codec.compress(NOISE)).subarray(0, 1000));
    decompressor.destroy();
    decompressor.destroy();
    createDecompressor(() => {}).destroy();
  });
});

describe.each(CODECS.filter(({ name }) => name !== 'nothing'))('compressed data of $name', (codec) => {
  it('is refused when it is cut off, wherever', async () => {
    const compressed = await codec.compress(NOISE.subarray(0, 2000));
    const from = 10;
    const step = Math.max(1, Math.floor(compressed.length / 40));
    const lengths = [...Array.from({ length: 30 }, (_, at) => from + at)];
    for (let length = from + 30; length < compressed.length; length += step) lengths.push(length);
    lengths.push(compressed.length - 1, compressed.length - 2, compressed.length - 4);
    for (const length of lengths) {
      const inflating = inflate([compressed.subarray(0, length)]);
      await expect(inflating, `${length} of ${compressed.length}`).rejects.toMatchObject(compression);
    }
  });

  it('is refused when bytes of it are changed', async () => {
    const compressed = await codec.compress(TEXT);
    const damaged = Buffer.from(compressed);
    const middle = Math.floor(damaged.length / 2);
    damaged.fill(0xff, middle, middle + 16);
    await expect(inflate([damaged])).rejects.toMatchObject(compression);
    await expect(inflate(cut(damaged, 7))).rejects.toMatchObject(compression);
  });
});
