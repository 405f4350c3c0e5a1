/** gzip: members one after another, padding, and what is damaged. */

import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createDecompressor } from '../../../src/codec/decompress.js';
import { compression, cut, inflate } from '../../support/codecs.js';

const TEXT = Buffer.from('a text that is repeated. '.repeat(4000));

/** Lets a stream that is wrongly at its end show it. */
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

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
