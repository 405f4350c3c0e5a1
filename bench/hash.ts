/** `hash`: SHA-512 of the kernel in use, of hash-wasm and of node:crypto, in turn in one process. */

import { createHash } from 'node:crypto';
import { createSha512 } from '../wasm/sha512.js';
import { median } from './measure.js';

export interface HashReport {
  readonly scenario: 'hash';
  readonly node: string;
  /** MB (10^6 bytes) a second, calls of a megabyte. */
  readonly megabytesPerSecond: Readonly<Record<string, number>>;
}

const CALL_BYTES = 1024 * 1024;

export async function benchHash(calls: number, rounds: number): Promise<HashReport> {
  const data = Buffer.alloc(CALL_BYTES, 'acifetch');
  const kernels: Record<string, () => Promise<string>> = {
    'hash-wasm': async () => {
      const hash = await createSha512();
      for (let call = 0; call < calls; call++) hash.update(data);
      return hash.digestHex();
    },
    'node:crypto': async () => {
      const hash = createHash('sha512');
      for (let call = 0; call < calls; call++) hash.update(data);
      return hash.digest('hex');
    },
  };
  const speeds: Record<string, number[]> = {};
  const digests = new Set<string>();
  // The first round only warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const [name, run] of Object.entries(kernels)) {
      const startedAt = performance.now();
      digests.add(await run());
      const seconds = (performance.now() - startedAt) / 1000;
      if (round > 0) speeds[name] = [...(speeds[name] ?? []), (calls * CALL_BYTES) / 1e6 / seconds];
    }
  }
  if (digests.size !== 1) throw new Error('the kernels disagree');
  const entries = Object.entries(speeds).map(([name, values]) => [name, Math.round(median(values))]);
  return { scenario: 'hash', node: process.version, megabytesPerSecond: Object.fromEntries(entries) };
}
