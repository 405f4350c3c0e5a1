/** What is said of many images together. */

import { describe, expect, it } from 'vitest';
import {
  countOf,
  createBatchFacts,
  type PlanTotals,
  planTotals,
  planTotalsLine,
  summaryLine,
  summaryOf,
  wholeBatch,
} from '../../../src/cli/batch-summary.js';
import {
  type EngineEvent,
  type FailedImage,
  FetchError,
  type FetchedImage,
  type FetchOutcome,
  type ImageId,
  type PlannedImage,
} from '../../../src/index.js';
import { FETCHED } from '../../support/outcomes.js';

const ok = (status: 'fetched' | 'cached', downloadedBytes: number): FetchedImage => ({
  ...FETCHED,
  status,
  downloadedBytes,
});
const cause = new FetchError('ERR_NOT_FOUND', 'none', { stage: 'resolve' });
const failed: FailedImage = {
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

  it('counts as shared what images had that were completed', () => {
    const facts = createBatchFacts();
    const cached = (image: string): EngineEvent => ({
      event: 'blob.cached',
      image,
      blob: 'b',
      kind: 'layer',
      sizeBytes: 30,
    });
    const done = (image: string): EngineEvent => ({ event: 'image.done', image, result: ok('fetched', 1) });
    // y begins anew, of z the layer never came, and w is under way.
    for (const image of ['x', 'y', 'y', 'z', 'w']) facts.onEvent(cached(image));
    facts.onEvent({ event: 'image.searching', image: 'x' });
    facts.onEvent(done('x'));
    facts.onEvent(done('y'));
    facts.onEvent({ event: 'image.failed', image: 'z', result: failed });
    expect(facts.sharedBytes()).toBe(60);
  });

  it('does not count as shared what an image brought itself in the end, or finds in the store then', () => {
    const facts = createBatchFacts();
    const of = (blob: string) => ({ image: 'a.test/x', blob, kind: 'layer', sizeBytes: 30 }) as const;
    const begins = (blob: string): EngineEvent => ({
      event: 'blob.started',
      ...of(blob),
      resumedBytes: 0,
      readBytes: () => 0,
    });
    const cached = (blob: string): EngineEvent => ({ event: 'blob.cached', ...of(blob) });
    for (const event of [cached('other'), begins('own'), begins('other'), cached('own')])
      facts.onEvent(event);
    facts.onEvent({ event: 'image.done', image: 'a.test/x', result: ok('fetched', 60) });
    expect(facts.sharedBytes()).toBe(0);
  });

  it('keeps two platforms of one image apart', () => {
    const facts = createBatchFacts();
    const image = 'b.test/y';
    const platforms = ['amd64', 'arm64'].map((architecture) => ({ os: 'linux', architecture }));
    for (const platform of platforms) {
      const blob = `base of ${platform.architecture}`;
      facts.onEvent({ event: 'blob.cached', image, platform, blob, kind: 'layer', sizeBytes: 30 });
    }
    const [amd, arm] = platforms;
    facts.onEvent({ event: 'image.failed', image, platform: amd, result: failed });
    facts.onEvent({ event: 'image.done', image, platform: arm, result: ok('fetched', 1) });
    expect(facts.sharedBytes()).toBe(30);
    const ends = [{ image, platform: amd }, { image, platform: arm }, { image }].map(facts.endOf);
    expect(ends.map((end) => end?.status)).toEqual(['failed', 'fetched', undefined]);
  });
});

describe('a batch that was interrupted', () => {
  const arm = { os: 'linux', architecture: 'arm64' };
  const requests = [
    { image: 'a.test/x' },
    { image: 'b.test/y' },
    { image: 'b.test/y', platform: arm },
    { image: 'c.test/z' },
    { image: 'd.test/w' },
  ];
  const late = ok('fetched', 3);

  it('has an outcome for each image, in the order of the list', () => {
    const facts = createBatchFacts();
    const result = { ...failed, platform: arm };
    facts.onEvent({ event: 'image.failed', image: failed.image, platform: arm, result });
    facts.onEvent({ event: 'image.done', image: 'd.test/w', result: { ...late, image: 'd.test/w' } });
    const done = new Map<number, FetchOutcome>([
      [1, failed],
      [0, ok('cached', 0)],
    ]);
    const aborted = { status: 'failed', error: { code: 'ERR_ABORTED' } };
    const outcomes = wholeBatch(requests, done, facts.endOf);
    expect(outcomes).toMatchObject([
      { image: 'a.test/x', status: 'cached' },
      { image: 'b.test/y', error: { code: 'ERR_NOT_FOUND' } },
      // It had brought something when it was given up.
      { image: 'b.test/y', platform: arm, ...aborted, downloadedBytes: 5 },
      { image: 'c.test/z', ...aborted, downloadedBytes: 0 },
      // The interruption came when it was complete.
      { image: 'd.test/w', status: 'fetched', downloadedBytes: 3 },
    ]);
    expect(outcomes[1]).not.toHaveProperty('platform');
  });

  it('keeps the plans that were made', () => {
    const plan: PlannedImage = { image: 'b.test/y', status: 'planned', blobs: [] };
    const plans = wholeBatch(requests.slice(0, 2), new Map([[1, plan]]));
    expect(plans).toEqual([
      expect.objectContaining({ image: 'a.test/x', status: 'failed', downloadedBytes: 0 }),
      plan,
    ]);
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
