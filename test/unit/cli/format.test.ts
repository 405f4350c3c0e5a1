/** Numbers, ages and tables in the formats of rkt. */

import { describe, expect, test } from 'vitest';
import { formatAge, formatBytes, formatDuration, formatSize, tabTable } from '../../../src/cli/format.js';

test.each([
  [-1, '0 B'],
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1 KB'],
  [1234, '1.23 KB'],
  [99_950, '100 KB'],
  [999_499, '999 KB'],
  [999_500, '1 MB'],
  [3_250_000, '3.25 MB'],
  [3_700_000, '3.7 MB'],
  [12_345_678, '12.3 MB'],
  [5.5e12, '5.5 TB'],
  [5e18, '5000 PB'],
])('%d bytes of progress are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  [0, '0B'],
  [1023, '1023B'],
  [1024, '1.0KiB'],
  [12_345_678, '12MiB'],
  [1_048_575, '1.0MiB'],
  [1.5 * 1024 ** 3, '1.5GiB'],
])('a size of %d bytes is %s', (bytes, text) => {
  expect(formatSize(bytes)).toBe(text);
});

test.each([
  [-5, '0s'],
  [0, '0s'],
  [400, '0.4s'],
  [2000, '2s'],
  [9960, '10s'],
  [59_400, '59s'],
  [59_600, '1m00s'],
  [65_000, '1m05s'],
  [3_600_000, '1h00m'],
  [11_220_000, '3h07m'],
])('%d ms are %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

describe('formatAge', () => {
  const now = new Date('2026-03-01T00:00:00Z');
  test.each([
    ['2026-03-01T00:00:10Z', 'now'],
    ['2026-02-28T23:59:59.500Z', 'now'],
    ['2026-02-28T23:59:59Z', '1 second ago'],
    ['2026-02-28T23:56:00Z', '4 minutes ago'],
    ['2026-02-28T23:00:00Z', '1 hour ago'],
    ['2026-02-27T00:00:00Z', '2 days ago'],
    ['2026-02-15T00:00:00Z', '2 weeks ago'],
    ['2025-12-30T00:00:00Z', '2 months ago'],
    ['2024-01-01T00:00:00Z', '2 years ago'],
  ])('%s is %s', (time, text) => {
    expect(formatAge(new Date(time), now)).toBe(text);
  });
});

test('tables are aligned at tab stops of eight', () => {
  const rows = [
    ['ID', 'NAME', 'SIZE'],
    ['12345678', 'a', '1'],
    ['1234567', 'abcdefgh', '22'],
  ];
  expect(tabTable(rows)).toBe('ID\t\tNAME\t\tSIZE\n12345678\ta\t\t1\n1234567\t\tabcdefgh\t22\n');
  expect(tabTable([])).toBe('');
});
