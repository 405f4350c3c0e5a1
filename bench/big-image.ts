/** A Docker image of real files, built once with the system's tar and gzip and kept as an OCI layout. */

import { createHash } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measure } from './measure.js';

export interface BigImage {
  /** OCI layout with the reference `big`. */
  readonly layout: string;
  /** Of the layers' tar archives. */
  readonly tarBytes: number;
  readonly gzipBytes: number;
  readonly layers: number;
}

/** Where real files are on every Linux machine; the first `tarBytes` of them are taken. */
const SOURCE = '/usr';
export const cacheDir = join(tmpdir(), 'acifetch-bench');

interface Layer {
  readonly digest: string;
  readonly diffId: string;
  readonly sizeBytes: number;
  readonly tarBytes: number;
}

/** `layers` layers of about the same size, as gzip -6 makes them. */
export async function bigImage(tarBytes: number, layers: number): Promise<BigImage> {
  const layout = join(cacheDir, `image-${tarBytes}-${layers}`);
  const facts = join(layout, 'facts.json');
  if (!existsSync(facts)) {
    mkdirSync(join(layout, 'blobs', 'sha256'), { recursive: true });
    const built: Layer[] = [];
    for (const files of splitFiles(tarBytes, layers)) built.push(await buildLayer(layout, files));
    await writeLayout(layout, built);
    const sum = (key: 'sizeBytes' | 'tarBytes'): number =>
      built.reduce((total, layer) => total + layer[key], 0);
    writeFileSync(facts, JSON.stringify({ tarBytes: sum('tarBytes'), gzipBytes: sum('sizeBytes') }));
  }
  const { readFile } = await import('node:fs/promises');
  const { tarBytes: plain, gzipBytes } = JSON.parse(await readFile(facts, 'utf8')) as BigImage;
  return { layout, tarBytes: plain, gzipBytes, layers };
}

function splitFiles(tarBytes: number, layers: number): string[][] {
  const groups: string[][] = Array.from({ length: layers }, () => []);
  let total = 0;
  for (const path of filesBelow(SOURCE)) {
    if (total >= tarBytes) break;
    const group = groups[Math.min(layers - 1, Math.floor((total * layers) / tarBytes))] as string[];
    group.push(path);
    total += Math.ceil(statSync(path).size / 512) * 512 + 512;
  }
  if (total < tarBytes) process.stderr.write(`only ${Math.round(total / 1e6)} MB of files in ${SOURCE}\n`);
  return groups;
}

function* filesBelow(directory: string): Generator<string> {
  const entries = readdirSync(directory, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile() && !path.includes('\n')) yield path;
  }
}

async function buildLayer(layout: string, files: readonly string[]): Promise<Layer> {
  const list = join(layout, 'files');
  const [tar, gzip] = [join(layout, 'layer.tar'), join(layout, 'layer.tar.gz')];
  writeFileSync(list, files.join('\n'));
  await measure(
    `tar -C / -cf '${tar}' --ignore-failed-read -T '${list}' 2>/dev/null; gzip -6 -n <'${tar}' >'${gzip}'`,
  );
  const [digest, diffId] = [await sha256(gzip), await sha256(tar)];
  const [sizeBytes, tarBytes] = [statSync(gzip).size, statSync(tar).size];
  renameSync(gzip, join(layout, 'blobs', 'sha256', digest));
  await measure(`rm -f '${tar}' '${list}'`);
  return { digest, diffId, sizeBytes, tarBytes };
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

async function writeLayout(layout: string, layers: readonly Layer[]): Promise<void> {
  const put = (content: object) => {
    const bytes = Buffer.from(JSON.stringify(content));
    const hex = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(layout, 'blobs', 'sha256', hex), bytes);
    return { digest: `sha256:${hex}`, size: bytes.length };
  };
  const media = (name: string): string => `application/vnd.oci.image.${name}`;
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const diffIds = layers.map(({ diffId }) => `sha256:${diffId}`);
  const config = put({
    architecture,
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: diffIds },
  });
  const manifest = put({
    schemaVersion: 2,
    mediaType: media('manifest.v1+json'),
    config: { mediaType: media('config.v1+json'), ...config },
    layers: layers.map(({ digest, sizeBytes }) => ({
      mediaType: media('layer.v1.tar+gzip'),
      digest: `sha256:${digest}`,
      size: sizeBytes,
    })),
  });
  const annotations = { 'org.opencontainers.image.ref.name': 'big' };
  const entry = { mediaType: media('manifest.v1+json'), ...manifest, annotations };
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  writeFileSync(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
}
