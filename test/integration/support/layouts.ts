/** Images on disk for tests: one image, and the layouts that have it. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostPlatform } from '../../../src/registry/platform.js';
import { buildDockerImage, type DockerImage } from '../../support/images/docker.js';
import { buildDockerArchive, type SavedForm } from '../../support/images/docker-archive.js';
import { type LayoutImage, writeOciLayout } from '../../support/images/oci-layout.js';
import { tempDir } from '../../support/temp.js';

const { architecture } = hostPlatform();
const SHARED = [{ path: 'bin/tool', data: 'x'.repeat(100_000), mode: 0o755 }];

export function imageOf(name: string, platform = architecture): DockerImage {
  return buildDockerImage({
    mediaTypes: 'oci',
    architecture: platform,
    layers: [SHARED, [{ path: 'etc/name', data: name }, { path: 'bin/.wh.none' }]],
    config: { Cmd: [`/bin/${name}`], Labels: { name } },
  });
}

export const ONE = imageOf('one');
export const TWO = imageOf('two');

export function save(
  form: SavedForm,
  images = [{ image: ONE, names: ['team/one:1.0', 'quay.io/x/one:2'] }],
): string {
  const path = join(tempDir(), 'saved.tar');
  writeFileSync(path, buildDockerArchive(images, form));
  return path;
}

export async function layoutOf(images: readonly LayoutImage[]): Promise<string> {
  const dir = join(tempDir(), 'my-app');
  mkdirSync(dir);
  await writeOciLayout(dir, images);
  return dir;
}
