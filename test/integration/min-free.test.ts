/** `--min-free`: a disk that has too little room, for what has to be written and for what has not. */

import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { buildAci } from '../support/images/aci.js';
import { buildDockerImage } from '../support/images/docker.js';
import { buildDockerArchive } from '../support/images/docker-archive.js';
import { runAci } from '../support/process.js';
import { type AciServer, startAciServer } from '../support/servers/aci-server.js';
import { startRegistry, type TestRegistry } from '../support/servers/registry.js';
import { tempDir } from '../support/temp.js';
import { INSECURE } from './support/commands.js';

const BASE = [{ path: 'base', data: 'base' }];
const IMAGE = buildDockerImage({ layers: [BASE, [{ path: 'own', data: 'own' }]] });
const aci = (data: string): Buffer => buildAci({ name: 'example.test/app', entries: [{ path: 'x', data }] });
/** No disk has so much. */
const ALL = '--min-free=900T';

let registry: TestRegistry;
let server: AciServer;
let dir: string;
beforeAll(async () => {
  [registry, server] = await Promise.all([startRegistry(), startAciServer()]);
  registry.push('team/app', '1', IMAGE);
  // The same layer, in another image.
  registry.push('team/again', '1', buildDockerImage({ layers: [BASE], config: { Cmd: ['/other'] } }));
  registry.push('team/new', '1', buildDockerImage({ layers: [BASE, [{ path: 'new', data: 'new' }]] }));
});
afterAll(() => Promise.all([registry.close(), server.close()]));
beforeEach(() => {
  dir = tempDir();
});

const docker = (name: string): string => `docker://${registry.host}/team/${name}:1`;

/** The exit code, and what became of the images in the order of the arguments. */
async function prefetch(...args: string[]): Promise<[number | null, ...string[]]> {
  const { code, stdout } = await runAci(['prefetch', INSECURE, '--jobs=1', ...args], { dir });
  const ends = new Map(
    stdout.split('\n').map((line) => {
      const [status = '', , image = ''] = line.split('\t');
      return [image, status];
    }),
  );
  return [code, ...args.filter((arg) => !arg.startsWith('--')).map((image) => ends.get(image) ?? 'none')];
}

it('keeps nothing from what the store has, and refuses the rest before it is asked for', async () => {
  const [url, other] = ['app', 'other'].map((name) => server.putAci(`/${name}.aci`, aci(name))) as [
    string,
    string,
  ];
  expect(await prefetch(docker('app'), url)).toEqual([0, 'fetched', 'fetched']);
  registry.requests.length = 0;
  expect(await prefetch(ALL, docker('app'), url, docker('new'), other)).toEqual([
    8,
    'cached',
    'cached',
    'failed',
    'failed',
  ]);
  // Of the new image there may be its config.
  const layers = registry.requests.filter(({ path }) =>
    IMAGE.layers.some(({ digest }) => path.includes(digest)),
  );
  expect([layers, server.requestsTo('/other.aci')]).toEqual([[], []]);
  // Its layer is there, only how it makes an image is to be written.
  expect(await prefetch(ALL, docker('again'))).toEqual([0, 'fetched']);
});

it('refuses an ACI that has changed when it comes', async () => {
  const url = server.putAci('/changing.aci', aci('old'));
  expect(await prefetch(url)).toEqual([0, 'fetched']);
  server.putAci('/changing.aci', aci('new'));
  expect(await prefetch(ALL, url)).toEqual([8, 'failed']);
  expect(await prefetch('--min-free=1k', url)).toEqual([0, 'fetched']);
});

it('refuses files, which are written before it is known what they are', async () => {
  const [plain, archive] = ['app.aci', 'app.tar.gz'].map((name) => join(tempDir(), name)) as [string, string];
  writeFileSync(plain, aci('file'));
  writeFileSync(archive, gzipSync(buildDockerArchive([{ image: IMAGE, names: ['app:1'] }], 'folders')));
  for (const image of [plain, `docker-archive:${archive}`]) {
    expect(await prefetch(image)).toEqual([0, 'fetched']);
    expect(await prefetch(ALL, image)).toEqual([8, 'failed']);
  }
});

it('is kept by --output too', async () => {
  expect(await prefetch(docker('app'))).toEqual([0, 'fetched']);
  const output = join(tempDir(), 'app.aci');
  const args = ['--pull-policy=new', `--output=${output}`, docker('app')];
  expect([await prefetch(ALL, ...args), existsSync(output)]).toEqual([[8, 'failed'], false]);
  expect([await prefetch('--min-free=1k', ...args), existsSync(output)]).toEqual([[0, 'cached'], true]);
});
