/** `index` and `assemble`: the layer converter and the assemble task by themselves, on one thread. */

import { appendFileSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createLayerConverter } from '../src/convert/layer.js';
import { formatIndexLine } from '../src/convert/layer-index.js';
import type { LayerFiles } from '../src/tasks/contract.js';
import { newBlobCounters } from '../src/tasks/counters.js';
import type { Digest } from '../src/types.js';
import { createSha512 } from '../wasm/sha512.js';
import { assemble } from '../workers/assemble.js';
import { cpuMsOf, median } from './measure.js';
import { cacheDir, splitFiles, tarFiles } from './real-files.js';
import { type Figure, machine, type Report } from './report.js';
import { megabytes, type ScenarioOptions } from './scenario.js';

const LAYERS = 6;
const LAYER_BYTES = 40e6;
const PIECE_BYTES = 1024 * 1024;

/** A tar goes in, what comes out is counted and dropped. */
export async function benchIndex(options: ScenarioOptions): Promise<Report> {
  return await withTars(options, async (tars) => {
    const tarBytes = totalOf(tars);
    let entries = 0;
    let indexBytes = 0;
    const cpuMs = await medianOf(options.runs, async () => {
      [entries, indexBytes] = [0, 0];
      for (const tar of tars) {
        const counted = (line: Buffer): void => {
          entries += 1;
          indexBytes += line.length;
        };
        convert(tar, () => {}, counted);
      }
    });
    return microReport('index', `${megabytes(tarBytes)} of tar with ${entries} entries`, options, [
      { what: 'MB of tar a CPU second', value: tarBytes / 1000 / cpuMs },
      { what: 'microseconds an entry', value: (cpuMs * 1000) / entries },
      { what: 'bytes of index an entry', value: indexBytes / entries },
    ]);
  });
}

/** Layers that are complete, from the page cache. */
export async function benchAssemble(options: ScenarioOptions): Promise<Report> {
  return await withTars(options, async (tars, directory) => {
    const tarBytes = totalOf(tars);
    const layers = tars.map((tar, at) => writeLayer(tar, join(directory, `layer-${at}`), at)).reverse();
    const { signal } = new AbortController();
    let hashedBytes = 0;
    const cpuMs = await medianOf(options.runs, async () => {
      const { sizeBytes } = await assemble({ manifest: '{}', layers }, { signal, note() {} });
      hashedBytes = sizeBytes;
    });
    const sha512 = await createSha512();
    const piece = Buffer.alloc(PIECE_BYTES, 'acifetch');
    const hashMs = await medianOf(options.runs, async () => {
      for (let at = 0; at < hashedBytes; at += PIECE_BYTES) sha512.update(piece);
    });
    return microReport('assemble', `${tars.length} layers with ${megabytes(tarBytes)} together`, options, [
      { what: 'MB of the ACI a CPU second', value: hashedBytes / 1000 / cpuMs },
      { what: 'CPU time / that of SHA-512 alone', value: cpuMs / hashMs },
    ]);
  });
}

function convert(tar: Buffer, write: (bytes: Buffer) => void, index: (line: Buffer) => void): void {
  const converter = createLayerConverter({
    write,
    hole: (sizeBytes) => write(Buffer.alloc(sizeBytes)),
    index: (entry) => index(Buffer.from(formatIndexLine(entry))),
  });
  for (let at = 0; at < tar.length; at += PIECE_BYTES) converter.push(tar.subarray(at, at + PIECE_BYTES));
  converter.end();
}

function writeLayer(tar: Buffer, path: string, at: number): LayerFiles {
  const [tarFile, indexFile] = [`${path}.layer`, `${path}.index`];
  const chunks: Buffer[] = [];
  const lines: Buffer[] = [];
  convert(
    tar,
    (bytes) => void chunks.push(Buffer.from(bytes)),
    (line) => void lines.push(line),
  );
  appendFileSync(tarFile, Buffer.concat(chunks));
  appendFileSync(indexFile, Buffer.concat(lines));
  const counters = newBlobCounters();
  counters.set('indexBytes', statSync(indexFile).size);
  counters.set('tarBytes', statSync(tarFile).size);
  counters.setState('complete');
  const digest = `sha256:${String(at).padStart(64, '0')}` as Digest;
  return { digest, tarFiles: [tarFile], indexFiles: [indexFile], counters: counters.memory };
}

async function withTars<T>(
  { scale }: ScenarioOptions,
  body: (tars: readonly Buffer[], directory: string) => Promise<T>,
): Promise<T> {
  const directory = join(cacheDir, 'convert');
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  try {
    const tars: Buffer[] = [];
    for (const files of splitFiles(Array.from({ length: LAYERS }, () => LAYER_BYTES * scale))) {
      const path = join(directory, `${tars.length}.tar`);
      await tarFiles(path, files);
      tars.push(readFileSync(path));
    }
    return await body(tars, directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** CPU milliseconds; the first run only warms up. */
async function medianOf(runs: number, work: () => Promise<void>): Promise<number> {
  const cpuMs: number[] = [];
  for (let run = 0; run <= runs; run++) cpuMs.push(await cpuMsOf(work));
  return median(cpuMs.slice(1));
}

function totalOf(buffers: readonly Buffer[]): number {
  return buffers.reduce((sum, { length }) => sum + length, 0);
}

function microReport(
  scenario: string,
  about: string,
  { runs }: ScenarioOptions,
  figures: readonly Figure[],
): Report {
  return { scenario, about, machine: machine(), runs, rows: [], figures, notInstalled: [] };
}
