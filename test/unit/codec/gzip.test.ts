/** gzip, by the kernel and by node:zlib: members one after another, heads, padding, and what is damaged. */

import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { crc32, deflateRawSync, gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createDecompressor } from '../../../src/codec/decompress.js';
import { gzipStage } from '../../../src/codec/gzip.js';
import type { Output } from '../../../src/codec/stage.js';
import { gunzipStage } from '../../../src/codec/zlib-stage.js';
import { takeInflater } from '../../../wasm/inflate-kernel.js';
import { compression, cut, inflate } from '../../support/codecs.js';
import { type Random, withRandom } from '../../support/images/random.js';
import { run } from '../../support/process.js';
import { projectDir } from '../../support/project.js';

const TEXT = Buffer.from('a text that is repeated. '.repeat(4000));

/** Lets a stream that is wrongly at its end show it. */
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

function kernelStage(onOutput: Output) {
  const inflater = takeInflater();
  if (inflater === undefined) throw new Error('no SIMD here');
  return gzipStage(onOutput, inflater);
}

interface Head {
  readonly magic?: readonly number[];
  readonly method?: number;
  readonly flags: number;
  /** All of the optional fields. */
  readonly fields?: Buffer;
}

/** A member of a text under a head of one's own (RFC 1952, 2.3). */
function member({ magic = [0x1f, 0x8b], method = 8, flags, fields = Buffer.alloc(0) }: Head): Buffer {
  const head = Buffer.from([...magic, method, flags, 1, 2, 3, 4, 5, 6]);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(TEXT), 0);
  trailer.writeUInt32LE(TEXT.length, 4);
  return Buffer.concat([head, fields, deflateRawSync(TEXT), trailer]);
}

/** The same with the checksum of the head, or another one. */
function checked(flags: number, fields: Buffer, change = 0): Buffer {
  const head = Buffer.concat([Buffer.from([0x1f, 0x8b, 8, flags | 2, 1, 2, 3, 4, 5, 6]), fields]);
  const field = Buffer.alloc(2);
  field.writeUInt16LE((crc32(head) & 0xffff) ^ change);
  return member({ flags: flags | 2, fields: Buffer.concat([fields, field]) });
}

function extra(length: number): Buffer {
  const field = Buffer.alloc(2 + length, 'x');
  field.writeUInt16LE(length);
  return field;
}

