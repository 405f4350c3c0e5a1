/** The inflate kernel against zlib: data that no compressor makes, malformed in every way, and damaged at random. */

import { describe, expect, it } from 'vitest';
import { cut } from '../../support/codecs.js';
import {
  type BitWriter,
  createBitWriter,
  differentVerdicts,
  isSameVerdict,
  kernelVerdict,
  writeFixed as literal,
  randomBlocks,
  writeDynamicHead,
  writeFixedHead,
  zlibVerdict,
} from '../../support/deflate.js';
import { withRandom } from '../../support/images/random.js';

const OUTPUT_BYTES = 256 * 1024;

function expectSame(data: Buffer, pieceBytes = data.length, what = ''): void {
  const [expected, found] = [zlibVerdict(data), kernelVerdict(cut(data, pieceBytes))];
  // The matcher compares bytes slowly.
  if (!isSameVerdict(expected, found)) expect(found, what).toEqual(expected);
}

function fill(count: number, value: number): number[] {
  return Array.from({ length: count }, () => value);
}

const fixedBlock = (): BitWriter => writeFixedHead(createBitWriter());

/** A block of so many equal bytes, and then a match at the least distance of a code. */
function matchBehind(byteCount: number, distanceSymbol: number, extra: number, extraBits: number): Buffer {
  const writer = literal(writeFixedHead(createBitWriter(), false), 7);
  for (let left = byteCount - 1; left > 0; ) {
    // Symbol 285 is of 258 bytes; what is over is of literals.
    if (left >= 258) {
      literal(writer, 285).code(0, 5);
      left -= 258;
    } else {
      literal(writer, left % 256);
      left -= 1;
    }
  }
  writeFixedHead(literal(writer, 256));
  literal(writer, 257).code(distanceSymbol, 5).bits(extra, extraBits);
  return literal(writer, 256).bytes();
}

function dynamic(literals: Record<number, number>, distances: readonly number[], count = 257): BitWriter {
  const literalLengths = fill(count, 0);
  for (const [symbol, bits] of Object.entries(literals)) literalLengths[Number(symbol)] = bits;
  return writeDynamicHead(createBitWriter(), { literalLengths, distanceLengths: distances });
}

/** The head of a block up to the lengths of the codes for lengths, of which 18 and 0 (or 16) have one bit. */
function repeatHead(second: 0 | 16, literalCount = 257, distanceCount = 1): BitWriter {
  const writer = createBitWriter().bits(1, 1).bits(2, 2);
  writer
    .bits(literalCount - 257, 5)
    .bits(distanceCount - 1, 5)
    .bits(0, 4);
  for (const symbol of [16, 17, 18, 0]) writer.bits(symbol === 18 || symbol === second ? 1 : 0, 3);
  return writer;
}

