/** The parts of an image: cut to a range, and read. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { layerBlob, storeLayout } from '../../../src/store/layout.js';
import { type ExtentPart, imageDamaged, partsOf, readParts, sliceParts } from '../../../src/store/parts.js';
import { createRandom } from '../../support/images/random.js';
import { tempDir } from '../../support/temp.js';
import { digestOf, idOf } from './stored-images.js';

async function read(parts: readonly ExtentPart[]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of readParts(parts)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('sliceParts', () => {
  const bytes = (text: string): ExtentPart => ({ bytes: Buffer.from(text) });
  const range = (offset: number, sizeBytes: number): ExtentPart => ({ file: 'f', offset, sizeBytes });
  /** `abcd`, 10 bytes of a file from 100 on, `efg`: offsets 0, 4 and 14. */
  const parts = [bytes('abcd'), range(100, 10), bytes('efg')];

  it.each<[number, number, ExtentPart[]]>([
    [0, 17, parts],
    [0, 100, parts],
    [0, 4, [bytes('abcd')]],
    [1, 2, [bytes('bc')]],
    [3, 2, [bytes('d'), range(100, 1)]],
    [4, 10, [range(100, 10)]],
    [5, 3, [range(101, 3)]],
    [13, 2, [range(109, 1), bytes('e')]],
    [2, 14, [bytes('cd'), range(100, 10), bytes('ef')]],
    [16, 1, [bytes('g')]],
    [16, 100, [bytes('g')]],
    [17, 5, []],
    [100, 5, []],
    [0, 0, []],
    [4, 0, []],
  ])('from %i, %i bytes', (offset, sizeBytes, expected) => {
    expect(sliceParts(parts, offset, sizeBytes)).toEqual(expected);
  });

  it('leaves out parts of nothing', () => {
    expect(sliceParts([bytes(''), range(5, 0), bytes('x')], 0, 1)).toEqual([bytes('x')]);
  });
});

describe('the parts of an image', () => {
  const content = createRandom(1).bytes(2_500_000);
  const layout = storeLayout(tempDir('store-'));
  const blob = layerBlob(digestOf('x'));
  const file = layout.blobFile(blob);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);

  it('are read in order, in pieces', async () => {
    const parts = partsOf(
      [
        { bytes: Buffer.from('head') },
        { blob, offset: 10, sizeBytes: 2_300_000 },
        { blob, offset: 0, sizeBytes: 3 },
        { bytes: Buffer.from('tail') },
      ],
      layout,
    );
    const middle = [content.subarray(10, 2_300_010), content.subarray(0, 3)];
    const expected = Buffer.concat([Buffer.from('head'), ...middle, Buffer.from('tail')]);
    expect((await read(parts)).equals(expected)).toBe(true);
  });

  it('that came from another thread are read as well', async () => {
    const parts = structuredClone(partsOf([{ bytes: Buffer.from('view').subarray(1) }], layout));
    expect((await read(parts)).toString()).toBe('iew');
  });

  it('that are longer than their file are damage', async () => {
    const parts: ExtentPart[] = [{ file, offset: 2_499_999, sizeBytes: 2 }];
    await expect(read(parts)).rejects.toMatchObject({ code: 'ERR_STORE_DAMAGED' });
  });

  it('without their file are damage', async () => {
    const parts: ExtentPart[] = [{ file: join(layout.root, 'gone'), offset: 0, sizeBytes: 2 }];
    await expect(read(parts)).rejects.toMatchObject({ code: 'ERR_STORE_DAMAGED' });
  });

  it('that hash to something else are damage of the image', () => {
    const error = imageDamaged(idOf('a'));
    expect(error).toMatchObject({ code: 'ERR_STORE_DAMAGED', stage: 'store' });
    expect(error.hint).toBeDefined();
  });
});