describe.each([
  ['the kernel', kernelStage],
  ['node:zlib', gunzipStage],
])('gzip by %s', (_, create) => {
  const members = [gzipSync('one'), gzipSync(''), gzipSync(TEXT), gzipSync('end')];
  const whole = Buffer.concat([Buffer.from('one'), TEXT, Buffer.from('end')]);

  it('may have several members, together, apart or in pieces', async () => {
    for (const pieces of [[Buffer.concat(members)], members, cut(Buffer.concat(members), 1)]) {
      expect((await inflate(pieces, create)).equals(whole)).toBe(true);
    }
  });

  it('is refused when its last member is cut off', async () => {
    const last = members[3] as Buffer;
    for (let length = 1; length < last.length; length += 1) {
      const bytes = Buffer.concat([...members.slice(0, 3), last.subarray(0, length)]);
      await expect(inflate([bytes], create), `${length} bytes`).rejects.toMatchObject(compression);
    }
  });

  it('is refused when there is nothing of it', async () => {
    await expect(inflate([], create)).rejects.toMatchObject(compression);
  });

  it('is refused when other bytes follow', async () => {
    for (const junk of ['junk', '\x1f', '\x1f\x8b']) {
      const [good, bad] = [gzipSync('x'), Buffer.from(junk, 'latin1')];
      for (const pieces of [[good, bad], [Buffer.concat([good, bad])]])
        await expect(inflate(pieces, create), junk).rejects.toMatchObject(compression);
    }
  });

  it('may be padded with zeros, whenever they come', async () => {
    const zeros = Buffer.alloc(4096);
    expect((await inflate([Buffer.concat([gzipSync('x'), zeros])], create)).toString()).toBe('x');
    const chunks: string[] = [];
    const stage = create((chunk) => void chunks.push(chunk.toString()));
    for (const piece of [gzipSync('x'), zeros, zeros, Buffer.alloc(1024 * 1024)]) {
      await stage.write(piece);
      await turn();
    }
    await stage.end();
    expect(chunks.join('')).toBe('x');
  });

  it('loses no member after zeros without an error', async () => {
    const pieces = [gzipSync('one'), Buffer.alloc(512), gzipSync('two')];
    const outcome = await inflate(pieces, create).catch((error: unknown) => error);
    if (Buffer.isBuffer(outcome)) expect(outcome.toString()).toBe('onetwo');
    else expect(outcome).toMatchObject(compression);
  });

  it('is refused when its checksum or size is wrong', async () => {
    for (let at = -8; at <= -1; at++) {
      const bytes = gzipSync(TEXT);
      bytes[bytes.length + at] = (bytes.at(at) ?? 0) ^ 1;
      for (const pieces of [[bytes], [bytes, gzipSync('more')]])
        await expect(inflate(pieces, create), `byte ${at}`).rejects.toMatchObject(compression);
    }
  });

  const name = Buffer.from('name\0');
  const comment = Buffer.from('a comment\0');
  const longText = Buffer.concat([Buffer.alloc(200_000, 'n'), Buffer.alloc(1)]);
  it.each([
    ['no field', member({ flags: 0 })],
    ['the flag for text', member({ flags: 1 })],
    ['a name', member({ flags: 8, fields: name })],
    ['an empty name', member({ flags: 8, fields: Buffer.alloc(1) })],
    ['a long name', member({ flags: 8, fields: longText })],
    ['a comment', member({ flags: 16, fields: comment })],
    ['an extra field', member({ flags: 4, fields: extra(10) })],
    ['an empty extra field', member({ flags: 4, fields: extra(0) })],
    ['the largest extra field', member({ flags: 4, fields: extra(65_535) })],
    ['all of them', member({ flags: 29, fields: Buffer.concat([extra(7), name, comment]) })],
    ['a checksum', checked(0, Buffer.alloc(0))],
    ['a checksum over all of them', checked(29, Buffer.concat([extra(300), longText, comment]))],
  ])('may have a head with %s', async (_, bytes) => {
    for (const pieces of [[bytes], cut(bytes, 7), [bytes, bytes]]) {
      const expected = pieces.length === 2 ? Buffer.concat([TEXT, TEXT]) : TEXT;
      expect((await inflate(pieces, create)).equals(expected)).toBe(true);
    }
  });

  it.each([
    ['another method', member({ method: 7, flags: 0 })],
    ['another magic number', member({ magic: [0x1f, 0x8c], flags: 0 })],
    ['the first reserved flag', member({ flags: 32 })],
    ['the second reserved flag', member({ flags: 64 })],
    ['the third reserved flag', member({ flags: 128 })],
    ['a wrong checksum', checked(0, Buffer.alloc(0), 1)],
    ['a wrong checksum over all fields', checked(29, Buffer.concat([extra(3), name, comment]), 0x8000)],
  ])('is refused for a head with %s', async (_, bytes) => {
    for (const pieces of [[bytes], cut(bytes, 1), [gzipSync('good'), bytes]])
      await expect(inflate(pieces, create)).rejects.toMatchObject(compression);
  });

  it('throws the same again after it has failed', async () => {
    const stage = create(() => {});
    await expect(stage.write(member({ flags: 32 }))).rejects.toMatchObject(compression);
    await expect(stage.write(Buffer.from('more'))).rejects.toMatchObject(compression);
    await expect(stage.end()).rejects.toMatchObject(compression);
    stage.destroy();
  });
});

