/** How far many images are together, out of the events alone. */

import { describe, expect, test } from 'vitest';
import { createTotal, totalLine } from '../../../src/cli/reporter/total.js';
import { FetchError } from '../../../src/errors.js';
import type { EngineEvent } from '../../../src/events.js';

describe('the total of a batch', () => {
  test('counts each blob once, and guesses images that nothing is known of', () => {
    const total = createTotal(4);
    const resolve = (image: string, ...names: string[]): void =>
      total.onEvent({
        event: 'image.resolved',
        image,
        blobs: names.map((blob) => ({ blob, sizeBytes: 100 })),
      });
    expect(total.look(0).allBytes).toBeUndefined();
    resolve('a', 'base', 'own-a');
    resolve('b', 'base', 'own-b');
    expect(total.look(0)).toMatchObject({ allBytes: 600, doneBytes: 0, images: 4 });
    const base = { image: 'a', blob: 'base', kind: 'layer' } as const;
    let bytes = 40;
    total.onEvent({
      event: 'blob.started',
      ...base,
      sizeBytes: 100,
      resumedBytes: 0,
      readBytes: () => bytes,
    });
    total.onEvent({ event: 'blob.cached', image: 'b', blob: 'base', kind: 'layer', sizeBytes: 100 });
    expect(total.look(0)).toMatchObject({ allBytes: 600, doneBytes: 40 });
    bytes = 100;
    total.onEvent({ event: 'blob.done', ...base, sizeBytes: 100, downloadedBytes: 100, durationMs: 1 });
    total.onEvent({ event: 'blob.cached', image: 'b', blob: 'own-b', kind: 'layer', sizeBytes: 100 });
    const state = total.look(1000);
    expect(state).toMatchObject({ allBytes: 400, doneBytes: 100 });
    expect(totalLine(state)).toBe('0 of 4 images: 100 B of about 400 B, 100 B/s, 3s left');
  });
});

describe('the time that is left of a batch', () => {
  const MB = 1_000_000;
  const resolved = (image: string, ...blobs: string[]): EngineEvent => ({
    event: 'image.resolved',
    image,
    blobs: blobs.map((blob) => ({ blob, sizeBytes: 100 * MB })),
  });
  const begun = (blob: string, changes: { resumedBytes?: number; isLocal?: true } = {}): EngineEvent => ({
    event: 'blob.started',
    image: 'a',
    blob,
    kind: 'layer',
    sizeBytes: 100 * MB,
    resumedBytes: 0,
    readBytes: () => changes.resumedBytes ?? 0,
    ...changes,
  });
  const came = (blob: string): EngineEvent => ({
    event: 'blob.done',
    image: 'a',
    blob,
    kind: 'layer',
    sizeBytes: 100 * MB,
    downloadedBytes: 100 * MB,
    durationMs: 1,
  });
  const shared = (image: string, blob: string): EngineEvent => ({
    event: 'blob.cached',
    image,
    blob,
    kind: 'layer',
    sizeBytes: 100 * MB,
  });

  test.each<[title: string, events: readonly EngineEvent[], line: string]>([
    [
      'counts a base that came already, whoever shares it later',
      [
        resolved('a', 'base', 'own-a'),
        begun('base'),
        came('base'),
        resolved('b', 'base', 'own-b'),
        shared('b', 'base'),
      ],
      '100 MB of about 300 MB, 10 MB/s, 20s left',
    ],
    [
      'counts a base that is about to come for one image and is shared by another one',
      [
        resolved('a', 'base', 'own-a'),
        resolved('b', 'base', 'own-b'),
        shared('b', 'base'),
        begun('own-a'),
        came('own-a'),
      ],
      '100 MB of about 300 MB, 10 MB/s, 20s left',
    ],
    [
      'leaves out what the store had',
      [
        resolved('a', 'base', 'own-a'),
        resolved('b', 'base', 'own-b'),
        shared('a', 'base'),
        shared('b', 'base'),
        begun('own-a'),
        came('own-a'),
      ],
      '100 MB of about 200 MB, 10 MB/s, 10s left',
    ],
    [
      'goes by what comes now, not by what an earlier download left',
      [
        resolved('a', 'base', 'own-a'),
        resolved('b', 'base', 'own-b'),
        begun('own-b', { resumedBytes: 50 * MB }),
        begun('base', { resumedBytes: 90 * MB }),
        came('base'),
      ],
      '150 MB of about 300 MB, 1 MB/s, 2m30s left',
    ],
    [
      'nor by what is read from the disk',
      [resolved('a', 'base'), resolved('b', 'own-b'), begun('base', { isLocal: true }), came('base')],
      '100 MB of about 200 MB',
    ],
  ])('%s', (_, events, line) => {
    const total = createTotal(2);
    total.look(0);
    for (const event of events) total.onEvent(event);
    expect(totalLine(total.look(10_000))).toBe(`0 of 2 images: ${line}`);
  });
});

