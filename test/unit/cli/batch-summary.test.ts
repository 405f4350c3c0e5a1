/** What is said of many images together. */

import { describe, expect, it } from 'vitest';
import {
  countOf,
  createSharedCounter,
  planTotals,
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

it('the totals of a plan count each blob once', () => {
  const blob = (name: string, sizeBytes: number | undefined, storedBytes = 0) => ({
    blob: name,
    sizeBytes,
    storedBytes,
  });
  const plan = (...blobs: ReturnType<typeof blob>[]): PlannedImage => ({
    image: 'x',
    status: 'planned',
    blobs,
  });
  expect(
    planTotals([
      plan(blob('a', 10), blob('b', 5, 2)),
      plan(blob('a', 10)),
      plan(blob('u', undefined)),
      plan(),
    ]),
  ).toEqual({
    downloadBytes: 13,
    unsharedBytes: 23,
    storedBytes: 2,
    unknownBlobs: 1,
  });
});
