/** `aci image list`: columns, order, JSON. */

import { expect, test } from 'vitest';
import { imageRecord, type ListOptions, renderImageTable, sortImages } from '../../../src/cli/image-list.js';
import { parseImageId } from '../../../src/reference/digest.js';
import type { StoredImage } from '../../../src/types.js';

const NOW = new Date('2026-03-01T00:00:00Z');

const image = (digit: string, name: string, sizeBytes: number, day: string): StoredImage => ({
  id: parseImageId(`sha512-${digit.repeat(128)}`),
  name,
  labels: { version: '1' },
  importedAt: new Date(`2026-02-${day}T00:00:00Z`),
  lastUsedAt: new Date('2026-02-28T23:59:00Z'),
  sizeBytes,
  latest: digit === 'a',
  verified: false,
  source: 'https://h/x.aci?sig=1',
});

const A = image('a', 'example.com/app', 2048, '27');
const B = image('b', 'tool', 10, '20');
const C = image('c', 'tool\u001b[2J', 10, '25');

const OPTIONS: ListOptions = {
  fields: ['id', 'name', 'importtime', 'size', 'latest'],
  sort: ['importtime'],
  order: 'asc',
  full: false,
  legend: true,
};

test('the table has short IDs, ages and sizes for people, and nothing that steers the terminal', () => {
  expect(renderImageTable([A, B, C], OPTIONS, NOW).split('\n')).toEqual([
    'ID\t\t\tNAME\t\t\tIMPORT TIME\tSIZE\tLATEST',
    'sha512-bbbbbbbbbbbb\ttool:1\t\t\t1 week ago\t10B\tfalse',
    'sha512-cccccccccccc\ttool [2J:1\t\t4 days ago\t10B\tfalse',
    'sha512-aaaaaaaaaaaa\texample.com/app:1\t2 days ago\t2.0KiB\ttrue',
    '',
  ]);
});

test('the full table has whole IDs, exact times and bytes', () => {
  const options = { ...OPTIONS, fields: ['id', 'importtime', 'size'] as const, full: true, legend: false };
  expect(renderImageTable([A], options, NOW)).toBe(`${A.id}\t2026-02-27T00:00:00.000Z\t2048\n`);
});

test('without images there is the legend alone', () => {
  expect(renderImageTable([], OPTIONS, NOW)).toMatch(/^ID\tNAME\t.*\n$/);
  expect(renderImageTable([], { ...OPTIONS, legend: false }, NOW)).toBe('');
});

test.each([
  [['importtime'], 'asc', 'bca'],
  [['importtime'], 'desc', 'acb'],
  [['size', 'id'], 'asc', 'bca'],
  [['size', 'id'], 'desc', 'acb'],
  [['size', 'importtime'], 'asc', 'bca'],
  [['name'], 'asc', 'acb'],
  [['latest', 'id'], 'desc', 'acb'],
] as const)('sorting by %j %s gives %s', (sort, order, expected) => {
  expect(
    sortImages([A, B, C], { sort, order })
      .map(({ id }) => id.at(-1))
      .join(''),
  ).toBe(expected);
});

test('the JSON record has the fields of the specification in their order', () => {
  expect(Object.keys(imageRecord(A)).join(' ')).toBe(
    'id name labels importedAt lastUsedAt sizeBytes latest verified source',
  );
  expect(imageRecord(A)).toMatchObject({
    importedAt: '2026-02-27T00:00:00.000Z',
    sizeBytes: 2048,
    source: 'https://h/x.aci',
  });
});
