/** `hash`: SHA-512 of the project's kernel, of hash-wasm and of node:crypto, in turn in one process. */

import { createHash } from 'node:crypto';
import { createSha512 } from '../wasm/sha512.js';
import { median } from './measure.js';

export interface HashReport {
  readonly scenario: 'hash';
  readonly node: string;
  /** MB (10^6 bytes) a second, calls of 1 MiB. */
  readonly megabytesPerSecond: Readonly<Record<string, number>>;
  /** Speed of the kernel as a part of the speed of each other one, round by round. */
  readonly ratios: Readonly<Record<string, number>>;
  /** The same two of the calls that nothing on the machine disturbed: one in twenty is as fast or faster. */
  readonly fastestMegabytesPerSecond: Readonly<Record<string, number>>;
  readonly fastestRatios: Readonly<Record<string, number>>;
}

interface Hasher {
  update(bytes: Uint8Array): void;
  digestHex(): string;
}

const CALL_BYTES = 1024 * 1024;
const KERNEL = 'kernel';

const HASHERS: Readonly<Record<string, () => Promise<Hasher>>> = {
  [KERNEL]: () => createSha512({ kernel: 'simd' }),
  'hash-wasm': () => createSha512({ kernel: 'hash-wasm' }),
  'node:crypto': async () => {
    const hash = createHash('sha512');
    return { update: (bytes) => void hash.update(bytes), digestHex: () => hash.digest('hex') };
  },
};

/** Medians over `rounds` of `calls` calls each. */
export async function benchHash(calls: number, rounds: number): Promise<HashReport> {
  const times: Times[] = [];
  // The first round only warms up.
  for (let round = 0; round <= rounds; round++) times.push(await timeRound(calls));
  times.shift();
  const names = Object.keys(HASHERS);
  const others = names.filter((name) => name !== KERNEL);
  const perRound = (name: string): number[] => times.map((round) => mean(round[name] ?? []));
  const fastest = (name: string): number => fastestTwentieth(times.flatMap((round) => round[name] ?? []));
  const own = perRound(KERNEL);
  return {
    scenario: 'hash',
    node: process.version,
    megabytesPerSecond: record(names, (name) => Math.round(speedOf(median(perRound(name))))),
    ratios: record(others, (name) =>
      rounded(median(perRound(name).map((ms, round) => ms / (own[round] ?? Number.NaN)))),
    ),
    fastestMegabytesPerSecond: record(names, (name) => Math.round(speedOf(fastest(name)))),
    fastestRatios: record(others, (name) => rounded(fastest(name) / fastest(KERNEL))),
  };
}

export function formatHash({ node, megabytesPerSecond }: HashReport): string {
  const rows = Object.entries(megabytesPerSecond).map(([name, speed]) => `| ${name} | ${speed} |`);
  return [`### hash\n\nSHA-512 in calls of 1 MiB, Node ${node}\n\n| | MB/s |\n|---|---|`, ...rows].join('\n');
}

/** Milliseconds of each call of each hasher. */
type Times = Readonly<Record<string, readonly number[]>>;

/** The hashers change places with every call: what else the machine does then meets all of them. */
async function timeRound(calls: number): Promise<Times> {
  const data = Buffer.alloc(CALL_BYTES, 'acifetch');
  const running: { name: string; hasher: Hasher; ms: number[] }[] = [];
  for (const [name, create] of Object.entries(HASHERS))
    running.push({ name, hasher: await create(), ms: [] });
  for (let call = 0; call < calls; call++) {
    for (const { hasher, ms } of running) {
      const startedAt = performance.now();
      hasher.update(data);
      ms.push(performance.now() - startedAt);
    }
  }
  const digests = new Set(running.map(({ hasher }) => hasher.digestHex()));
  if (digests.size !== 1) throw new Error('the hashers disagree');
  return Object.fromEntries(running.map(({ name, ms }) => [name, ms]));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** What one call in twenty is as fast as. */
function fastestTwentieth(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 20)] ?? Number.NaN;
}

function speedOf(callMs: number): number {
  return CALL_BYTES / 1000 / callMs;
}

function rounded(ratio: number): number {
  return Math.round(ratio * 1000) / 1000;
}

function record(names: readonly string[], of: (name: string) => number): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, of(name)]));
}
