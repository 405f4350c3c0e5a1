/** What is said of many images together. */

import { describe, expect, it } from 'vitest';
import {
  countOf,
  createSharedCounter,
  type PlanTotals,
  planTotals,
  planTotalsLine,
  summaryLine,
  summaryOf,
} from '../../../src/cli/batch-summary.js';
import { FetchError, type FetchOutcome, type ImageId, type PlannedImage } from '../../../src/index.js';

const ok = (status: 'fetched' | 'cached', downloadedBytes: number): FetchOutcome => ({
  image: 'a.test/x',
  status,
  id: 'sha512-0' as ImageId,
  name: 'a.test/x',
  labels: {},
  verified: false,
  signers: [],
  sizeBytes: 1,
  downloadedBytes,
  durationMs: 1,
  dependencies: [],
});
const cause = new FetchError('ERR_NOT_FOUND', 'none', { stage: 'resolve' });
const failed: FetchOutcome = {
  image: 'b.test/y',
  status: 'failed',
  downloadedBytes: 5,
  durationMs: 1,
  error: { code: 'ERR_NOT_FOUND', stage: 'resolve', message: 'none' },
  cause,
};

describe('the summary of a batch', () => {
  it('counts images and bytes', () => {
    const summary = summaryOf([ok('fetched', 10), ok('cached', 0), ok('fetched', 1), failed], {
      sharedBytes: 7,
      durationMs: 1234.5,
    });
    expect(summary).toEqual({
      images: 4,
      fetched: 2,
      cached: 1,
      failed: 1,
      downloadedBytes: 16,
      sharedBytes: 7,
      durationMs: 1235,
    });
    expect(summaryLine(summary)).toBe(
      '4 images: 2 fetched, 1 cached, 1 failed; 16 B downloaded, 7 B shared, in 1.2s',
    );
  });

  it('leaves out what there is none of', () => {
    const summary = summaryOf([ok('cached', 0)], { sharedBytes: 0, durationMs: 100 });
    expect(summaryLine(summary)).toBe('1 image: 1 cached; 0 B downloaded, 0 B shared, in 0.1s');
    expect([countOf(0), countOf(1), countOf(2)]).toEqual(['0 images', '1 image', '2 images']);
  });

  it('counts as shared what the events say was there', () => {
    const counter = createSharedCounter();
    const cached = { event: 'blob.cached', image: 'x', blob: 'b', kind: 'layer', sizeBytes: 30 } as const;
    counter.onEvent(cached);
    counter.onEvent({ event: 'image.searching', image: 'x' });
    counter.onEvent(cached);
    expect(counter.bytes()).toBe(60);
  });
});

describe('the totals of a plan', () => {
  const blob = (key: string, sizeBytes: number | undefined, storedBytes = 0) => ({
    blob: 'https://a.test/x?sig=REDACTED',
    key,
    sizeBytes,
    storedBytes,
  });
  const plan = (...blobs: ReturnType<typeof blob>[]): PlannedImage => ({
    image: 'x',
    status: 'planned',
    blobs,
  });
  const cached = (id: string): PlannedImage => ({
    ...plan(),
    cached: { id: id as ImageId, sizeBytes: 1000 },
  });

  it.each<[title: string, plans: readonly PlannedImage[], totals: Partial<PlanTotals>, line: string]>([
    [
      'each blob once, whatever is shown of it',
      [plan(blob('a', 10), blob('b', 5, 2)), plan(blob('a', 10)), plan(blob('u', undefined)), plan()],
      { downloadBytes: 13, unsharedBytes: 23, storedBytes: 2, unknownBlobs: 1 },
      '4 images: 13 B and 1 blob of unknown size to download (23 B without sharing), 2 B there already; 5 B may be written',
    ],
    [
      'what the store answers with, each image once',
      [cached('sha512-1'), cached('sha512-1'), cached('sha512-2')],
      { cachedImages: 3, cachedBytes: 2000, downloadBytes: 0, unsharedBytes: 0, storedBytes: 0 },
      '3 images: 3 cached (2 KB); 0 B to download; 5 B may be written',
    ],
  ])('count %s', (_, plans, expected, line) => {
    const totals = planTotals(plans);
    expect(totals).toMatchObject(expected);
    expect(planTotalsLine(plans.length, totals, 5)).toBe(line);
  });
});
