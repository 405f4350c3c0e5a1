import { describe, expect, it } from 'vitest';
import {
  type CachedAnswer,
  cachedAnswerOf,
  conditionalHeaders,
  freshnessOf,
  isFresh,
  parseCacheControl,
  refresh,
} from '../../../src/http/freshness.js';

const NOW = Date.UTC(2026, 10, 25, 12, 0, 0);
const YEAR_SECONDS = 365 * 24 * 60 * 60;
const at = (seconds: number): string => new Date(NOW + seconds * 1000).toUTCString();
const NONE = { noStore: false, noCache: false, mustRevalidate: false, maxAgeSeconds: undefined };

describe('Cache-Control', () => {
  it.each([
    [undefined, {}],
    ['', {}],
    [' , ,', {}],
    ['max-age=100', { maxAgeSeconds: 100 }],
    ['MAX-AGE = 100', { maxAgeSeconds: 100 }],
    ['max-age="100"', { maxAgeSeconds: 100 }],
    ['no-cache, max-age=100', { noCache: true, maxAgeSeconds: 100 }],
    ['max-age=100,No-Cache', { noCache: true, maxAgeSeconds: 100 }],
    ['no-cache="set-cookie, x"', { noCache: true }],
    ['private, no-store', { noStore: true }],
    ['no-store=1', { noStore: true }],
    ['public, must-revalidate, max-age=5', { mustRevalidate: true, maxAgeSeconds: 5 }],
    ['s-maxage=5, immutable, stale-while-revalidate=9', {}],
    ['max-age=5, max-age=3', { maxAgeSeconds: 3 }],
    ['max-age=5, max-age=x', { maxAgeSeconds: 0 }],
    ['max-age', { maxAgeSeconds: 0 }],
    ['max-age=', { maxAgeSeconds: 0 }],
    ['max-age=-1', { maxAgeSeconds: 0 }],
    ['max-age=1.5', { maxAgeSeconds: 0 }],
    ['max-age=1e3', { maxAgeSeconds: 0 }],
    ['max-age="5', { maxAgeSeconds: 0 }],
    ['ext="no-store, no-cache", max-age=1', { maxAgeSeconds: 1 }],
    ['ext="open, no-store', { noStore: true }],
    ['my-no-store, xmax-age=1', {}],
    ['max-age=99999999999999999999', { maxAgeSeconds: 1e20 }],
  ])('%j says %j', (value, expected) => {
    expect(parseCacheControl(value)).toEqual({ ...NONE, ...expected });
  });

  it('of the greatest size is read in no time', () => {
    const startedAt = performance.now();
    for (const piece of ['"', '\\"', ',', 'a=', 'max-age=', '" ,']) parseCacheControl(piece.repeat(16_384));
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });
});

// headers, seconds of freshness
it.each([
  [{}, 0],
  [{ etag: '"1"', 'last-modified': at(-YEAR_SECONDS) }, 0],
  [{ 'cache-control': 'max-age=100' }, 100],
  [{ 'cache-control': 'max-age=0' }, 0],
  [{ 'cache-control': 'no-cache, max-age=100' }, 0],
  [{ 'cache-control': 'max-age=100, no-cache' }, 0],
  [{ 'cache-control': 's-maxage=100' }, 0],
  [{ 'cache-control': 'max-age=x', expires: at(50) }, 0],
  [{ 'cache-control': 'max-age=100', expires: at(-50) }, 100],
  [{ 'cache-control': 'max-age=100', age: '30' }, 70],
  [{ 'cache-control': 'max-age=100', age: '300' }, 0],
  [{ 'cache-control': 'max-age=100', age: 'x' }, 100],
  [{ 'cache-control': 'max-age=100', age: '-30' }, 100],
  [{ 'cache-control': 'max-age=100', age: '30, 40' }, 70],
  [{ 'cache-control': 'max-age=100', date: at(-20) }, 80],
  [{ 'cache-control': 'max-age=100', date: at(-20), age: '30' }, 70],
  [{ 'cache-control': 'max-age=100', date: at(3600) }, 100],
  [{ 'cache-control': 'max-age=100', date: 'soon' }, 100],
  [{ expires: at(50) }, 50],
  [{ expires: at(50), date: at(0) }, 50],
  [{ expires: at(3650), date: at(3600) }, 50],
  [{ expires: at(-3550), date: at(-3600) }, 0],
  [{ expires: at(-1) }, 0],
  [{ expires: '0' }, 0],
  [{ expires: '-1' }, 0],
  [{ expires: '2030-01-01T00:00:00Z' }, 0],
  [{ expires: `${at(50)}, ${at(60)}` }, 0],
  [{ 'cache-control': 'max-age=100', vary: '*' }, 0],
  [{ 'cache-control': 'max-age=100', vary: 'accept-encoding, *' }, 0],
  [{ 'cache-control': 'max-age=100', vary: 'Authorization' }, 0],
  [{ 'cache-control': 'max-age=100', vary: 'Accept-Encoding, Origin' }, 100],
  [{ 'cache-control': 'max-age=100', pragma: 'no-cache' }, 100],
  [{ 'cache-control': 'max-age=99999999999999999999' }, YEAR_SECONDS],
  [{ expires: at(10 * YEAR_SECONDS) }, YEAR_SECONDS],
])('%j is fresh for %d seconds', (headers, seconds) => {
  expect(freshnessOf(headers, NOW)).toMatchObject({ storable: true, freshUntilMs: NOW + seconds * 1000 });
});