describe('the images of a total', () => {
  const arm = { os: 'linux', architecture: 'arm64' };
  const resolved = (image: string, ...blobs: string[]): EngineEvent => ({
    event: 'image.resolved',
    image,
    blobs: blobs.map((blob) => ({ blob, sizeBytes: 100 })),
  });
  const begun = (image: string, blob: string, dependencyOf?: string): EngineEvent => ({
    event: 'blob.started',
    image,
    dependencyOf,
    blob,
    kind: 'layer',
    sizeBytes: 100,
    resumedBytes: 0,
    readBytes: () => 0,
  });
  const came = (image: string, blob: string): EngineEvent => ({
    event: 'blob.done',
    image,
    blob,
    kind: 'layer',
    sizeBytes: 100,
    downloadedBytes: 100,
    durationMs: 1,
  });
  const broken = (image: string, blob: string): EngineEvent => ({
    event: 'blob.failed',
    image,
    blob,
    kind: 'layer',
  });
  const failed = (image: string): EngineEvent => {
    const cause = new FetchError('ERR_NETWORK', 'no', { stage: 'download' });
    const error = { code: cause.code, stage: cause.stage, message: cause.message };
    const result = { image, status: 'failed', downloadedBytes: 0, durationMs: 1, error, cause } as const;
    return { event: 'image.failed', image, result };
  };

  test.each<[title: string, events: readonly EngineEvent[], allBytes: number]>([
    [
      'are those of the list, not what they depend on',
      [begun('a', 'a.aci'), begun('lib', 'lib.aci', 'a'), begun('base', 'base.aci', 'a')],
      1200,
    ],
    [
      'are several where one is wanted for several platforms',
      [resolved('a', 'x'), { ...resolved('a', 'y'), platform: arm } as EngineEvent],
      400,
    ],
    [
      'bring nothing more when they have failed',
      [resolved('a', 'x', 'y'), resolved('b', 'z'), failed('a')],
      200,
    ],
    [
      'leave what others wait for when they fail',
      [resolved('a', 'x', 'y'), resolved('b', 'y'), failed('a')],
      200,
    ],
    [
      'fail before their downloads have ended',
      [resolved('a', 'x'), begun('a', 'x'), resolved('b', 'z'), failed('a'), broken('a', 'x')],
      200,
    ],
    [
      'leave a dependency that goes on for others when they fail',
      [begun('lib', 'lib.aci', 'a'), failed('a')],
      400,
    ],
    [
      'have brought what came before they failed',
      [resolved('a', 'x', 'y'), begun('a', 'x'), came('a', 'x'), failed('a')],
      400,
    ],
    [
      'may all have failed',
      [resolved('a', 'x'), begun('a', 'x'), resolved('b', 'x'), broken('a', 'x'), failed('a'), failed('b')],
      0,
    ],
  ])('%s', (_, events, allBytes) => {
    const total = createTotal(4);
    for (const event of events) total.onEvent(event);
    expect(total.look(0).allBytes).toBe(allBytes);
  });
});
