/** Layers through the product's own converter and assembler, and what the archive that comes out has in it. */

import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { extract, type Header } from 'tar-stream';
import { createLayerConverter } from '../../src/convert/layer.js';
import { formatIndexLine, type IndexEntry } from '../../src/convert/layer-index.js';
import { createLayerMerge } from '../../src/convert/merge.js';
import type { AssembleOutput, LayerFiles } from '../../src/tasks/contract.js';
import { newBlobCounters } from '../../src/tasks/counters.js';
import { createInlineRunner } from '../../src/tasks/runner.js';
import type { Digest } from '../../src/types.js';
import { assemble } from '../../workers/assemble.js';
import { downloadAci } from '../../workers/download-aci.js';
import { extract as extractTask } from '../../workers/extract.js';
import { fetchLayer } from '../../workers/fetch-layer.js';
import { inflate } from '../../workers/inflate.js';
import { readAci } from '../../workers/read-aci.js';
import type { Random } from './images/random.js';
import { buildTar, type NamedEntry } from './images/tar.js';
import { type ModelFact, sha1 } from './layer-model.js';

export const inlineRunner = createInlineRunner({
  assemble,
  extract: extractTask,
  downloadAci,
  readAci,
  fetchLayer,
  inflate,
});

/** A layer as the converter writes it. */
export interface ConvertedLayer {
  readonly tar: Buffer;
  readonly index: Buffer;
  readonly entries: readonly IndexEntry[];
}

export function convertLayer(layer: readonly NamedEntry[]): ConvertedLayer {
  const chunks: Buffer[] = [];
  const entries: IndexEntry[] = [];
  const converter = createLayerConverter({
    write: (bytes) => void chunks.push(Buffer.from(bytes)),
    hole: (sizeBytes) => void chunks.push(Buffer.alloc(sizeBytes)),
    index: (entry) => void entries.push(entry),
  });
  converter.push(buildTar(layer));
  converter.end();
  return { tar: Buffer.concat(chunks), index: Buffer.from(entries.map(formatIndexLine).join('')), entries };
}

/** Whether the layers, base first, need nothing but one pass from the top one down. */
export function isStreamable(layers: readonly ConvertedLayer[]): boolean {
  const merge = createLayerMerge();
  for (const { entries } of [...layers].reverse()) {
    if (entries.some((entry) => merge.decide(entry) === 'odd')) return false;
    merge.endLayer();
  }
  return true;
}

/** Assembles layers, base first, that are complete before it begins. */
export async function assembleComplete(
  directory: string,
  manifest: string,
  layers: readonly ConvertedLayer[],
): Promise<AssembledAci> {
  const files = writtenFiles(directory, layers, 'complete');
  for (const [at, { tar, index }] of layers.entries()) {
    const { paths, counters } = files[at] as WrittenFiles;
    writeFileSync(paths.tar, tar);
    writeFileSync(paths.index, index);
    counters.set('indexBytes', index.length);
    counters.set('tarBytes', tar.length);
    counters.setState('complete');
  }
  return runAssemble(manifest, files);
}

/** Assembles layers that arrive meanwhile, in any order and in small pieces. */
export async function assembleGrowing(
  directory: string,
  manifest: string,
  layers: readonly ConvertedLayer[],
  random: Random,
): Promise<AssembledAci> {
  const files = writtenFiles(directory, layers, 'growing');
  const [assembled] = await Promise.all([
    runAssemble(manifest, files),
    ...layers.map((layer, at) => grow(layer, files[at] as WrittenFiles, random)),
  ]);
  return assembled;
}

interface WrittenFiles {
  readonly files: LayerFiles;
  readonly paths: { readonly tar: string; readonly index: string };
  readonly counters: ReturnType<typeof newBlobCounters>;
}

