/** Runs the contenders of a scenario in turn, and puts their medians and the aims side by side. */

import { cpus } from 'node:os';
import { hasTool } from '../test/support/tools.js';
import { CLIENT_STAGES, machineBoundMs, type StageCosts, type StageName, sumOf } from './bound.js';
import { type Measurement, median } from './measure.js';

export interface Contender {
  readonly name: string;
  /** Executables; without all of them it is only named. */
  readonly tools?: readonly string[];
  prepare(): Promise<void>;
  run(): Promise<Measurement>;
  /** Throws when it did not do what it should. */
  check?(measurement: Measurement): void;
  /** What the wall time of the first contender as a part of this one's may be at most. */
  readonly aim?: number;
}

export interface Row {
  readonly name: string;
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly peakRssBytes: number;
  /** Wall time of the first contender as a part of this one's, pair by pair. */
  readonly ratio: number;
}

/** A number that an aim may be set for. */
export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly atMost?: number | undefined;
  readonly isMet?: boolean | undefined;
}

export interface Report {
  readonly scenario: string;
  /** Size and kind of what is fetched, in words. */
  readonly about: string;
  readonly machine: { readonly cpus: number; readonly model: string; readonly node: string };
  readonly runs: number;
  readonly rows: readonly Row[];
  readonly figures: readonly Figure[];
  /** Medians. */
  readonly stages?: StageCosts | undefined;
  /** Contenders without their tools. */
  readonly notInstalled: readonly string[];
}

/** What a machine's bound for the first contender is made of. */
export interface Bound {
  /** Of one round; it takes its turn among the contenders. */
  measure(): Promise<StageCosts>;
  readonly serial: readonly StageName[];
  /** Default: all stages of the client. */
  readonly of?: readonly StageName[];
  readonly aim?: number;
}

export interface ReportInput {
  readonly scenario: string;
  readonly about: string;
  /** The first one is `aci`. */
  readonly contenders: readonly Contender[];
  readonly runs: number;
  readonly bound?: Bound;
  /** A time that wall time is compared with. */
  readonly ideal?: { readonly name: string; readonly ms: number; readonly aim: number };
  /** Looked at when all runs are over. */
  readonly moreFigures?: () => Figure[];
}

const MAX_PEAK_RSS_BYTES = 400e6;

/** A, B, A, B, …: what changes on the machine meanwhile then meets both. */
export async function report(input: ReportInput): Promise<Report> {
  const isHere = ({ tools = [] }: Contender): boolean => tools.every(hasTool);
  const contenders = input.contenders.filter(isHere);
  const notInstalled = input.contenders.filter((one) => !isHere(one)).map(({ name }) => name);
  const results = contenders.map((): Measurement[] => []);
  const stages: StageCosts[] = [];
  for (let round = 0; round < input.runs; round++) {
    for (const [place, contender] of contenders.entries()) {
      await contender.prepare();
      const measurement = await contender.run();
      contender.check?.(measurement);
      results[place]?.push(measurement);
      process.stderr.write(`${input.scenario}: ${contender.name}: ${seconds(measurement.wallMs)} s\n`);
    }
    if (input.bound !== undefined) stages.push(await input.bound.measure());
  }
  const first = results[0] ?? [];
  const rows = contenders.map(({ name }, place) => rowOf(name, results[place] ?? [], first));
  const { scenario, about, runs } = input;
  const figures = [
    { what: 'peak RSS, MB', value: (rows[0]?.peakRssBytes ?? 0) / 1e6, atMost: MAX_PEAK_RSS_BYTES / 1e6 },
    ...(input.bound === undefined ? [] : boundFigures(input.bound, stages, first)),
    ...contenders.slice(1).map(({ name, aim }, place) => {
      return { what: `wall / ${name}`, value: rows[place + 1]?.ratio ?? Number.NaN, atMost: aim };
    }),
    ...(input.ideal === undefined ? [] : [idealFigure(input.ideal, first)]),
    ...(input.moreFigures?.() ?? []),
  ].map(judged);
  const medians = stages.length === 0 ? undefined : medianStages(stages);
  return { scenario, about, machine: machine(), runs, rows, figures, stages: medians, notInstalled };
}

export function machine(): Report['machine'] {
  return { cpus: cpus().length, model: cpus()[0]?.model ?? 'unknown', node: process.version };
}

function rowOf(name: string, own: readonly Measurement[], first: readonly Measurement[]): Row {
  return {
    name,
    wallMs: median(own.map(({ wallMs }) => wallMs)),
    cpuMs: median(own.map(({ cpuMs }) => cpuMs)),
    peakRssBytes: Math.max(...own.map(({ peakRssBytes }) => peakRssBytes)),
    ratio: median(own.map(({ wallMs }, round) => (first[round]?.wallMs ?? Number.NaN) / wallMs)),
  };
}

function boundFigures(bound: Bound, stages: readonly StageCosts[], first: readonly Measurement[]): Figure[] {
  const { of = CLIENT_STAGES, serial, aim } = bound;
  const cores = cpus().length;
  const figure = (what: string, names: readonly StageName[], atMost?: number): Figure => {
    const boundsMs = stages.map((costs) => machineBoundMs({ stages: costs, cores, of: names, serial }));
    const ratios = boundsMs.map((ms, round) => (first[round]?.wallMs ?? Number.NaN) / ms);
    return { what: `wall / ${what} (${seconds(median(boundsMs))} s)`, value: median(ratios), atMost };
  };
  const cpuRatios = stages.map(
    (costs, round) => (first[round]?.cpuMs ?? Number.NaN) / sumOf(costs, CLIENT_STAGES),
  );
  return [
    figure('bound', of, aim),
    figure("bound with the server's share", [...of, 'servingMs']),
    { what: 'CPU / that of the stages by themselves', value: median(cpuRatios) },
  ];
}

function idealFigure({ name, ms, aim }: NonNullable<ReportInput['ideal']>, first: readonly Measurement[]) {
  const value = median(first.map(({ wallMs }) => wallMs / ms));
  return { what: `wall / ${name} (${seconds(ms)} s)`, value, atMost: aim };
}

function judged(figure: Figure): Figure {
  const { value, atMost } = figure;
  return atMost === undefined ? figure : { ...figure, isMet: value <= atMost };
}

function medianStages(stages: readonly StageCosts[]): StageCosts {
  const names = Object.keys(stages[0] ?? {}) as StageName[];
  const entries = names.map((name) => [name, median(stages.map((costs) => costs[name]))]);
  return Object.fromEntries(entries) as unknown as StageCosts;
}

export function seconds(ms: number): string {
  return (ms / 1000).toFixed(2);
}
