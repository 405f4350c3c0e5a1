/** Images found in the store: by ID, by name and labels, by what they were fetched as. */

import { utimesSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { completeId, findByName, findImage, foundInStore } from '../../../src/fetch/stored.js';
import { parseReference } from '../../../src/reference/parse.js';
import type { ImageFacts, Store } from '../../../src/store/store.js';
import type { IdReference, ImageId } from '../../../src/types.js';
import { addImage, idOf, newStore, recordOf } from '../store/stored-images.js';

const facts = (name: string, labels: Record<string, string>): ImageFacts => ({
  ...recordOf(name, { labels }),
  lastUsedAt: new Date(),
});

describe('findByName', () => {
  // Newest import first, as the store lists them.
  const images = [
    facts('a', { version: '2', os: 'linux' }),
    facts('b', { version: '1' }),
    facts('a', { version: '1', os: 'linux' }),
    facts('a', { version: '1', os: 'freebsd' }),
  ];

  it.each<[string, Record<string, string>, number | undefined]>([
    ['a', {}, 0],
    ['a', { version: '2' }, 0],
    ['a', { version: '1' }, 2],
    ['a', { version: '1', os: 'freebsd' }, 3],
    ['a', { version: '3' }, undefined],
    ['a', { arch: 'amd64' }, undefined],
    ['b', {}, 1],
    ['c', {}, undefined],
  ])('%s with labels %j is number %s', (name, labels, expected) => {
    const found = findByName(images, { kind: 'name', image: name, name: `example.test/${name}`, labels });
    expect(found === undefined ? undefined : images.indexOf(found)).toBe(expected);
  });

  it('takes no name for a part of one', () => {
    expect(findByName(images, { kind: 'name', image: '', name: 'example.test', labels: {} })).toBeUndefined();
  });
});

describe('an image of the store', () => {
  let store: Store;
  const first = `sha512-${'ab'.repeat(64)}` as ImageId;
  const second = `sha512-${'ab'.repeat(10)}${'cd'.repeat(54)}` as ImageId;
  const find = (image: string): Promise<ImageFacts> => findImage(store, parseReference(image, '/dir'));
  const id = (prefix: string): IdReference => ({ kind: 'id', image: prefix, prefix });

  beforeAll(async () => {
    const made = await newStore();
    store = made.store;
    await addImage(store, made.lease, 'first', {
      id: first,
      source: 'docker://registry-1.docker.io/library/first:latest',
    });
    await addImage(store, made.lease, 'second', { id: second, source: 'file:///dir/second.aci' });
    await addImage(store, made.lease, 'url', { source: 'https://example.test/url.aci' });
  });

  it.each([
    ['its whole ID', first, 'first'],
    ['the beginning of its ID', first.slice(0, 40), 'first'],
    ['its name', 'example.test/second', 'second'],
    ['its name and a label', 'example.test/second,version=1.0.0', 'second'],
    ['what it was fetched as', 'docker://first', 'first'],
    ['its file', './second.aci', 'second'],
    ['its URL', 'https://example.test/url.aci', 'url'],
  ])('is found by %s', async (_, image, name) => {
    expect((await find(image)).name).toBe(`example.test/${name}`);
  });

  it.each([
    idOf('none'),
    'example.test/none',
    'example.test/second,version=2',
    'docker://none',
    'docker://first:1',
    'https://example.test/none.aci',
    './none.aci',
  ])('is not found by %s', async (image) => {
    await expect(find(image)).rejects.toMatchObject({ code: 'ERR_NOT_IN_STORE', exitCode: 3 });
  });

  it('is not found by digits that several have', async () => {
    await expect(find(first.slice(0, 20))).rejects.toMatchObject({ code: 'ERR_USAGE' });
    await expect(completeId(store, id('sha512-ab'))).rejects.toMatchObject({ code: 'ERR_USAGE' });
    expect(await completeId(store, id(second))).toBe(second);
    expect(await completeId(store, id('sha512-ff'))).toBeUndefined();
  });

  it('tells no secret when it is not found', async () => {
    const failing = find('https://example.test/x.aci?token=secret');
    const error: unknown = await failing.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'ERR_NOT_IN_STORE' });
    expect(String(error)).not.toContain('secret');
  });

  it('was used when it was found for a fetch', async () => {
    const longAgo = new Date('2020-01-01');
    utimesSync(store.layout.imageFile(first), longAgo, longAgo);
    const image = await find(first);
    expect(await foundInStore(store, image)).toMatchObject({
      status: 'cached',
      id: first,
      downloadedBytes: 0,
    });
    expect((await find(first)).lastUsedAt.getTime()).toBeGreaterThan(longAgo.getTime());
  });
});
