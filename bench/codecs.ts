/** `codecs`: what each codec takes to inflate real files, beside the tool of its name where it is installed, in turn. */

import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createDecompressor } from '../src/codec/decompress.js';
import { hasTool } from '../test/support/tools.js';
import { cpuMsOf, measure, median } from './measure.js';
import { cacheDir } from './real-files.js';

export interface CodecsReport {
  readonly scenario: 'codecs';
  readonly node: string;
  readonly inputBytes: number;
  /** MB (10^6 bytes) of output for each second of CPU time of all threads; medians. */
  readonly megabytesPerCpuSecond: Readonly<Record<string, { readonly ours: number; readonly tool: number }>>;
}

const TOOLS = ['gzip', 'zstd', 'xz', 'bzip2'] as const;
const PIECE_BYTES = 1024 * 1024;

/** `inputBytes` of a tar of what is in /usr/lib, compressed by each tool as it does without options. */
export async function benchCodecs(inputBytes: number, runs: number): Promise<CodecsReport> {
  const input = join(cacheDir, `codecs-${inputBytes}`);
  mkdirSync(cacheDir, { recursive: true });
  if (!existsSync(input))
    await measure(`(tar -cf - /usr/lib 2>&1 || true) | head -c ${inputBytes} > '${input}'`);
  const megabytesPerCpuSecond: Record<string, { ours: number; tool: number }> = {};
  for (const tool of TOOLS.filter(hasTool)) {
    const file = `${input}.${tool}`;
    if (!existsSync(file)) await measure(`${tool} -c '${input}' > '${file}'`);
    const compressed = readFileSync(file);
    const ours: number[] = [];
    const theirs: number[] = [];
    // The first run only warms up.
    for (let run = 0; run <= runs; run++) {
      ours.push(await inflateCpuMs(compressed, inputBytes));
      theirs.push((await measure(`${tool} -dc < '${file}' > /dev/null`)).cpuMs);
    }
    const speed = (cpuMs: number[]): number => Math.round(inputBytes / 1000 / median(cpuMs.slice(1)));
    megabytesPerCpuSecond[tool] = { ours: speed(ours), tool: speed(theirs) };
  }
  return { scenario: 'codecs', node: process.version, inputBytes, megabytesPerCpuSecond };
}

export function formatCodecs({ node, megabytesPerCpuSecond }: CodecsReport): string {
  const rows = Object.entries(megabytesPerCpuSecond).map(
    ([name, { ours, tool }]) => `| ${name} | ${ours} | ${tool} |`,
  );
  const head = [
    '### codecs',
    '',
    `MB of output a CPU second, Node ${node}`,
    '',
    '| | here | the tool |',
    '|---|---|---|',
  ];
  return [...head, ...rows].join('\n');
}

async function inflateCpuMs(compressed: Buffer, expectedBytes: number): Promise<number> {
  let outputBytes = 0;
  const cpuMs = await cpuMsOf(async () => {
    const decompressor = createDecompressor((chunk) => {
      outputBytes += chunk.length;
    });
    for (let at = 0; at < compressed.length; at += PIECE_BYTES)
      await decompressor.write(compressed.subarray(at, at + PIECE_BYTES));
    await decompressor.end();
    decompressor.destroy();
  });
  if (outputBytes !== expectedBytes) throw new Error(`${outputBytes} bytes instead of ${expectedBytes}`);
  return cpuMs;
}
