/** Progress bars as text. */

import { expect, test } from 'vitest';
import { type Bar, renderBar, renderFrame } from '../../../src/cli/reporter/bar.js';
import { nextRate } from '../../../src/cli/reporter/rate.js';

const LAYER: Bar = {
  label: 'Downloading layer: 4986bf8c1536',
  doneBytes: 3_250_000,
  sizeBytes: 6_500_000,
  bytesPerSecond: 12_300_000,
};

test.each([
  [90, 'Downloading layer: 4986bf8c1536 [==============>             ] 3.25 MB/6.5 MB 12.3 MB/s 1s'],
  [71, 'Downloading layer: 4986bf8c1536 [======>     ] 3.25 MB/6.5 MB 12.3 MB/s'],
  [62, 'Downloading layer: 4986bf8c1536 [======>      ] 3.25 MB/6.5 MB'],
  [50, 'Downloading layer: 4986bf8c1536 3.25 MB/6.5 MB'],
  [20, 'Downloading layer: …'],
])('in %d columns the bar keeps what fits', (columns, expected) => {
  expect(renderBar(LAYER, columns)).toBe(expected);
});

test('no bar is longer than the columns or forty signs', () => {
  for (let columns = 1; columns < 200; columns++) {
    expect(renderBar(LAYER, columns).length).toBeLessThanOrEqual(columns);
  }
  expect(renderBar(LAYER, 200)).toMatch(/\[.{40}\]/);
});

test.each([
  [{ doneBytes: 0 }, / \[> +\] 0 B\/6\.5 MB$/],
  [{ doneBytes: 6_500_000 }, / \[=+\] 6\.5 MB\/6\.5 MB$/],
  [{ doneBytes: 9_000_000 }, / \[=+\] 9 MB\/6\.5 MB$/],
  [{ doneBytes: 0, sizeBytes: 0 }, / \[> +\] 0 B\/0 B$/],
  [{ sizeBytes: undefined }, /4986bf8c1536 3\.25 MB$/],
  [{ doneBytes: 0, state: 'failed' }, /4986bf8c1536 0 B\/6\.5 MB failed$/],
])('%j shows as %s', (change, expected) => {
  expect(renderBar({ ...LAYER, bytesPerSecond: undefined, ...change }, 60)).toMatch(expected);
});

test('a frame shows what there is room for, what moves first, and counts the rest', () => {
  const bars = [0, 5, 0, 7, 0].map((doneBytes, index) => ({
    label: `Downloading layer: ${index}`,
    doneBytes,
    sizeBytes: undefined,
  }));
  expect(renderFrame(bars, 80, 24)).toHaveLength(5);
  expect(renderFrame(bars, 80, 6)).toEqual([
    'Downloading layer: 1 5 B',
    'Downloading layer: 3 7 B',
    'Downloading layer: 0 0 B',
    '… and 2 more',
  ]);
  expect(renderFrame(bars, 80, 1)).toHaveLength(1);
  expect(renderFrame([], 80, 24)).toEqual([]);
});

test('the speed follows the samples and never is negative', () => {
  const first = nextRate({ bytes: 0, atMs: 0 }, 1000, 1000);
  expect(first.bytesPerSecond).toBe(1000);
  const faster = nextRate(first, 4000, 2000);
  expect(faster.bytesPerSecond).toBeGreaterThan(1000);
  expect(faster.bytesPerSecond).toBeLessThan(3000);
  expect(nextRate({ bytes: 10, atMs: 0 }, 0, 1000).bytesPerSecond).toBe(0);
  expect(nextRate(faster, 9000, 2000)).toBe(faster);
});
