import { describe, expect, it } from 'vitest';
import { createFaultInjector, type Fault, type FaultRule } from '../../support/servers/faults.js';

const drop: Fault = { kind: 'drop', afterBytes: 1 };
const get = (target: string, range?: string) => ({ method: 'GET', target, range });

describe('a fault plan', () => {
  it('hits as often as it says, after as many as it lets pass', () => {
    const injector = createFaultInjector([{ match: '/a', skip: 1, times: 2, fault: drop }]);
    expect([1, 2, 3, 4].map(() => injector.next(get('/a'))?.kind)).toEqual([
      undefined,
      'drop',
      'drop',
      undefined,
    ]);
  });

  it('lets the next rule have its turn when one is used up', () => {
    const stall: Fault = { kind: 'stall', afterBytes: 0 };
    const injector = createFaultInjector([
      { match: /^\/a/, times: 1, fault: drop },
      { match: /^\/a/, fault: stall },
    ]);
    expect([1, 2, 3].map(() => injector.next(get('/a?x=1'))?.kind)).toEqual(['drop', 'stall', 'stall']);
  });

  it.each<[string, FaultRule, ReturnType<typeof get>, boolean]>([
    ['another path', { match: '/b', fault: drop }, get('/a'), false],
    ['another method', { match: '/a', method: 'HEAD', fault: drop }, get('/a'), false],
    ['the query', { match: 'x=1', fault: drop }, get('/a?x=1'), true],
    ['ignore-range without a range', { match: '/a', fault: { kind: 'ignore-range' } }, get('/a'), false],
    ['ignore-range with one', { match: '/a', fault: { kind: 'ignore-range' } }, get('/a', 'bytes=1-'), true],
    [
      'corrupt before the range',
      { match: '/a', fault: { kind: 'corrupt', atByte: 4 } },
      get('/a', 'bytes=5-'),
      false,
    ],
    [
      'corrupt in the range',
      { match: '/a', fault: { kind: 'corrupt', atByte: 5 } },
      get('/a', 'bytes=5-5'),
      true,
    ],
    [
      'corrupt after the range',
      { match: '/a', fault: { kind: 'corrupt', atByte: 6 } },
      get('/a', 'bytes=5-5'),
      false,
    ],
  ])('for %s', (_, rule, request, hit) => {
    expect(createFaultInjector([rule]).next(request) !== undefined).toBe(hit);
  });
});
