/** The inflate kernel against zlib: what every kind of compressor makes, however it is cut, and from one stream to the next. */

import * as zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { takeInflater } from '../../../wasm/inflate-kernel.js';
import { cut } from '../../support/codecs.js';
import { createBitWriter, kernelVerdict, writeFixed, writeFixedHead } from '../../support/deflate.js';
import { createRandom, type Random, withRandom } from '../../support/images/random.js';

const KIB = 1024;
const OUTPUT_BYTES = 256 * KIB;
const INPUT_BYTES = 64 * KIB;

/** Text, noise and runs: literals, matches of all distances, and stored blocks. */
const mixed = ((random: Random) =>
  Buffer.concat(
    Array.from({ length: 60 }, () =>
      random.pick([
        random.text(random.int(1, 20_000)),
        random.bytes(random.int(1, 9000)),
        Buffer.alloc(random.int(1, 30_000), random.pick(['a', 'abc', 'abcdefg', 'abcdefghijklm'])),
      ]),
    ),
  ))(createRandom(3));

function expectInflated(data: Buffer, bytes: Buffer, pieceBytes = data.length, what = ''): void {
  const found = kernelVerdict(cut(data, pieceBytes));
  expect(
    'bytes' in found && found.bytes.equals(bytes),
    `${what} ${'error' in found ? found.error : ''}`,
  ).toBe(true);
}

describe('what zlib has deflated', () => {
  const { constants } = zlib;
  const strategies = {
    default: constants.Z_DEFAULT_STRATEGY,
    filtered: constants.Z_FILTERED,
    'huffman only': constants.Z_HUFFMAN_ONLY,
    rle: constants.Z_RLE,
    fixed: constants.Z_FIXED,
  };

  it.each(Object.entries(strategies))('comes out, at every level, by the strategy %s', (_, strategy) => {
    for (let level = 0; level <= 9; level++) {
      for (const memLevel of [1, 9]) {
        const data = zlib.deflateRawSync(mixed, { level, strategy, memLevel });
        for (const pieceBytes of [data.length, 10_007])
          expectInflated(data, mixed, pieceBytes, `level ${level}, memory ${memLevel}`);
      }
    }
  });

  it.each([9, 10, 12, 14, 15])('comes out of a window of 2^%i bytes', (windowBits) => {
    expectInflated(zlib.deflateRawSync(mixed, { windowBits }), mixed);
  });

  it.each(['Z_PARTIAL_FLUSH', 'Z_SYNC_FLUSH', 'Z_FULL_FLUSH', 'Z_BLOCK'] as const)(
    'comes out with a %s in it now and then',
    async (name) => {
      const chunks: Buffer[] = [];
      const stream = zlib.createDeflateRaw().on('data', (chunk: Buffer) => void chunks.push(chunk));
      for (const part of cut(mixed, 7000)) {
        stream.write(part);
        await new Promise<void>((resolve) => stream.flush(constants[name], resolve));
      }
      await new Promise((resolve) => stream.once('end', resolve).end());
      for (const pieceBytes of [100_000, 333]) expectInflated(Buffer.concat(chunks), mixed, pieceBytes);
    },
  );

  it('comes out at every length up to 600', () => {
    for (let length = 0; length <= 600; length++) {
      const bytes = mixed.subarray(0, length);
      expectInflated(zlib.deflateRawSync(bytes), bytes, 1 + (length % 50), `${length} bytes`);
    }
  });

  it('comes out at lengths around the output and the input of the kernel, of all kinds', () => {
    const kinds = {
      zeros: Buffer.alloc(3 * OUTPUT_BYTES),
      text: createRandom(4).text(3 * OUTPUT_BYTES),
      noise: createRandom(5).bytes(3 * OUTPUT_BYTES),
    };
    for (const [kind, bytes] of Object.entries(kinds)) {
      for (const edge of [INPUT_BYTES, OUTPUT_BYTES, OUTPUT_BYTES + 260, 2 * OUTPUT_BYTES]) {
        for (const more of [-259, -258, -33, -16, -1, 0, 1, 2, 3, 15, 16, 17, 258, 259]) {
          const part = bytes.subarray(0, edge + more);
          const level = more % 2 === 0 ? 6 : 0;
          expectInflated(zlib.deflateRawSync(part, { level }), part, undefined, `${edge + more} ${kind}`);
        }
      }
    }
  });
});

