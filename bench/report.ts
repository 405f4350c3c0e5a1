/** Runs the contenders of a scenario in turn and puts their medians side by side. */

import { cpus } from 'node:os';
import { type Measurement, median } from './measure.js';

export interface Contender {
  readonly name: string;
  prepare(): Promise<void>;
  run(): Promise<Measurement>;
}

export interface Row {
  readonly name: string;
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly peakRssBytes: number;
  /** Wall time of the first contender as a part of this one's, pair by pair. */
  readonly ratio: number;
}

export interface Report {
  readonly scenario: string;
  readonly machine: { readonly cpus: number; readonly model: string; readonly node: string };
  readonly image?: { readonly tarBytes: number; readonly gzipBytes: number; readonly layers: number };
  readonly runs: number;
  readonly rows: readonly Row[];
}

export interface ReportInput {
  readonly scenario: string;
  readonly tarBytes: number;
  readonly gzipBytes: number;
  readonly layers: number;
  readonly contenders: readonly Contender[];
  readonly runs: number;
  /** Throws when a run did not do what it should. */
  check(name: string, measurement: Measurement): void;
}

/** A, B, A, B, …: what changes on the machine meanwhile then meets both. */
export async function report(input: ReportInput): Promise<Report> {
  const { contenders, runs, tarBytes, gzipBytes, layers } = input;
  const results = contenders.map((): Measurement[] => []);
  for (let round = 0; round < runs; round++) {
    for (const [place, contender] of contenders.entries()) {
      await contender.prepare();
      const measurement = await contender.run();
      input.check(contender.name, measurement);
      results[place]?.push(measurement);
      process.stderr.write(`${contender.name}: ${(measurement.wallMs / 1000).toFixed(2)} s\n`);
    }
  }
  const first = results[0] ?? [];
  const rows = contenders.map(({ name }, place): Row => {
    const own = results[place] ?? [];
    return {
      name,
      wallMs: median(own.map(({ wallMs }) => wallMs)),
      cpuMs: median(own.map(({ cpuMs }) => cpuMs)),
      peakRssBytes: Math.max(...own.map(({ peakRssBytes }) => peakRssBytes)),
      ratio: median(own.map(({ wallMs }, round) => (first[round]?.wallMs ?? Number.NaN) / wallMs)),
    };
  });
  const [cpu] = cpus();
  const machine = { cpus: cpus().length, model: cpu?.model ?? 'unknown', node: process.version };
  return { scenario: input.scenario, machine, image: { tarBytes, gzipBytes, layers }, runs, rows };
}

export function formatReport({ scenario, machine, image, runs, rows }: Report): string {
  const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
  const size =
    image === undefined
      ? ''
      : `, ${megabytes(image.tarBytes)} in ${image.layers} layers, ${megabytes(image.gzipBytes)} compressed`;
  return [
    `${scenario}${size}; ${machine.cpus} x ${machine.model}, Node ${machine.node}; medians of ${runs}`,
    '',
    '| | wall s | CPU s | peak RSS | wall of the first / this |',
    '|---|---|---|---|---|',
    ...rows.map(({ name, wallMs, cpuMs, peakRssBytes, ratio }) => {
      const seconds = [wallMs, cpuMs].map((ms) => (ms / 1000).toFixed(2));
      return `| ${name} | ${seconds.join(' | ')} | ${megabytes(peakRssBytes)} | ${ratio.toFixed(2)} |`;
    }),
  ].join('\n');
}
