/** Inflating by the first bytes: every codec, in pieces, cut off, damaged, and bombs. */

import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createDecompressor, sniffCodec } from '../../../src/codec/decompress.js';
import { FetchError } from '../../../src/errors.js';
import { createRandom, runSeed } from '../../support/images/random.js';
import { run } from '../../support/process.js';
import { tempDir } from '../../support/temp.js';
import { hasTool } from '../../support/tools.js';

const compression = { code: 'ERR_COMPRESSION', stage: 'convert' };
const TEXT = Buffer.from('a text that is repeated. '.repeat(4000));
const NOISE = createRandom(7).bytes(300_000);

/** Writes pieces, one after another, and returns what came out. The memory of each is used again at once. */
async function inflate(pieces: readonly Buffer[]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const decompressor = createDecompressor((chunk) => void chunks.push(Buffer.from(chunk)));
  try {
    for (const piece of pieces) {
      const memory = Buffer.from(piece);
      await decompressor.write(memory);
      memory.fill(0xee);
    }
    await decompressor.end();
  } finally {
    decompressor.destroy();
  }
  return Buffer.concat(chunks);
}

function cut(bytes: Buffer, pieceBytes: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / pieceBytes) }, (_, at) =>
    bytes.subarray(at * pieceBytes, (at + 1) * pieceBytes),
  );
}

/** Lets a stream that is wrongly at its end show it. */
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

interface CodecCase {
  readonly name: string;
  readonly tool: string | undefined;
  compress(bytes: Buffer): Promise<Buffer>;
}

const withTool = (tool: string, ...args: string[]): CodecCase => ({
  name: [tool, ...args].join(' '),
  tool,
  compress: async (input) => (await run(tool, ['-c', ...args], { input })).stdoutBytes,
});

const CODECS: readonly CodecCase[] = [
  { name: 'nothing', tool: undefined, compress: async (bytes) => bytes },
  { name: 'gzip of Node', tool: undefined, compress: async (bytes) => gzipSync(bytes) },
  withTool('gzip', '-9'),
  withTool('zstd', '-3'),
  withTool('zstd', '-19', '--no-check'),
  withTool('xz', '-1'),
  withTool('xz', '-1', '--block-size=65536', '--check=crc32'),
];

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

describe.each(CODECS.filter(({ tool }) => tool === undefined || hasTool(tool)))(
  'what $name has written',
  (codec) => {
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
  },
);

describe.each(CODECS.filter(({ name, tool }) => name !== 'nothing' && (tool === undefined || hasTool(tool))))(
  'compressed data of $name',
  (codec) => {
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
  },
);

describe('gzip', () => {
  const members = [gzipSync('one'), gzipSync(''), gzipSync(TEXT), gzipSync('end')];
  const whole = Buffer.concat([Buffer.from('one'), TEXT, Buffer.from('end')]);

  it('may have several members, together, apart or in pieces', async () => {
    for (const pieces of [[Buffer.concat(members)], members, cut(Buffer.concat(members), 1)]) {
      expect((await inflate(pieces)).equals(whole)).toBe(true);
    }
  });

  it('is refused when its last member is cut off', async () => {
    const last = members[3] as Buffer;
    for (let length = 1; length < last.length; length += 1) {
      const bytes = Buffer.concat([...members.slice(0, 3), last.subarray(0, length)]);
      await expect(inflate([bytes]), `${length} bytes`).rejects.toMatchObject(compression);
    }
  });

  it('is refused when other bytes follow', async () => {
    await expect(inflate([gzipSync('x'), Buffer.from('junk')])).rejects.toMatchObject(compression);
    await expect(inflate([Buffer.concat([gzipSync('x'), Buffer.from('junk')])])).rejects.toMatchObject(
      compression,
    );
  });

  it('may be padded with zeros, whenever they come', async () => {
    const zeros = Buffer.alloc(4096);
    expect((await inflate([Buffer.concat([gzipSync('x'), zeros])])).toString()).toBe('x');
    const chunks: string[] = [];
    const decompressor = createDecompressor((chunk) => void chunks.push(chunk.toString()));
    for (const piece of [gzipSync('x'), zeros, zeros, Buffer.alloc(1024 * 1024)]) {
      await decompressor.write(piece);
      await turn();
    }
    await decompressor.end();
    expect(chunks.join('')).toBe('x');
  });

  it('loses no member after zeros without an error', async () => {
    const outcome = await inflate([gzipSync('one'), Buffer.alloc(512), gzipSync('two')]).catch(
      (error: unknown) => error,
    );
    if (Buffer.isBuffer(outcome)) expect(outcome.toString()).toBe('onetwo');
    else expect(outcome).toMatchObject(compression);
  });

  it('is refused when its checksum or size is wrong', async () => {
    for (const at of [-8, -1]) {
      const bytes = gzipSync(TEXT);
      bytes[bytes.length + at] = (bytes.at(at) ?? 0) ^ 1;
      await expect(inflate([bytes])).rejects.toMatchObject(compression);
    }
  });
});

describe('content that is much larger than its compressed form', () => {
  it('comes out as long as gzip could have made it', async () => {
    const zeros = gzipSync(Buffer.alloc(80 * 1024 * 1024));
    let outputBytes = 0;
    const decompressor = createDecompressor((chunk) => {
      outputBytes += chunk.length;
    });
    await decompressor.write(zeros);
    await decompressor.end();
    expect(outputBytes).toBe(80 * 1024 * 1024);
  });

  it.runIf(hasTool('zstd'))('is refused beyond that, before all of it is out', async () => {
    const zeros = join(tempDir(), 'zeros');
    writeFileSync(zeros, '');
    truncateSync(zeros, 128 * 1024 * 1024);
    const bomb = (await run('zstd', ['-c', zeros])).stdoutBytes;
    expect(bomb.length).toBeLessThan(50_000);
    let outputBytes = 0;
    const decompressor = createDecompressor((chunk) => {
      outputBytes += chunk.length;
    });
    const inflating = (async () => {
      await decompressor.write(bomb);
      await decompressor.end();
    })();
    await expect(inflating).rejects.toMatchObject({ code: 'ERR_LIMIT' });
    expect(outputBytes).toBeLessThan(127 * 1024 * 1024);
    decompressor.destroy();
  });
});

describe('bzip2', () => {
  it('is refused before any of it is inflated', async () => {
    const decompressor = createDecompressor(() => {
      throw new Error('there must be no output');
    });
    const start = Buffer.from('425a6839314159265359', 'hex');
    await expect(decompressor.write(start)).rejects.toMatchObject({ code: 'ERR_COMPRESSION' });
  });
});
