/** Runs a command and measures it from outside: wall time, CPU time of it and its children, peak memory. */

import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

export interface Measurement {
  readonly wallMs: number;
  /** User and system time, of all processes of the command. */
  readonly cpuMs: number;
  /** The largest sum of peak resident memory over the processes of the command. */
  readonly peakRssBytes: number;
  readonly stdout: string;
}

const SAMPLE_MS = 20;

/** `script`: for bash, with `set -e`. Rejects when it fails. */
export async function measure(script: string): Promise<Measurement> {
  const timed = `set -eo pipefail; TIMEFORMAT='@time %R %U %S'; time { ${script}\n}`;
  const child = spawn('bash', ['-c', timed], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  let peakRssBytes = 0;
  const sampler = setInterval(() => {
    peakRssBytes = Math.max(peakRssBytes, residentPeak(child.pid ?? 0));
  }, SAMPLE_MS);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  clearInterval(sampler);
  const [, wall, user, system] = /@time ([\d.]+) ([\d.]+) ([\d.]+)/.exec(stderr) ?? [];
  if (code !== 0 || wall === undefined)
    throw new Error(`exit code ${code}: ${script}\n${stderr.slice(-2000)}`);
  const cpuMs = (Number(user) + Number(system)) * 1000;
  return { wallMs: Number(wall) * 1000, cpuMs, peakRssBytes, stdout };
}

/** CPU time of all threads of this process while `work` runs. */
export async function cpuMsOf(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** Sum of the peaks of a process and all below it; 0 where there is no /proc. */
function residentPeak(pid: number): number {
  const children = new Map<number, number[]>();
  let names: string[];
  try {
    names = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return 0;
  }
  for (const name of names) {
    const parent = Number(
      readProc(name, 'stat')
        ?.replace(/^.*\) \S /s, '')
        .split(' ')[0],
    );
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const family = (root: number): number[] => [root, ...(children.get(root) ?? []).flatMap(family)];
  return family(pid).reduce((sum, member) => {
    const kib = /VmHWM:\s+(\d+) kB/.exec(readProc(String(member), 'status') ?? '')?.[1] ?? '0';
    return sum + Number(kib) * 1024;
  }, 0);
}

/** User and system time of a running process, in steps of 10 ms; 0 where there is no /proc. */
export function processCpuMs(pid: number): number {
  const fields =
    readProc(String(pid), 'stat')
      ?.replace(/^.*\) /s, '')
      .split(' ') ?? [];
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * 10;
}

function readProc(pid: string, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined;
  }
}

/** Of the sorted values the middle one, or the mean of the two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
