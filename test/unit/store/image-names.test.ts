/** The images of one name: found at once when they come, gone when they go, and read once while nothing changes. */

import { readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ImageId } from '../../../src/types.js';
import { addImage, idOf, newStore } from './stored-images.js';

const NAME = 'example.test/app';
/** In one folder of the store. */
const ids = ['a', 'b', 'c'].map((text) => `sha512-00${idOf(text).slice(9)}` as ImageId);
const [first, second, third] = ids as [ImageId, ImageId, ImageId];

async function setUp() {
  const { store, lease } = await newStore();
  const add = (id: ImageId, name = 'app', importedAt = '2026-01-01T00:00:00.000Z') =>
    addImage(store, lease, name, { id, importedAt });
  const found = async (): Promise<ImageId[]> => (await store.imagesNamed(NAME)).map(({ id }) => id);
  const folder = dirname(store.layout.imageFile(first));
  /** As if nothing had changed there for a while. */
  const settle = (): void => utimesSync(folder, new Date('2026-01-01'), new Date('2026-01-01'));
  return { store, lease, add, found, settle };
}

describe('the images of a name', () => {
  it('are there newest first, without those of other names', async () => {
    const { add, found } = await setUp();
    expect(await found()).toEqual([]);
    await add(first, 'app', '2026-01-01T00:00:00.000Z');
    await add(second, 'app', '2026-01-02T00:00:00.000Z');
    await add(third, 'other');
    expect(await found()).toEqual([second, first]);
  });

  it.each([
    ['long after the last change', true],
    ['right after it', false],
  ])('are found when they come and not when they are gone, %s', async (_, isSettled) => {
    const { store, add, found, settle } = await setUp();
    const steps: (() => Promise<unknown>)[] = [
      () => add(first),
      () => add(second),
      () => store.removeImage(first),
      () => add(second, 'renamed'),
    ];
    const seen: number[] = [];
    for (const step of steps) {
      if (isSettled && seen.length > 0) settle();
      await found();
      await step();
      seen.push((await found()).length);
    }
    expect(seen).toEqual([1, 2, 1, 0]);
  });

  it('are not read again while their folder has not changed', async () => {
    const { store, add, found, settle } = await setUp();
    await add(first);
    settle();
    expect(await found()).toEqual([first]);
    // Not what a store does: it replaces records, which changes the folder.
    const path = store.layout.imageFile(first);
    writeFileSync(path, readFileSync(path, 'utf8').replace(NAME, 'example.test/els'));
    expect(await found()).toEqual([first]);
    await add(second);
    expect(await found()).toEqual([second]);
  });

  it('leave out one that is damaged', async () => {
    const { store, add, found } = await setUp();
    await add(first);
    await add(second);
    writeFileSync(store.layout.imageFile(first), '{');
    expect(await found()).toEqual([second]);
  });
});
