/** xz: streams, blocks, padding, checks, and dictionaries that are too large. */

import { describe, expect, it } from 'vitest';
import { compression, compressWith, cut, inflate } from '../../support/codecs.js';
import { createRandom } from '../../support/images/random.js';
import { requireTools } from '../../support/tools.js';

const TEXT = createRandom(5).text(300_000);
const xz = (...args: string[]): Promise<Buffer> => compressWith('xz', args, TEXT);
const FOOTER_BYTES = 12;

describe.runIf(requireTools(['xz']))('xz', () => {
  it('may have several streams of several blocks, with padding between and after them', async () => {
    const bytes = Buffer.concat([
      await xz('-0', '--block-size=40000', '-T2'),
      await xz('-0', '--check=none'),
      Buffer.alloc(8),
      await compressWith('xz', [], Buffer.alloc(0)),
      await xz('-9e', '--check=crc32'),
      Buffer.alloc(1024),
    ]);
    const whole = Buffer.concat([TEXT, TEXT, TEXT]);
    expect((await inflate([bytes])).equals(whole)).toBe(true);
    expect((await inflate(cut(bytes, 4999))).equals(whole)).toBe(true);
  });

  it.each([
    ['padding that is no multiple of four', async () => Buffer.concat([await xz('-0'), Buffer.alloc(3)])],
    ['other bytes after the stream', async () => Buffer.concat([await xz('-0'), Buffer.from('more of it')])],
    [
      'a second stream cut off',
      async () => Buffer.concat([await xz('-0'), (await xz('-0')).subarray(0, -1)]),
    ],
    [
      'only the magic of a second stream',
      async () => Buffer.concat([await xz('-0'), (await xz()).subarray(0, 6)]),
    ],
    ['a check of a kind that is not supported', () => xz('--check=sha256')],
    ['a filter that is not supported', () => xz('--x86', '--lzma2')],
  ])('is refused with %s', async (_, make) => {
    await expect(inflate([await make()])).rejects.toMatchObject(compression);
  });

  it.each(['crc32', 'crc64'])('is refused when its %s is wrong', async (check) => {
    const bytes = await compressWith('xz', [`--check=${check}`, '-0'], Buffer.from('some text'));
    // The check is before the index, which for one block is of eight bytes.
    const at = bytes.length - FOOTER_BYTES - 8 - 1;
    bytes[at] = (bytes[at] as number) ^ 1;
    await expect(inflate([bytes])).rejects.toMatchObject(compression);
  });

  it('may need the dictionary of its strongest level, and no larger one', async () => {
    expect((await inflate([await xz('-9')])).equals(TEXT)).toBe(true);
    // A tool that had to make a match finder for these would need gigabytes.
    const bytes = await xz('--lzma2=preset=0,dict=64MiB');
    for (const [size, encoded] of [
      ['96 MiB', 29],
      ['1.5 GiB', 37],
      ['3 GiB', 39],
    ] as const) {
      await expect(inflate([withDictionary(bytes, encoded)]), size).rejects.toMatchObject({
        code: 'ERR_LIMIT',
        stage: 'convert',
      });
    }
  });

  it('inflates many streams at once in one thread', async () => {
    const bytes = await xz('-0');
    const outputs = await Promise.all(Array.from({ length: 8 }, (_, at) => inflate(cut(bytes, 1000 + at))));
    expect(outputs.every((output) => output.equals(TEXT))).toBe(true);
  });
});

/** Sets the size in the header of the first block (the .xz format, 3.1 and 5.3.1) and its checksum. */
function withDictionary(bytes: Buffer, encoded: number): Buffer {
  const changed = Buffer.from(bytes);
  const headerAt = 12;
  const headerBytes = ((changed[headerAt] as number) + 1) * 4;
  const filter = changed.indexOf(Buffer.from([0x21, 0x01]), headerAt);
  changed[filter + 2] = encoded;
  const header = changed.subarray(headerAt, headerAt + headerBytes - 4);
  changed.writeUInt32LE(crc32(header), headerAt + headerBytes - 4);
  return changed;
}

function crc32(bytes: Buffer): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