describe('gzip by the kernel', () => {
  it('has the verdict of node:zlib on what is damaged at random', async () => {
    await withRandom(async (random) => {
      const different: string[] = [];
      for (let round = 0; round < 1500; round++) {
        const data = damagedMembers(random);
        const pieces = random.chance() ? [data] : cut(data, random.int(1, 400));
        const [expected, found] = await Promise.all([
          verdictOf(async () => gunzipSync(data)),
          verdictOf(() => inflate(pieces, kernelStage)),
        ]);
        // Of several things that are wrong either may be named.
        if (expected === found || (isError(expected) && isError(found))) continue;
        // node:zlib leaves out what follows a zero behind a member, if it is in the same piece.
        if (found === 'Error: other bytes after the last member') continue;
        different.push(`round ${round}: ${expected}, found ${found}`);
      }
      expect(different).toEqual([]);
    });
  });

  it('is refused when other bytes follow zeros, however it is cut', async () => {
    const bytes = Buffer.concat([gzipSync('one'), Buffer.alloc(5), gzipSync('two')]);
    for (const pieceBytes of [bytes.length, 1, 24, 25, 26])
      await expect(inflate(cut(bytes, pieceBytes), kernelStage)).rejects.toMatchObject(compression);
  });

  it('gives others turns while nothing comes out', async () => {
    const emptyBlocks = Buffer.alloc(4 * 1024 * 1024, Buffer.from('000000ffff', 'hex'));
    const stage = kernelStage(() => expect.unreachable());
    let turns = 0;
    let isDone = false;
    const writing = stage.write(Buffer.concat([gzipSync('').subarray(0, 10), emptyBlocks])).finally(() => {
      isDone = true;
    });
    for (; !isDone; turns++) await setImmediate();
    await writing;
    expect(turns).toBeGreaterThanOrEqual(16);
    stage.destroy();
  });

  it('gives others turns between many small members', async () => {
    const count = 4000;
    const bytes = Buffer.concat(Array.from({ length: count }, () => gzipSync('x')));
    let [made, madeInTurn, most, isDone] = [0, 0, 0, false];
    const stage = kernelStage((chunk) => {
      made += chunk.length;
      madeInTurn += 1;
      most = Math.max(most, madeInTurn);
    });
    const writing = stage.write(bytes).finally(() => {
      isDone = true;
    });
    for (; !isDone; await setImmediate()) madeInTurn = 0;
    await writing;
    await stage.end();
    expect(made).toBe(count);
    expect(most).toBeLessThan(100);
  });

  it('lends its instance of the kernel to the next stream, whatever became of it', async () => {
    const first = takeInflater();
    first?.release();
    const ends: (() => Promise<unknown>)[] = [
      () => inflate([gzipSync('x')], kernelStage),
      () => inflate([gzipSync(TEXT).subarray(0, 50)], kernelStage).catch(() => undefined),
      () => inflate([member({ flags: 32 })], kernelStage).catch(() => undefined),
      async () => {
        const stage = kernelStage(() => {});
        await stage.write(gzipSync(TEXT).subarray(0, 50));
        stage.destroy();
        stage.destroy();
      },
    ];
    for (const end of ends) {
      await end();
      const next = takeInflater();
      expect(next).toBe(first);
      next?.release();
    }
  });

  it('serves streams that are inflated side by side', async () => {
    await withRandom(async (random) => {
      const contents = Array.from({ length: 6 }, () => random.text(random.int(1, 400_000)));
      const outputs = await Promise.all(
        contents.map((bytes) => inflate(cut(gzipSync(bytes), random.int(100, 20_000)), kernelStage)),
      );
      expect(outputs.map((output, at) => output.equals(contents[at] as Buffer))).not.toContain(false);
    });
  });
});

it.runIf(process.arch === 'x64')('gzip is inflated by node:zlib on a processor without SIMD', async () => {
  const at = (...path: string[]): string =>
    JSON.stringify(pathToFileURL(join(projectDir, 'dist', ...path)).href);
  const script = `
    import { gzipSync } from 'node:zlib';
    import { createDecompressor } from ${at('src', 'codec', 'decompress.js')};
    import { takeInflater } from ${at('wasm', 'inflate-kernel.js')};
    const decompressor = createDecompressor((chunk) => process.stdout.write(chunk));
    await decompressor.write(gzipSync('content'));
    await decompressor.end();
    process.stdout.write(' ' + takeInflater());`;
  const args = ['--no-enable-sse4-1', '--input-type=module', '--eval', script];
  const { stdout, stderr } = await run(process.execPath, args);
  expect(stdout, stderr).toBe('content undefined');
});

it('gzip is inflated by the kernel where there is SIMD, in place', async () => {
  const seen = new Set<ArrayBufferLike>();
  const decompressor = createDecompressor((chunk) => void seen.add(chunk.buffer));
  await decompressor.write(gzipSync(Buffer.alloc(3_000_000)));
  await decompressor.end();
  expect(seen.size).toBe(1);
});

function damagedMembers(random: Random): Buffer {
  const one = (): Buffer => gzipSync(random.text(random.int(0, 2000)), { level: random.int(0, 9) });
  const data = Buffer.concat(Array.from({ length: random.int(1, 3) }, one));
  for (let flips = random.int(0, 2); flips > 0; flips--) {
    // Half of them in a head or a trailer.
    const place = random.pick([
      random.int(0, data.length - 1),
      random.int(0, 9),
      data.length - random.int(1, 8),
    ]);
    data[place] = (data[place] as number) ^ (1 << random.int(0, 7));
  }
  return random.chance(0.2) ? data.subarray(0, random.int(0, data.length)) : data;
}

/** The bytes, or what is wrong with them. */
async function verdictOf(make: () => Promise<Buffer>): Promise<string> {
  try {
    return (await make()).toString('latin1');
  } catch (error) {
    return `Error: ${(error as Error).message.replace('malformed gzip data: ', '')}`;
  }
}

const isError = (verdict: string): boolean => verdict.startsWith('Error: ');
