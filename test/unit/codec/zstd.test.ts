/** zstd on both engines: frames, skippable ones, checksums, and frames that ask for too much. */

import { describe, expect, it } from 'vitest';
import { fzstdEngine } from '../../../src/codec/library-stages.js';
import type { Output, Stage } from '../../../src/codec/stage.js';
import { nativeZstdEngine } from '../../../src/codec/zlib-stage.js';
import { type ZstdEngine, zstdStage } from '../../../src/codec/zstd.js';
import { compression, compressWith, cut, inflate } from '../../support/codecs.js';
import { createRandom } from '../../support/images/random.js';
import { requireTools } from '../../support/tools.js';

const random = createRandom(11);
const TEXT = random.text(300_000);
const limit = { code: 'ERR_LIMIT', stage: 'convert' };

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
/** An `x` in a raw block, with a window of a KiB. */
const X = hex('28b52ffd 00 00 090000 78');
const EMPTY = hex('28b52ffd 00 00 010000');

function skippable(content: string, digit = 0): Buffer {
  const frame = Buffer.alloc(8 + content.length, content);
  frame.writeUInt32LE(0x184d2a50 + digit, 0);
  frame.writeUInt32LE(content.length, 4);
  frame.write(content, 8);
  return frame;
}

type CreateEngine = (onOutput: Output) => ZstdEngine | undefined | Promise<ZstdEngine>;

const ENGINES: readonly { name: string; createEngine: CreateEngine }[] = [
  { name: 'fzstd', createEngine: fzstdEngine },
  { name: 'node:zlib', createEngine: nativeZstdEngine },
].filter(({ createEngine }) => createEngine(() => {}) !== undefined);

describe.each(ENGINES)('zstd by $name', ({ createEngine }) => {
  const create = async (onOutput: Output): Promise<Stage> =>
    zstdStage((await createEngine(onOutput)) as ZstdEngine);

  async function expectSame(bytes: Buffer, whole: Buffer): Promise<void> {
    for (const pieces of [[bytes], cut(bytes, 4099), ...(bytes.length < 2000 ? [cut(bytes, 1)] : [])])
      expect((await inflate(pieces, create)).equals(whole)).toBe(true);
  }

  it('may have several frames, skippable ones and padding', async () => {
    const bytes = Buffer.concat([
      skippable('first', 3),
      X,
      EMPTY,
      X,
      skippable(''),
      skippable('between', 15),
      X,
      X,
      skippable('last'),
    ]);
    await expectSame(bytes, Buffer.from('xxxx'));
    await expectSame(Buffer.concat([bytes, Buffer.alloc(1023)]), Buffer.from('xxxx'));
    await expectSame(Buffer.concat([X, Buffer.alloc(2)]), Buffer.from('x'));
    await expectSame(skippable('nothing else'), Buffer.alloc(0));
  });

  it.runIf(requireTools(['zstd']))(
    'may be zstd:chunked: a frame a file, a table of contents at the end',
    async () => {
      const files = Array.from({ length: 60 }, () => random.text(random.int(0, 20_000)));
      const frames = await Promise.all(files.map((file) => compressWith('zstd', ['-3'], file)));
      const manifest = await compressWith('zstd', [], Buffer.from('{"version":1,"entries":[]}'));
      const footer = Buffer.concat([Buffer.alloc(56, 1), Buffer.from('GNUlInUx')]);
      const chunked = Buffer.concat([
        ...frames,
        skippable(manifest.toString('latin1')).fill(manifest, 8),
        skippable(footer.toString('latin1')),
      ]);
      await expectSame(chunked, Buffer.concat(files));
    },
  );

  it.runIf(requireTools(['zstd']))('is refused when its checksum is wrong', async () => {
    const bytes = await compressWith('zstd', ['--check'], TEXT);
    await expectSame(Buffer.concat([bytes, bytes]), Buffer.concat([TEXT, TEXT]));
    bytes[bytes.length - 2] = (bytes.at(-2) as number) ^ 4;
    await expect(inflate([bytes], create)).rejects.toMatchObject(compression);
    await expect(inflate([bytes, X], create)).rejects.toMatchObject(compression);
  });

  it('is refused when it is cut off, wherever, in any frame', async () => {
    const bytes = Buffer.concat([X, skippable('between'), X, skippable('last')]);
    const ends = [X.length, X.length + 15, 2 * X.length + 15];
    for (let length = 1; length < bytes.length; length++) {
      const inflating = inflate([bytes.subarray(0, length)], create);
      if (ends.includes(length)) await inflating;
      else await expect(inflating, `${length}`).rejects.toMatchObject(compression);
    }
  });

  it.runIf(requireTools(['zstd']))('may need a window of 128 MiB, and no larger one', async () => {
    const long = await compressWith('zstd', ['--long=27'], TEXT);
    await expectSame(long, TEXT);
    await expect(inflate([await compressWith('zstd', ['--long=28'], TEXT)], create)).rejects.toMatchObject(
      limit,
    );
  });

  it.each([
    ['of 144 MiB', '28b52ffd 00 89'],
    ['of 3.75 TiB', '28b52ffd 00 ff'],
    ['of 200 MiB in a single segment', '28b52ffd a0 0000800c'],
    ['of all that there is in a single segment', '28b52ffd e0 ffffffffffffffff'],
  ])('is refused when it asks for a window %s', async (_name, head) => {
    for (const bytes of [hex(`${head} 090000 78`), Buffer.concat([X, hex(head)])]) {
      await expect(inflate([bytes], create)).rejects.toMatchObject(limit);
      await expect(inflate(cut(bytes, 1), create)).rejects.toMatchObject(limit);
    }
  });

  it.each([
    ['a dictionary', '28b52ffd 01 00 07 090000 78'],
    ['a dictionary with a long number', '28b52ffd 03 00 00000001 090000 78'],
    ['a reserved bit', '28b52ffd 08 00 090000 78'],
    ['a block of an unknown kind', '28b52ffd 00 00 0f0000 78'],
    ['a block that is larger than the window', '28b52ffd 00 00 03ffff 78'],
    ['a block that repeats a byte 2 million times', '28b52ffd 00 38 fbffff 78'],
    ['a compressed block of nothing', '28b52ffd 00 00 050000'],
    ['a compressed block of junk', '28b52ffd 00 00 2d0000 ffffffffff'],
  ])('is refused with %s', async (_name, frame) => {
    await expect(inflate([hex(frame)], create)).rejects.toMatchObject(compression);
    await expect(inflate([X, hex(frame)], create)).rejects.toMatchObject(compression);
  });

  it.each(['junkjunk', '\0\0\0\0junk', '\0j', '(\xb5'])('is refused when followed by %j', async (junk) => {
    const bytes = Buffer.from(junk, 'latin1');
    await expect(inflate([X, bytes], create)).rejects.toMatchObject(compression);
    await expect(inflate([Buffer.concat([X, bytes])], create)).rejects.toMatchObject(compression);
  });
});