function writtenFiles(directory: string, layers: readonly ConvertedLayer[], name: string): WrittenFiles[] {
  mkdirSync(directory, { recursive: true });
  return layers.map((_, at) => {
    const paths = {
      tar: join(directory, `${name}-${at}.layer`),
      index: join(directory, `${name}-${at}.index`),
    };
    writeFileSync(paths.tar, '');
    writeFileSync(paths.index, '');
    const counters = newBlobCounters();
    const digest = `sha256:${String(at).padStart(64, '0')}` as Digest;
    const files = { digest, tarFiles: [paths.tar], indexFiles: [paths.index], counters: counters.memory };
    return { files, paths, counters };
  });
}

/** What stands in the files is counted later, and the entries before the bytes that they are of. */
async function grow(
  { tar, index }: ConvertedLayer,
  { paths, counters }: WrittenFiles,
  random: Random,
): Promise<void> {
  const tarFd = openSync(paths.tar, 'r+');
  const indexFd = openSync(paths.index, 'r+');
  let tarBytes = 0;
  let indexBytes = 0;
  while (tarBytes < tar.length || indexBytes < index.length) {
    if (random.chance(0.6)) await yieldToEvents();
    indexBytes += writeSync(
      indexFd,
      index,
      indexBytes,
      Math.min(index.length - indexBytes, random.int(0, 150)),
    );
    counters.set('indexBytes', indexBytes);
    if (random.chance(0.3)) counters.publish();
    // Bytes without entries would be unknown to the follower.
    if (indexBytes < index.length && random.chance()) continue;
    tarBytes += writeSync(tarFd, tar, tarBytes, Math.min(tar.length - tarBytes, random.int(0, 2000)));
    counters.set('tarBytes', tarBytes);
    counters.publish();
  }
  closeSync(tarFd);
  closeSync(indexFd);
  counters.setState('complete');
}

export interface AssembledAci {
  readonly output: AssembleOutput;
  /** The extents one after another. */
  readonly bytes: Buffer;
}

async function runAssemble(manifest: string, files: readonly WrittenFiles[]): Promise<AssembledAci> {
  const layers = files.map((layer) => layer.files).reverse();
  const { signal } = new AbortController();
  const output = await inlineRunner.run('assemble', { manifest, layers }, { signal });
  const contents = new Map(
    files.map(({ files: { digest }, paths }) => [`layer:${digest}`, readFileSync(paths.tar)]),
  );
  const parts = output.extents.map((extent) => {
    if ('bytes' in extent) return Buffer.from(extent.bytes);
    return (
      contents.get(extent.blob)?.subarray(extent.offset, extent.offset + extent.sizeBytes) ?? Buffer.alloc(0)
    );
  });
  return { output, bytes: Buffer.concat(parts) };
}

/** Everything that is wrong with an ACI whatever its content; empty when nothing is. */
export async function aciProblems({ output, bytes }: AssembledAci, manifest: string): Promise<string[]> {
  const problems: string[] = [];
  const entries = await readEntries(bytes);
  const names = entries.map(({ header }) => header.name.replace(/\/$/, ''));
  const sha512 = createHash('sha512').update(bytes).digest('hex');
  if (output.sha512 !== sha512) problems.push('another SHA-512 than its bytes have');
  if (output.sizeBytes !== bytes.length)
    problems.push(`${output.sizeBytes} bytes announced, ${bytes.length} there`);
  const { offset, sizeBytes } = output.manifest;
  if (bytes.toString('utf8', offset, offset + sizeBytes) !== manifest)
    problems.push('the manifest lies elsewhere');
  if (names[0] !== 'manifest' || names[1] !== 'rootfs') problems.push(`begins with ${names[0]}, ${names[1]}`);
  const types = new Map<string, string>();
  for (const [at, { header }] of entries.entries()) {
    const name = names[at] as string;
    if (types.has(name)) problems.push(`${name} is there twice`);
    const target = types.get(header.linkname ?? '');
    if (header.type === 'link' && (target === undefined || target === 'directory')) {
      problems.push(`${name} links to ${header.linkname}, which is ${target ?? 'not there before it'}`);
    }
    types.set(name, header.type ?? 'file');
  }
  for (const name of names) {
    for (let folder = parentOf(name); folder !== ''; folder = parentOf(folder)) {
      if ((types.get(folder) ?? 'directory') !== 'directory')
        problems.push(`${name} lies below ${types.get(folder)}`);
    }
  }
  return problems;
}

