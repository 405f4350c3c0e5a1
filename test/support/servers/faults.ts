/** A declared plan of what goes wrong, applied in front of any of the test servers. */

/** One thing that a server can do wrong, or at least inconveniently. */
export type Fault =
  /** The connection is destroyed before the answer. */
  | { readonly kind: 'reset' }
  /** The connection is destroyed after that many bytes of the body; the head announces all of it. */
  | { readonly kind: 'drop'; readonly afterBytes: number }
  /** Nothing more comes after that many bytes of the body, and the connection stays open. */
  | { readonly kind: 'stall'; readonly afterBytes: number }
  /** This status with a short text instead of the answer. */
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** 200 with everything for a request with `Range`; other requests do not count. */
  | { readonly kind: 'ignore-range' }
  /** A 206 whose `Content-Range` is one byte further than what was asked for; needs a `Range` as well. */
  | { readonly kind: 'wrong-range' }
  /** A 206 with no more than so many bytes of what was asked for; needs a `Range` as well. */
  | { readonly kind: 'short-range'; readonly mostBytes: number }
  /** A complete answer (its Content-Length agrees) that has only the first `afterBytes` bytes. */
  | { readonly kind: 'truncate'; readonly afterBytes: number }
  /** The byte at this offset of the whole content is inverted; answers without it do not count. */
  | { readonly kind: 'corrupt'; readonly atByte: number }
  /** That many bytes follow the content; `chunked` leaves Content-Length out, so that only counting helps. */
  | { readonly kind: 'oversize'; readonly extraBytes: number; readonly chunked?: boolean }
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
  /** The answer starts this much later. */
  | { readonly kind: 'delay'; readonly delayMs: number }
  | { readonly kind: 'redirect'; readonly location: string; readonly status?: number }
  /** These headers replace those of the answer; an empty value takes a header away. */
  | { readonly kind: 'headers'; readonly headers: Readonly<Record<string, string>> };

export interface FaultRule {
  /** A string matches when the path with its query contains it. */
  readonly match: RegExp | string;
  /** Default: every method. */
  readonly method?: string | undefined;
  /** How many requests it hits before it is used up. Default: all. */
  readonly times?: number | undefined;
  /** How many matching requests go well before the first is hit. Default 0. */
  readonly skip?: number | undefined;
  readonly fault: Fault;
}

export type FaultPlan = readonly FaultRule[];

/** The part of a request that a plan looks at. */
export interface FaultTarget {
  readonly method: string;
  /** Path with query. */
  readonly target: string;
  /** The `Range` header. */
  readonly range?: string | undefined;
}

/** Hands out the fault for each request in turn, and counts. */
export interface FaultInjector {
  /** The first rule that fits and is not used up, counted as used. */
  next(request: FaultTarget): Fault | undefined;
}

export function createFaultInjector(plan: FaultPlan): FaultInjector {
  const states = plan.map((rule) => ({
    rule,
    left: rule.times ?? Number.POSITIVE_INFINITY,
    skip: rule.skip ?? 0,
  }));
  return {
    next(request) {
      for (const state of states) {
        if (state.left <= 0 || !ruleFits(state.rule, request)) continue;
        if (state.skip > 0) {
          state.skip -= 1;
          continue;
        }
        state.left -= 1;
        return state.rule.fault;
      }
      return undefined;
    },
  };
}

function ruleFits(rule: FaultRule, request: FaultTarget): boolean {
  if (rule.method !== undefined && rule.method !== request.method) return false;
  const matches =
    typeof rule.match === 'string'
      ? request.target.includes(rule.match)
      : request.target.search(rule.match) >= 0;
  return matches && faultApplies(rule.fault, request);
}

function faultApplies(fault: Fault, request: FaultTarget): boolean {
  if (['ignore-range', 'wrong-range', 'short-range'].includes(fault.kind)) return request.range !== undefined;
  if (fault.kind !== 'corrupt' || request.range === undefined) return true;
  const asked = /^bytes=(\d+)-(\d*)$/.exec(request.range);
  if (asked === null) return true;
  const end = asked[2] === '' ? Number.POSITIVE_INFINITY : Number(asked[2]);
  return Number(asked[1]) <= fault.atByte && fault.atByte <= end;
}
