/** OCI image layouts on disk, for the real tools to read. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PushableImage } from '../servers/registry.js';

export interface LayoutImage {
  readonly ref: string;
  readonly image: PushableImage;
}

/** Writes a layout (OCI image specification, image-layout.md) with a reference name for each image. */
export async function writeOciLayout(directory: string, images: readonly LayoutImage[]): Promise<void> {
  const blobsDir = join(directory, 'blobs', 'sha256');
  await mkdir(blobsDir, { recursive: true });
  for (const { image } of images) await writeBlobs(blobsDir, image);
  const index = {
    schemaVersion: 2,
    manifests: images.map(({ ref, image }) => ({
      mediaType: image.mediaType,
      size: image.manifestBytes.length,
      digest: image.manifestDigest,
      annotations: { 'org.opencontainers.image.ref.name': ref },
    })),
  };
  await writeFile(join(directory, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  await writeFile(join(directory, 'index.json'), JSON.stringify(index));
}

async function writeBlobs(blobsDir: string, image: PushableImage): Promise<void> {
  for (const member of image.images ?? []) await writeBlobs(blobsDir, member);
  const blobs = [...image.blobs, { digest: image.manifestDigest, bytes: image.manifestBytes }];
  for (const { digest, bytes } of blobs)
    await writeFile(join(blobsDir, digest.replace(/^sha256:/, '')), bytes);
}
