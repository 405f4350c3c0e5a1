/** Results on stdout and in the exit code. */

import { describe, expect, test } from 'vitest';
import {
  exitCodeOfAll,
  exitCodeOfList,
  orderedLines,
  outcomeRecord,
  shownId,
} from '../../../src/cli/outcome.js';
import { type ErrorCode, FetchError } from '../../../src/errors.js';
import { parseImageId } from '../../../src/reference/digest.js';
import type { FetchOutcome, PlannedImage } from '../../../src/types.js';

const ID = parseImageId(`sha512-${'0123456789abcdef'.repeat(8)}`);

test('IDs are shown with 32 digits, or whole', () => {
  expect(shownId(ID, false)).toBe('sha512-0123456789abcdef0123456789abcdef');
  expect(shownId(ID, true)).toBe(ID);
});

test.each([
  [[0], 0],
  [[6], 6],
  [[0, 0], 0],
  [[0, 3], 9],
  [[3, 3], 9],
])('exit codes %j of images make %d', (codes, code) => {
  expect(exitCodeOfAll(codes)).toBe(code);
});

const failed = (code: ErrorCode): FetchOutcome => {
  const cause = new FetchError(code, 'no', { stage: 'store' });
  const error = { code, stage: cause.stage, message: 'no' };
  return { image: 'a', status: 'failed', downloadedBytes: 0, durationMs: 1, error, cause };
};
const planned: PlannedImage = { image: 'b', status: 'planned', blobs: [] };

test.each<[title: string, outcomes: readonly (FetchOutcome | PlannedImage)[], code: number]>([
  ['of no failure', [planned, planned], 0],
  ['of a single image', [failed('ERR_NOT_FOUND')], 3],
  ['of other failures', [failed('ERR_NOT_FOUND'), planned], 9],
  ['with a full disk', [failed('ERR_NOT_FOUND'), failed('ERR_NO_SPACE'), failed('ERR_ABORTED')], 8],
  ['with another fault of the disk', [failed('ERR_PERMISSION'), planned], 9],
])('the exit code of a list %s', (_, outcomes, code) => {
  expect(exitCodeOfList(outcomes)).toBe(code);
});

test('lines come out in the order of their places, each as early as possible', () => {
  const written: string[] = [];
  const put = orderedLines((line) => written.push(line));
  put(1, 'b');
  expect(written).toEqual([]);
  put(0, '');
  expect(written).toEqual(['', 'b']);
  put(3, 'd');
  put(2, 'c');
  expect(written).toEqual(['', 'b', 'c', 'd']);
});

describe('outcomeRecord', () => {
  const fields =
    'image id name labels status verified signers sizeBytes downloadedBytes durationMs dependencies';

  test('has the fields of the specification in their order', () => {
    const record = outcomeRecord({
      dependencies: [ID],
      status: 'cached',
      image: 'docker://a',
      id: ID,
      name: 'a',
      labels: { version: '1' },
      verified: true,
      signers: ['Ann'],
      sizeBytes: 5,
      downloadedBytes: 0,
      durationMs: 1.7,
    });
    expect(Object.keys(record).join(' ')).toBe(fields);
    expect(record).toMatchObject({ id: ID, status: 'cached', durationMs: 2 });
  });

  test.each([
    [{ os: 'linux', architecture: 'arm', variant: 'v7' }, 'linux/arm/v7'],
    [{ os: 'linux', architecture: 'amd64' }, 'linux/amd64'],
  ])('names the platform %j, which was asked for, after the image', (platform, text) => {
    const record = outcomeRecord({ ...failed('ERR_NO_PLATFORM'), platform });
    expect(Object.keys(record).slice(0, 3)).toEqual(['image', 'platform', 'id']);
    expect(record['platform']).toBe(text);
  });

  test('tells why an image failed, without the error object and without secrets', () => {
    const cause = new FetchError('ERR_AUTH', 'refused by https://h/x?sig=1\nreally', { stage: 'download' });
    const { code, stage, message, hint } = cause;
    const record = outcomeRecord({
      image: 'https://u:p@h/x.aci',
      status: 'failed',
      downloadedBytes: 3,
      durationMs: 1,
      error: { code, stage, message, hint },
      cause,
    });
    expect(Object.keys(record).join(' ')).toBe(`${fields} error`);
    expect(record).toMatchObject({ image: 'https://REDACTED@h/x.aci', id: null, downloadedBytes: 3 });
    expect(record['error']).toEqual({
      code: 'ERR_AUTH',
      stage: 'download',
      message: 'refused by https://h/x really',
    });
  });
});
