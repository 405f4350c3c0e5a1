/** What a free connection asks for next, and when there is more than one. */

import { describe, expect, it } from 'vitest';
import {
  addSpan,
  missingIn,
  type NextPart,
  nextPart,
  PART_BYTES,
  prefixEnd,
  type Span,
  shallBeParallel,
  type Transfer,
  totalOf,
} from '../../../src/http/part-plan.js';
import { withRandom } from '../../support/images/random.js';

const MIB = 1024 * 1024;
const P = PART_BYTES;
const NOW = 10_000;
const FASTEST = 10 * MIB;
const span = ([start, end]: [number, number]): Span => ({ start, end });
const fetches = (start: number, end: number, shortened?: number): unknown => ({
  kind: 'fetch',
  span: { start, end },
  ...(shortened !== undefined && { shortened }),
});

describe('the next part of a download', () => {
  type Row = [
    what: string,
    total: number,
    received: [number, number][],
    transfers: [start: number, end: number, idleMs?: number, bytesPerSecond?: number][],
    next: unknown,
  ];
  it.each<Row>([
    ['nothing of nothing', 0, [], [], { kind: 'done' }],
    ['nothing where all is here', 5 * P, [[0, 5 * P]], [], { kind: 'done' }],
    ['the first part at the beginning', 5 * P, [], [], fetches(0, P)],
    ['all of what is less than a part', P / 2, [], [], fetches(0, P / 2)],
    [
      'the first gap',
      5 * P,
      [
        [0, 2 * P],
        [3 * P, 4 * P],
      ],
      [],
      fetches(2 * P, 3 * P),
    ],
    ['what nobody fetches', 5 * P, [[0, P]], [[P, 2 * P]], fetches(2 * P, 3 * P)],
    ['up to a boundary', 5 * P, [[0, 100]], [], fetches(100, P)],
    [
      'up to the boundary after that where there is one close by',
      5 * P,
      [[0, P - 100]],
      [],
      fetches(P - 100, 2 * P),
    ],
    ['up to a boundary also before a rest of some bytes', 2 * P + 100, [[0, P]], [], fetches(P, 2 * P)],
    [
      'the part after the present one of who fetches all',
      5 * P,
      [[0, 100]],
      [[100, 5 * P]],
      fetches(P, 2 * P, 0),
    ],
    [
      'of the largest transfer',
      9 * P,
      [
        [0, 100],
        [P, 2 * P],
      ],
      [
        [100, P],
        [2 * P, 9 * P],
      ],
      fetches(3 * P, 4 * P, 1),
    ],
    ['the second half of a part', P, [], [[0, P]], fetches(P / 2, P, 0)],
    ['nothing of a small rest that comes', P, [[0, P - MIB]], [[P - MIB, P]], { kind: 'wait' }],
    [
      'a small rest that does not come, once more',
      P,
      [[0, P - MIB]],
      [[P - MIB, P, 2000]],
      fetches(P - MIB, P),
    ],
    ['what trickles, a second time', P, [[0, P - MIB]], [[P - MIB, P, 0, FASTEST / 50]], fetches(P - MIB, P)],
    [
      'nothing of what is as fast as another',
      P,
      [[0, P - MIB]],
      [[P - MIB, P, 0, FASTEST / 3]],
      { kind: 'wait' },
    ],
    [
      'nothing of what trickles and ends soon',
      P,
      [[0, P - 1000]],
      [[P - 1000, P, 0, FASTEST / 50]],
      { kind: 'wait' },
    ],
    [
      'nothing that two fetch already',
      P,
      [[0, P - MIB]],
      [
        [P - MIB, P, 9000],
        [P - MIB, P, 2000],
      ],
      { kind: 'wait' },
    ],
    [
      'nothing of a transfer whose bytes somebody else has brought',
      P,
      [[0, P]],
      [[P - MIB, P, 9000]],
      { kind: 'done' },
    ],
  ])('is %s', (_, totalBytes, received, running, expected) => {
    const transfers = running.map(
      ([start, end, idleMs = 0, bytesPerSecond]): Transfer => ({
        start,
        end,
        aliveAtMs: NOW - idleMs,
        bytesPerSecond,
      }),
    );
    const next = nextPart({
      totalBytes,
      received: received.map(span),
      transfers,
      nowMs: NOW,
      fastest: FASTEST,
      isAlone: false,
    });
    expect(withPlace(next, transfers)).toEqual(expected);
  });

  it('is all of a gap for the only connection', () => {
    const plan = { totalBytes: 9 * P, transfers: [], nowMs: NOW, fastest: 0, isAlone: true };
    expect(nextPart({ ...plan, received: [{ start: 0, end: 10 }] })).toEqual(fetches(10, 9 * P));
    const received = [
      { start: 0, end: 10 },
      { start: 3 * P, end: 4 * P },
    ];
    expect(nextPart({ ...plan, received })).toEqual(fetches(10, 3 * P));
  });

  it('leaves no byte out and asks for none twice, whoever ends first', async () => {
    await withRandom((random) => {
      for (let round = 0; round < 200; round += 1) {
        const totalBytes = random.int(1, 6 * P);
        const transfers: { start: number; end: number; aliveAtMs: number }[] = [];
        let received: Span[] = [];
        let broughtBytes = 0;
        for (;;) {
          const next = nextPart({
            totalBytes,
            received,
            transfers,
            nowMs: NOW,
            fastest: 0,
            isAlone: random.chance(0.2),
          });
          if (next.kind === 'done') break;
          if (next.kind === 'fetch' && transfers.length < 8) {
            if (next.shortened !== undefined) next.shortened.end = next.span.start;
            expect(next.span.end).toBeGreaterThan(next.span.start);
            transfers.push({ ...next.span, aliveAtMs: NOW });
          }
          const transfer = random.pick(transfers);
          const end = Math.min(transfer.end, transfer.start + random.int(0, P));
          received = addSpan(received, { start: transfer.start, end });
          broughtBytes += end - transfer.start;
          transfer.start = end;
          // Done, or broken off.
          if (end === transfer.end || random.chance(0.1)) transfers.splice(transfers.indexOf(transfer), 1);
        }
        expect([received, broughtBytes]).toEqual([[{ start: 0, end: totalBytes }], totalBytes]);
      }
    });
  });
});

