/** What became of requests, and whose facts are whose. */

import { describe, expect, it } from 'vitest';
import { FetchError } from '../../../src/errors.js';
import { type EngineEvent, type EventSink, requestKey } from '../../../src/events.js';
import { eventsOf, outcomeOf } from '../../../src/fetch/outcome.js';
import type { FetchedImage, FetchRequest, Platform } from '../../../src/types.js';
import { FETCHED } from '../../support/outcomes.js';

const image = 'docker://a.test/x';
const arm: Platform = { os: 'linux', architecture: 'arm64' };

const begun = (
  name: string,
  bytes: number,
  changes: { isLocal?: true; blob?: string } = {},
): EngineEvent => ({
  event: 'blob.started',
  image: name,
  blob: 'b',
  kind: 'layer',
  resumedBytes: 10,
  readBytes: () => bytes,
  ...changes,
});
const failed = (name: string, blob = 'b'): EngineEvent => ({
  event: 'blob.failed',
  image: name,
  blob,
  kind: 'layer',
});
const fetched: FetchedImage = { ...FETCHED, image };

describe('what is told of a request', () => {
  it('says whose it is, also of an image that is only depended on', () => {
    const events: EngineEvent[] = [];
    const request = { image, platform: arm, signature: 'x.asc' };
    const tell = eventsOf(request, (event) => events.push(event));
    tell({ event: 'image.searching', image });
    tell({ event: 'image.searching', image: 'b.test/lib' });
    expect(events).toEqual([
      { event: 'image.searching', image, platform: arm, signature: 'x.asc' },
      {
        event: 'image.searching',
        image: 'b.test/lib',
        dependencyOf: image,
        platform: arm,
        signature: 'x.asc',
      },
    ]);
    const keys = [request, ...events].map((subject) => requestKey(subject as FetchRequest));
    expect(new Set(keys).size).toBe(1);
  });

  it('leaves a host alone, which is no image', () => {
    const held = { event: 'host.held', host: 'a.test', delayMs: 1, isUnreachable: true } as const;
    const events: EngineEvent[] = [];
    eventsOf({ image, platform: arm }, (event) => events.push(event))(held);
    expect(events).toEqual([held]);
  });

  it.each<[title: string, other: FetchRequest]>([
    ['another image', { image: 'docker://a.test/y' }],
    ['another platform', { image, platform: arm }],
    ['another signature', { image, signature: 'x.asc' }],
  ])('is not that of %s', (_, other) => {
    expect(requestKey(other)).not.toBe(requestKey({ image }));
  });
});

describe('an image that fails', () => {
  const broken = new FetchError('ERR_DIGEST_MISMATCH', 'no', { stage: 'verify' });
  const failing =
    (...events: EngineEvent[]) =>
    async (emit: EventSink): Promise<FetchedImage> => {
      for (const event of events) emit(event);
      throw broken;
    };

  it('has brought its own bytes and those of what it depends on, not those of another platform', async () => {
    const events: EngineEvent[] = [];
    const emit: EventSink = (event) => void events.push(event);
    const outcomes = await Promise.all([
      outcomeOf(
        { image },
        failing(
          begun(image, 110),
          begun('b.test/lib', 30, { blob: 'lib' }),
          failed(image),
          failed('b.test/lib', 'lib'),
        ),
        emit,
      ),
      outcomeOf(
        { image, platform: arm },
        failing(begun(image, 1010), failed(image), begun(image, 5, { blob: 'c' }), failed(image, 'c')),
        emit,
      ),
      outcomeOf(
        { image: './x.aci' },
        failing(begun('./x.aci', 1000, { isLocal: true }), failed('./x.aci')),
        emit,
      ),
    ]);
    expect(outcomes).toMatchObject([
      { status: 'failed', downloadedBytes: 120 },
      { status: 'failed', downloadedBytes: 1000, platform: arm },
      { status: 'failed', downloadedBytes: 0 },
    ]);
    const ends = events.filter(({ event }) => event === 'image.failed');
    expect(ends).toMatchObject([
      { image, result: { downloadedBytes: 120 } },
      { image, platform: arm, result: { downloadedBytes: 1000 } },
      { image: './x.aci' },
    ]);
  });

  it('has what is done, and not what goes on for another image', async () => {
    const done = { event: 'blob.done', kind: 'layer', sizeBytes: 110, durationMs: 1 } as const;
    const fetch = failing(
      begun(image, 110),
      // A part of it came twice.
      { ...done, image, blob: 'b', downloadedBytes: 150 },
      begun(image, 500, { blob: 'shared' }),
    );
    expect(await outcomeOf({ image }, fetch, () => {})).toMatchObject({ downloadedBytes: 150 });
  });

  it('is not one that is done, whose bytes are its own to tell', async () => {
    const events: EngineEvent[] = [];
    const fetch = async (emit: EventSink) => {
      emit(begun(image, 110));
      return fetched;
    };
    const outcome = await outcomeOf({ image, platform: arm }, fetch, (event) => void events.push(event));
    expect(outcome).toBe(fetched);
    expect(events.at(-1)).toEqual({ event: 'image.done', image, platform: arm, result: fetched });
  });
});