/** Directories that stand after what is in them, which is right only where that is of a layer above. */
export async function lateDirectories({ bytes }: AssembledAci): Promise<string[]> {
  const entered = new Set<string>();
  const late: string[] = [];
  for (const { header } of await readEntries(bytes)) {
    const name = header.name.replace(/\/$/, '');
    if (entered.has(name)) late.push(name);
    for (let folder = parentOf(name); folder !== ''; folder = parentOf(folder)) entered.add(folder);
  }
  return late;
}

/** The root file system of an ACI in the terms of the model; hard links are what they link to. */
export async function aciTree({ bytes }: AssembledAci): Promise<Map<string, ModelFact>> {
  const facts = new Map<string, ModelFact>();
  const targets = new Map<string, string>();
  for (const { header, content } of await readEntries(bytes)) {
    const path = header.name.replace(/\/$/, '').replace(/^rootfs\/?/, '');
    if (header.name === 'manifest') continue;
    if (header.type !== 'link') facts.set(path, factOf(header, content));
    else targets.set(path, (header.linkname ?? '').replace(/^rootfs\//, ''));
  }
  const groups = new Map<string, string[]>();
  for (const path of targets.keys()) {
    let target = path;
    while (targets.has(target)) target = targets.get(target) as string;
    const fact = facts.get(target);
    if (fact === undefined) throw new Error(`${path} links to ${target}, which is not there`);
    facts.set(path, fact);
    groups.set(target, [...(groups.get(target) ?? [target]), path]);
  }
  for (const paths of groups.values()) {
    const [sameAs] = paths.sort();
    for (const path of paths) facts.set(path, { ...(facts.get(path) as ModelFact), sameAs });
  }
  return facts;
}

interface ArchiveEntry {
  readonly header: Header & { readonly pax: Readonly<Record<string, string>> };
  readonly content: Buffer;
}

/** With tar-stream, which shares nothing with our own parser. */
async function readEntries(archive: Buffer): Promise<ArchiveEntry[]> {
  const reader = extract();
  reader.end(archive);
  const entries: ArchiveEntry[] = [];
  for await (const entry of reader) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    // The types of the package leave the records open.
    const pax = (entry.header.pax ?? {}) as Readonly<Record<string, string>>;
    entries.push({ header: { ...entry.header, pax }, content: Buffer.concat(chunks) });
  }
  return entries;
}

const TYPES: Readonly<Record<string, string>> = { 'character-device': 'character', 'block-device': 'block' };

function factOf(header: ArchiveEntry['header'], content: Buffer): ModelFact {
  const type = TYPES[header.type ?? 'file'] ?? header.type ?? 'file';
  const { pax } = header;
  const xattrs = Object.entries(pax).flatMap(([key, value]) =>
    key.startsWith('SCHILY.xattr.') ? [`${key.slice('SCHILY.xattr.'.length)}=${value}`] : [],
  );
  const isDevice = type === 'character' || type === 'block';
  return {
    type,
    mode: header.mode ?? 0,
    owner: `${pax['uid'] ?? header.uid}:${pax['gid'] ?? header.gid}`,
    mtime: Number(pax['mtime'] ?? (header.mtime?.getTime() ?? 0) / 1000),
    sha1: type === 'file' ? sha1(content) : undefined,
    target: type === 'symlink' ? (header.linkname ?? '') : undefined,
    device: isDevice ? `${header.devmajor}:${header.devminor}` : undefined,
    xattrs: xattrs.sort().join('\n'),
    sameAs: undefined,
  };
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