it.each([['no-store'], ['no-store, max-age=100'], ['max-age=100, no-store'], ['no-cache, no-store']])(
  'of an answer with %j nothing is remembered',
  (value) => {
    const headers = { 'cache-control': value, etag: '"1"' };
    expect(freshnessOf(headers, NOW)).toEqual({ storable: false, freshUntilMs: NOW, mustRevalidate: true });
    expect(cachedAnswerOf(headers, NOW)).toBeUndefined();
  },
);

it.each([
  ['max-age=100', false],
  ['max-age=100, must-revalidate', true],
  ['no-cache', true],
])('with %j the server must be asked once it is stale: %s', (value, expected) => {
  expect(freshnessOf({ 'cache-control': value }, NOW).mustRevalidate).toBe(expected);
});

function answer(headers: Record<string, string>): CachedAnswer {
  const record = cachedAnswerOf(headers, NOW);
  if (record === undefined) throw new Error('not storable');
  return record;
}

describe('an answer that is kept', () => {
  it('survives JSON', () => {
    const record = answer({ etag: '"1"', 'cache-control': 'max-age=100', expires: at(9), vary: 'origin' });
    expect(JSON.parse(JSON.stringify(record))).toEqual(record);
  });

  it.each([
    [0, true],
    [99, true],
    [100, false],
    [-1, false],
    [-YEAR_SECONDS, false],
  ])('with max-age=100 is fresh after %d seconds: %s', (seconds, expected) => {
    expect(isFresh(answer({ 'cache-control': 'max-age=100' }), NOW + seconds * 1000)).toBe(expected);
  });

  it('is never fresh when its record says more than a year', () => {
    const record = { ...answer({ 'cache-control': 'max-age=100' }), freshUntilMs: Number.MAX_SAFE_INTEGER };
    expect(isFresh(record, NOW)).toBe(false);
  });

  const LATER = NOW + 1_000_000;
  // the headers of the 200, those of the 304 after 1000 seconds, seconds of freshness from then on
  it.each([
    [{ 'cache-control': 'max-age=100' }, {}, 100],
    [{ 'cache-control': 'max-age=100' }, { 'cache-control': 'max-age=5' }, 5],
    [{ 'cache-control': 'max-age=100' }, { 'cache-control': 'no-cache' }, 0],
    [{ 'cache-control': 'no-cache' }, { 'cache-control': 'max-age=5' }, 5],
    [{ 'cache-control': 'max-age=100', age: '90' }, {}, 100],
    [{ 'cache-control': 'max-age=100' }, { age: '90' }, 10],
    [{ expires: at(50) }, {}, 0],
    [{ expires: at(50) }, { expires: at(1050), date: at(1000) }, 50],
    [{ 'cache-control': 'max-age=100', vary: '*' }, {}, 0],
    [{ 'cache-control': 'max-age=100' }, { vary: '*' }, 0],
    [{}, {}, 0],
  ])('as %j is, after a 304 with %j, fresh for %d seconds more', (headers, headers304, seconds) => {
    const record = refresh(answer(headers), headers304, LATER);
    expect(record).toMatchObject({ answeredAtMs: LATER, freshUntilMs: LATER + seconds * 1000 });
  });

  it('takes the validators of a 304, and keeps those that it does not name', () => {
    const record = answer({ etag: '"1"', 'last-modified': at(-5) });
    expect(refresh(record, { etag: 'W/"2"' }, LATER)).toMatchObject({
      etag: 'W/"2"',
      lastModified: at(-5),
    });
    expect(refresh(record, {}, LATER)).toMatchObject({ etag: '"1"', lastModified: at(-5) });
  });

  it('is forgotten after a 304 with no-store', () => {
    expect(refresh(answer({ etag: '"1"' }), { 'cache-control': 'no-store' }, LATER)).toBeUndefined();
  });
});

it.each([
  [undefined, {}],
  [{}, {}],
  [{ etag: 'W/"1"', lastModified: at(0) }, { 'if-none-match': 'W/"1"' }],
  [{ lastModified: at(0) }, { 'if-modified-since': at(0) }],
])('%j is asked about with %j', (validators, headers) => {
  expect(conditionalHeaders(validators)).toEqual(headers);
});