describe('data that no common compressor makes', () => {
  const cases: readonly (readonly [what: string, data: Buffer, isGood: boolean])[] = [
    ['a stored block of nothing', Buffer.from('010000ffff', 'hex'), true],
    ['a stored block whose lengths differ', Buffer.from('010000fffe', 'hex'), false],
    ['a block of the reserved type', Buffer.from([7, 0, 0, 0]), false],
    ['a fixed block of nothing', literal(fixedBlock(), 256).bytes(), true],
    ['the fixed symbol 286', literal(literal(fixedBlock(), 0), 286).code(0, 5).bits(0, 30).bytes(), false],
    ['the fixed symbol 287', literal(literal(fixedBlock(), 0), 287).code(0, 5).bits(0, 30).bytes(), false],
    ['the fixed distance 30', literal(literal(fixedBlock(), 0), 257).code(30, 5).bits(0, 30).bytes(), false],
    ['the fixed distance 31', literal(literal(fixedBlock(), 0), 257).code(31, 5).bits(0, 30).bytes(), false],
    [
      'a length of 258 as the symbol 284',
      literal(literal(literal(fixedBlock(), 0), 284).bits(31, 5).code(0, 5), 256).bytes(),
      true,
    ],
    ['a distance to the first byte', matchBehind(1000, 19, 1000 - 769, 8), true],
    ['a distance to before the first byte', matchBehind(1000, 19, 1001 - 769, 8), false],
    ['the largest distance', matchBehind(32_768, 29, 8191, 13), true],
    ['the largest distance, one byte too early', matchBehind(32_767, 29, 8191, 13), false],
    ['the largest distance behind more than the output', matchBehind(OUTPUT_BYTES + 5, 29, 8191, 13), true],
    ['a distance before anything', literal(literal(fixedBlock(), 257).code(0, 5), 256).bytes(), false],
    ['one code of one bit, and no distances', dynamic({ 256: 1 }, [0]).code(0, 1).bytes(), true],
    [
      'one code of one bit, and the other bit',
      dynamic({ 256: 1 }, [0]).code(1, 1).bits(0, 20).bytes(),
      false,
    ],
    ['one code of two bits', dynamic({ 256: 2 }, [0]).code(0, 2).bytes(), false],
    ['no end of the block', dynamic({ 0: 1, 1: 1 }, [0]).bits(0, 20).bytes(), false],
    ['codes that leave something over', dynamic({ 0: 2, 1: 2, 256: 2 }, [0]).bits(0, 20).bytes(), false],
    ['more codes than bits can tell apart', dynamic({ 0: 1, 1: 1, 256: 1 }, [0]).bits(0, 20).bytes(), false],
    ['more long codes than there is room for', dynamic({ 0: 1, 1: 2, 2: 2, 256: 15 }, [0]).bytes(), false],
    [
      'one distance of one bit',
      dynamic({ 0: 2, 1: 2, 256: 2, 257: 2 }, [1], 258).code(0, 2).code(3, 2).code(0, 1).code(2, 2).bytes(),
      true,
    ],
    [
      'one distance of one bit, and the other bit',
      dynamic({ 0: 2, 1: 2, 256: 2, 257: 2 }, [1], 258).code(0, 2).code(3, 2).code(1, 1).bits(0, 20).bytes(),
      false,
    ],
    [
      'a match where there are no distances',
      dynamic({ 0: 2, 1: 2, 256: 2, 257: 2 }, [0], 258).code(0, 2).code(3, 2).bits(0, 20).bytes(),
      false,
    ],
    ['one distance of two bits', dynamic({ 0: 1, 256: 1 }, [2]).code(1, 1).bytes(), false],
    ['distances that leave something over', dynamic({ 0: 1, 256: 1 }, [2, 2, 2]).code(1, 1).bytes(), false],
    [
      'more distances than bits can tell apart',
      dynamic({ 0: 1, 256: 1 }, [1, 1, 1]).code(1, 1).bytes(),
      false,
    ],
    ['286 symbols and 30 distances', dynamic({ 0: 1, 256: 1 }, fill(30, 0), 286).code(1, 1).bytes(), true],
    ['287 symbols', dynamic({ 0: 1, 256: 1 }, [0], 287).code(1, 1).bytes(), false],
    ['31 distances', dynamic({ 0: 1, 256: 1 }, fill(31, 0)).code(1, 1).bytes(), false],
    ['a repetition of nothing', repeatHead(16).code(0, 1).bits(0, 2).bits(0, 60).bytes(), false],
    [
      'a repetition beyond the last length',
      repeatHead(0).code(1, 1).bits(127, 7).code(1, 1).bits(127, 7).bits(0, 60).bytes(),
      false,
    ],
    [
      'lengths that are all zero',
      repeatHead(0).code(1, 1).bits(127, 7).code(1, 1).bits(109, 7).bits(0, 60).bytes(),
      false,
    ],
    [
      'codes for lengths that leave something over',
      createBitWriter().bits(5, 3).bits(0, 14).bits(2, 3).bits(2, 3).bits(2, 3).bits(0, 600).bytes(),
      false,
    ],
    [
      'too many codes for lengths',
      createBitWriter().bits(5, 3).bits(0, 14).bits(1, 3).bits(1, 3).bits(1, 3).bits(0, 600).bytes(),
      false,
    ],
  ];

  it.each(cases)('%s', (_, data, isGood) => {
    expect('bytes' in zlibVerdict(data)).toBe(isGood);
    for (const pieceBytes of [data.length, 1, 2, 5]) expectSame(data, pieceBytes);
    // Far from the end of the input the fast loop decides.
    const padded = Buffer.concat([data, Buffer.alloc(100)]);
    for (const pieceBytes of [padded.length, 3]) expectSame(padded, pieceBytes);
  });

  it('no codes for lengths, which zlib refuses somewhat later', () => {
    const data = createBitWriter().bits(5, 3).bits(0, 26).bits(0, 600).bytes();
    expect(zlibVerdict(data)).toHaveProperty('error');
    expect(kernelVerdict([data])).toEqual({ error: 'invalid code lengths set' });
  });
});

it('takes random codes and every symbol of them for what zlib does', async () => {
  await withRandom(async (random) => {
    for (let round = 0; round < 400; round++) {
      const data = randomBlocks(random);
      expectSame(data, random.pick([data.length, 1, 7, 100]), `round ${round}`);
    }
  });
});

it('has the verdict of zlib on data that are damaged at random', async () => {
  await withRandom(async (random) => {
    expect(differentVerdicts(random, 2000)).toEqual([]);
  });
});