describe('data that come in pieces', () => {
  const bytes = Buffer.concat([mixed.subarray(0, 9000), Buffer.alloc(700), mixed.subarray(0, 3000)]);

  it.each([
    ['of codes of its own', zlib.deflateRawSync(bytes, { memLevel: 1 })],
    ['of fixed codes', zlib.deflateRawSync(bytes, { strategy: zlib.constants.Z_FIXED })],
    ['of stored blocks', zlib.deflateRawSync(bytes, { level: 0 })],
  ])('come out: %s', (_, data) => {
    for (let pieceBytes = 1; pieceBytes <= 40; pieceBytes++)
      expectInflated(data, bytes, pieceBytes, `${pieceBytes} at a time`);
  });

  it('come out when they are cut once, anywhere', () => {
    const part = bytes.subarray(0, 2000);
    const data = zlib.deflateRawSync(part);
    for (let at = 0; at <= data.length; at++) {
      const found = kernelVerdict([data.subarray(0, at), data.subarray(at)]);
      expect('bytes' in found && found.bytes.equals(part), `cut at ${at}`).toBe(true);
    }
  });

  it('come out of random pieces', async () => {
    await withRandom(async (random) => {
      const data = zlib.deflateRawSync(mixed, { level: random.int(1, 9) });
      for (let round = 0; round < 10; round++) {
        const pieces: Buffer[] = [];
        for (let at = 0; at < data.length; ) {
          const length = random.pick([random.int(0, 9), random.int(1, 700), random.int(1, 100_000)]);
          pieces.push(data.subarray(at, at + length));
          at += length;
        }
        const found = kernelVerdict(pieces);
        expect('bytes' in found && found.bytes.equals(mixed)).toBe(true);
      }
    });
  });

  it('lack something wherever they end early', () => {
    const data = zlib.deflateRawSync(bytes.subarray(0, 3000));
    for (let length = 0; length < data.length; length++)
      expect(kernelVerdict([data.subarray(0, length)])).toEqual({ error: 'unexpected end of file' });
  });
});

/** A byte, and three of them that begin two before it. */
function reachingBack(): Buffer {
  const writer = writeFixed(writeFixedHead(createBitWriter()), 0);
  return writeFixed(writeFixed(writer, 257).code(2, 5), 256).bytes();
}

describe('an instance of the kernel', () => {
  it('serves another stream after the first, of which nothing comes out again', () => {
    const secret = Buffer.alloc(40_000, 'secret');
    const before = takeInflater();
    before?.release();
    expectInflated(zlib.deflateRawSync(secret), secret);
    const after = takeInflater();
    expect(after).toBe(before);
    after?.release();
    const reaching = reachingBack();
    expect(kernelVerdict([reaching])).toEqual({ error: 'invalid distance too far back' });
  });

  it('is another one for each stream that is inflated at the same time', () => {
    const [one, two] = [takeInflater(), takeInflater()];
    expect(one).not.toBe(two);
    one?.release();
    two?.release();
  });

  it('reaches nothing of the data before, in one stream either', () => {
    const inflater = takeInflater();
    if (inflater === undefined) throw new Error('no SIMD here');
    const first = zlib.deflateRawSync('secret');
    const reaching = reachingBack();
    inflater.start();
    inflater.feed(Buffer.concat([first, reaching]));
    expect(inflater.inflate()).toBe('end');
    expect(inflater.takeOutput().toString()).toBe('secret');
    expect(inflater.pending().equals(reaching)).toBe(true);
    inflater.start();
    expect(() => inflater.inflate()).toThrow('too far back');
    inflater.release();
  });
});
