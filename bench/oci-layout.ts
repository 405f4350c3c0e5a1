/** OCI layouts with images of real files, which share layers; built once and kept. */

import { createHash } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { measure } from './measure.js';
import { cacheDir, splitFiles, tarFiles } from './real-files.js';

export interface Layer {
  /** `sha256:…` of the blob. */
  readonly digest: string;
  readonly diffId: string;
  readonly sizeBytes: number;
  readonly tarBytes: number;
}

export interface ImageSet {
  /** Folder of the OCI layout. */
  readonly layout: string;
  readonly layers: readonly Layer[];
}

export interface ImageSetOptions {
  readonly name: string;
  /** Of the tar of each layer, about. */
  readonly layerBytes: readonly number[];
  /** Which layers, base first, each reference name has. */
  readonly images: Readonly<Record<string, readonly number[]>>;
}

/** Each layer as `gzip -6` makes it. */
export async function imageSet({ name, layerBytes, images }: ImageSetOptions): Promise<ImageSet> {
  const layout = join(cacheDir, `images-${name}-${layerBytes.reduce((sum, bytes) => sum + bytes, 0)}`);
  const facts = join(layout, 'layers.json');
  if (!existsSync(facts)) {
    rmSync(layout, { recursive: true, force: true });
    mkdirSync(join(layout, 'blobs', 'sha256'), { recursive: true });
    const built: Layer[] = [];
    for (const files of splitFiles(layerBytes)) built.push(await buildLayer(layout, files));
    writeIndex(layout, built, images);
    writeFileSync(facts, JSON.stringify(built));
  }
  return { layout, layers: JSON.parse(readFileSync(facts, 'utf8')) as Layer[] };
}

export function blobFile(layout: string, { digest }: Layer): string {
  return join(layout, 'blobs', 'sha256', digest.slice('sha256:'.length));
}

/** `{ tarBytes, gzipBytes }` of the layers together. */
export function sizeOf(layers: readonly Layer[]): { readonly tarBytes: number; readonly gzipBytes: number } {
  const sum = (key: 'sizeBytes' | 'tarBytes'): number =>
    layers.reduce((total, layer) => total + layer[key], 0);
  return { tarBytes: sum('tarBytes'), gzipBytes: sum('sizeBytes') };
}

async function buildLayer(layout: string, files: readonly string[]): Promise<Layer> {
  const [tar, gzip] = [join(layout, 'layer.tar'), join(layout, 'layer.tar.gz')];
  await tarFiles(tar, files);
  await measure(`gzip -6 -n <'${tar}' >'${gzip}'`);
  const layer: Layer = {
    digest: await sha256(gzip),
    diffId: await sha256(tar),
    sizeBytes: statSync(gzip).size,
    tarBytes: statSync(tar).size,
  };
  renameSync(gzip, blobFile(layout, layer));
  rmSync(tar);
  return layer;
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return `sha256:${hash.digest('hex')}`;
}

function writeIndex(layout: string, layers: readonly Layer[], images: ImageSetOptions['images']): void {
  const manifests = Object.entries(images).map(([ref, members]) => ({
    ...writeImage(
      layout,
      members.map((member) => layers[member] as Layer),
    ),
    annotations: { 'org.opencontainers.image.ref.name': ref },
  }));
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  writeFileSync(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
}

/** Config and manifest; returns the manifest's descriptor. */
function writeImage(layout: string, layers: readonly Layer[]) {
  const put = (content: object) => {
    const bytes = Buffer.from(JSON.stringify(content));
    const hex = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(layout, 'blobs', 'sha256', hex), bytes);
    return { digest: `sha256:${hex}`, size: bytes.length };
  };
  const media = (name: string): string => `application/vnd.oci.image.${name}`;
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const diffIds = layers.map(({ diffId }) => diffId);
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
      digest,
      size: sizeBytes,
    })),
  });
  return { mediaType: media('manifest.v1+json'), ...manifest };
}