/** The transfer that is shortened by its place. */
function withPlace(next: NextPart, transfers: readonly Transfer[]): unknown {
  if (next.kind !== 'fetch' || next.shortened === undefined) return next;
  return { ...next, shortened: transfers.indexOf(next.shortened) };
}

describe('spans', () => {
  it.each<[string, [number, number][], [number, number], [number, number][]]>([
    [
      'are kept apart',
      [[0, 1]],
      [2, 3],
      [
        [0, 1],
        [2, 3],
      ],
    ],
    [
      'are merged where they touch',
      [
        [0, 1],
        [2, 3],
      ],
      [1, 2],
      [[0, 3]],
    ],
    [
      'are merged where they overlap',
      [
        [0, 5],
        [7, 9],
      ],
      [3, 8],
      [[0, 9]],
    ],
    [
      'are kept in order',
      [[5, 6]],
      [0, 1],
      [
        [0, 1],
        [5, 6],
      ],
    ],
    ['do not change by nothing', [[5, 6]], [2, 2], [[5, 6]]],
  ])('%s', (_, spans, added, expected) => {
    expect(addSpan(spans.map(span), span(added))).toEqual(expected.map(span));
  });

  it('tell what is missing, how much there is, and how far without a gap', () => {
    const spans = [span([0, 4]), span([6, 8])];
    expect(missingIn(spans, span([2, 10]))).toEqual([span([4, 6]), span([8, 10])]);
    expect(missingIn(spans, span([1, 3]))).toEqual([]);
    expect(missingIn([], span([1, 3]))).toEqual([span([1, 3])]);
    expect([totalOf(spans), prefixEnd(spans), prefixEnd([span([1, 2])]), prefixEnd([])]).toEqual([
      6, 4, 0, 0,
    ]);
  });
});

describe('several connections', () => {
  it.each<[string, boolean, number[], number, boolean, busyPart?: number]>([
    ['come when the reader has had nothing to do twice', false, [0, 100], 99 * P, true],
    ['do not come after one look', false, [0], 99 * P, false],
    ['do not come while the reader has enough', false, [0, 9 * MIB], 99 * P, false],
    ['do not come for a small rest', false, [0, 0], 2 * P - 1, false],
    ['do not come where it is the thread that is slow', false, [0, 0], 99 * P, false, 0.95],
    ['stay where the thread is slow', true, [0, 0], 99 * P, true, 1],
    ['stay for a small rest', true, [0, 0], 1, true],
    ['stay while the reader has some', true, [0, 9 * MIB], 99 * P, true],
    ['go when the reader has much', true, [0, 32 * MIB], 99 * P, false],
  ])('%s', (_, isParallel, unreadBytes, missingBytes, expected, busyPart = 0.1) => {
    expect(shallBeParallel({ isParallel, unreadBytes, missingBytes, busyPart })).toBe(expected);
  });
});
