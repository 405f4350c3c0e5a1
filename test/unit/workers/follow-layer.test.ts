/** A converted layer, read while it may still be growing. */

import { appendFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatIndexLine, type IndexEntry } from '../../../src/convert/layer-index.js';
import { type BlobCounters, newBlobCounters } from '../../../src/tasks/counters.js';
import type { Digest } from '../../../src/types.js';
import { followLayer, type LayerFollower } from '../../../workers/follow-layer.js';
import { tempDir } from '../../support/temp.js';

const NEVER = new AbortController().signal;
const DIGEST = `sha256:${'0'.repeat(64)}` as Digest;
const ENTRY: IndexEntry = { type: 'f', path: 'caf\xe9', offset: 0, headerBytes: 512, sizeBytes: 10 };

interface GrowingLayer {
  readonly follower: LayerFollower;
  readonly counters: BlobCounters;
  addIndex(bytes: Buffer | string): void;
  addTar(bytes: Buffer): void;
}

function growingLayer(signal = NEVER): GrowingLayer {
  const dir = tempDir('layer-');
  const [tar, index] = [join(dir, 'tar'), join(dir, 'index')];
  writeFileSync(tar, '');
  writeFileSync(index, '');
  const counters = newBlobCounters();
  const files = { digest: DIGEST, tarFiles: [tar], indexFiles: [index], counters: counters.memory };
  let [tarBytes, indexBytes] = [0, 0];
  return {
    counters,
    follower: followLayer(files, signal),
    addIndex(bytes) {
      appendFileSync(index, bytes);
      indexBytes += Buffer.byteLength(bytes);
      counters.set('indexBytes', indexBytes);
      counters.publish();
    },
    addTar(bytes) {
      appendFileSync(tar, bytes);
      tarBytes += bytes.length;
      counters.set('tarBytes', tarBytes);
      counters.publish();
    },
  };
}

const damaged = { code: 'ERR_STORE_DAMAGED' };

describe('a follower', () => {
  it('gets entries as they come, also when a line or a character is cut', async () => {
    const { follower, counters, addIndex } = growingLayer();
    const line = Buffer.from(formatIndexLine(ENTRY));
    const cut = line.indexOf(0xc3) + 1;
    const waiting = follower.nextEntries();
    addIndex(line.subarray(0, cut));
    expect(await waiting).toEqual([]);
    addIndex(Buffer.concat([line.subarray(cut), line, line.subarray(0, 3)]));
    expect(await follower.nextEntries()).toEqual([
      { ...ENTRY, link: undefined },
      { ...ENTRY, link: undefined },
    ]);
    addIndex(line.subarray(3));
    expect((await follower.nextEntries())?.length).toBe(1);
    counters.setState('complete');
    await expect(follower.nextEntries()).rejects.toMatchObject(damaged);
    follower.close();
  });

  it('sees an abort also where all entries are there at once', async () => {
    const controller = new AbortController();
    const { follower, counters, addIndex } = growingLayer(controller.signal);
    addIndex(formatIndexLine(ENTRY).repeat(30_000));
    counters.setState('complete');
    setImmediate(() => controller.abort());
    await expect(follower.nextEntries().then(() => follower.nextEntries())).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    });
    follower.close();
  });

  it('comes to the end of a layer that is complete', async () => {
    const { follower, counters, addIndex, addTar } = growingLayer();
    addIndex(formatIndexLine(ENTRY));
    addTar(Buffer.alloc(1024));
    counters.setState('complete');
    expect((await follower.nextEntries())?.length).toBe(1);
    expect(await follower.nextEntries()).toBeUndefined();
    follower.close();
  });

  it('waits for the end of a layer without entries', async () => {
    const { follower, counters } = growingLayer();
    const waiting = follower.nextEntries();
    counters.setState('complete');
    expect(await waiting).toBeUndefined();
    follower.close();
  });

  it('may read what is there, and waits for what is not', async () => {
    const { follower, addTar } = growingLayer();
    addTar(Buffer.from('0123456789'));
    expect(await follower.readableTo(0, 5)).toBe(5);
    expect(await follower.readableTo(0, 50)).toBe(10);
    const target = Buffer.alloc(5);
    follower.read(target, 3, 5);
    expect(target.toString()).toBe('34567');
    let isReadable = false;
    const waiting = follower.readableTo(10, 12).then((to) => {
      isReadable = true;
      return to;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isReadable).toBe(false);
    addTar(Buffer.from('ab'));
    expect(await waiting).toBe(12);
    follower.close();
  });

  it('gives up when the layer fails, whose own task tells why', async () => {
    const { follower, counters } = growingLayer();
    const waiting = [follower.nextEntries(), follower.readableTo(0, 10)];
    counters.setState('failed');
    for (const one of waiting) await expect(one).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    follower.close();
  });

  it('gives up soon after an abort', async () => {
    const controller = new AbortController();
    const { follower } = growingLayer(controller.signal);
    const waiting = [follower.nextEntries(), follower.readableTo(0, 10)];
    const startedAt = performance.now();
    controller.abort();
    for (const one of waiting) await expect(one).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(performance.now() - startedAt).toBeLessThan(1000);
    follower.close();
  });

  it.each([
    ['an index that ends in the middle of a line', '["f","a",0,512'],
    ['an index of something else', 'text\n'],
    ['an index of more than there is', formatIndexLine(ENTRY)],
  ])('finds %s damaged', async (_, text) => {
    const { follower, counters, addIndex } = growingLayer();
    addIndex(text);
    counters.setState('complete');
    const reading = (async () => {
      while ((await follower.nextEntries()) !== undefined);
    })();
    await expect(reading).rejects.toMatchObject(damaged);
    follower.close();
  });

  it('finds bytes damaged that are said to be there and are not', async () => {
    const { follower, counters, addTar } = growingLayer();
    addTar(Buffer.from('0123'));
    counters.set('tarBytes', 8);
    expect(await follower.readableTo(0, 8)).toBe(8);
    expect(() => follower.read(Buffer.alloc(8), 0, 8)).toThrow(expect.objectContaining(damaged));
    counters.setState('complete');
    await expect(follower.readableTo(8, 10)).rejects.toMatchObject(damaged);
    follower.close();
  });

  it('looks for the files in the order that is given', async () => {
    const dir = tempDir('layer-');
    const [gone, there] = [join(dir, 'gone'), join(dir, 'there')];
    writeFileSync(there, 'content');
    const counters = newBlobCounters();
    counters.set('tarBytes', 7);
    counters.setState('complete');
    const files = {
      digest: DIGEST,
      tarFiles: [gone, there],
      indexFiles: [gone, there],
      counters: counters.memory,
    };
    const follower = followLayer(files, NEVER);
    const target = Buffer.alloc(7);
    follower.read(target, 0, 7);
    expect(target.toString()).toBe('content');
    follower.close();
    const missing = { ...files, indexFiles: [gone] };
    const openFiles = (): number => readdirSync('/proc/self/fd').length;
    const before = openFiles();
    expect(() => followLayer(missing, NEVER)).toThrow(expect.objectContaining(damaged));
    // What a failed layer had is removed, maybe before anybody has begun to follow it.
    counters.setState('failed');
    expect(() => followLayer(missing, NEVER)).toThrow(expect.objectContaining({ code: 'ERR_ABORTED' }));
    expect(openFiles()).toBe(before);
  });
});
