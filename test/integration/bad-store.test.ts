/** Local storage that is full, forbidden, too new or damaged: the error, what still works, and how it is mended. */

import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ErrorCode, FetchedImage, ImageId } from '../../dist/src/index.js';
import { storeLayout } from '../../src/store/layout.js';
import { buildDockerImage, type DockerImage } from '../support/images/docker.js';
import { createRandom } from '../support/images/random.js';
import { aciEnvironment, type RunResult, run, runAci, runTool } from '../support/process.js';
import { aciScript } from '../support/project.js';
import { startRegistry, type TestRegistry } from '../support/servers/registry.js';
import { tempDir } from '../support/temp.js';
import { hasTool, isRoot } from '../support/tools.js';
import { aci, fetchOne, INSECURE } from './support/commands.js';
import { withEngine } from './support/engine.js';
import { expectErrorLine, expectFailure } from './support/failure.js';
import { partialFiles, storeListing } from './support/store.js';

const random = createRandom(23);
const base = [{ path: 'base', data: random.bytes(50_000) }];
/** In the store of every test. */
const small: DockerImage = buildDockerImage({ layers: [base] });
/** Shares its lowest layer with the small one. */
const sibling: DockerImage = buildDockerImage({ layers: [base, [{ path: 'top', data: 'top' }]] });
const big: DockerImage = buildDockerImage({ layers: [[{ path: 'big', data: random.bytes(6_000_000) }]] });

const seedDir = tempDir('acifetch-seed-');
let registry: TestRegistry;
let smallId: ImageId;
let siblingId: ImageId;

beforeAll(async () => {
  registry = await startRegistry();
  for (const [name, image] of Object.entries({ small, sibling, big })) registry.push(name, 'v1', image);
  smallId = (await fetchOne(named('small'), { dir: seedDir })).id as ImageId;
  siblingId = (await fetchHere('sibling', tempDir('acifetch-store-'))).id;
});
afterAll(() => registry.close());

const named = (name: string): string => `docker://${registry.host}/${name}:v1`;

function seededStore(dir = tempDir('acifetch-store-')): string {
  cpSync(seedDir, dir, { recursive: true });
  return dir;
}

const fetchArguments = (image: string): string[] => ['fetch', INSECURE, '--json', image];
const tryFetch = (image: string, dir: string): Promise<RunResult> => runAci(fetchArguments(image), { dir });

/** Fetches in this process, which is quicker. */
function fetchHere(name: string, storeDir: string, noStore = false): Promise<FetchedImage> {
  return withEngine({ storeDir, workers: 1 }, (engine) => engine.fetch({ image: named(name), noStore }));
}

/** Reads all of the small image, which fails unless it has the SHA-512 that it is named by. */
function exportHere(storeDir: string): Promise<ImageId> {
  const path = join(tempDir(), 'out.aci');
  return withEngine({ storeDir }, (engine) => engine.exportImage(smallId, { path, overwrite: false }));
}

/** Of a store that does not open: nothing on stdout, for no image was begun. */
function expectClosed(result: RunResult, code: ErrorCode, dir: string): void {
  expect(result).toMatchObject({ code: 8, stdout: '' });
  expectErrorLine(result.stderr, dir);
  expect(result.stderr, code).not.toMatch(/internal error/);
}

/** Runs `aci` behind another program, which takes something away from it. */
function runBehind(wrapper: readonly string[], args: readonly string[], dir: string): Promise<RunResult> {
  const [program = '', ...rest] = [...wrapper, process.execPath, aciScript, ...args];
  return run(program, rest, { env: aciEnvironment({ dir }) });
}

describe('a store that is full', () => {
  /** Fails at a big image, keeps the small one, and has room again afterwards. */
  async function expectFull(dir: string, fetchBig: () => Promise<RunResult>): Promise<void> {
    const before = storeListing(dir);
    expectFailure(await fetchBig(), named('big'), 'ERR_NO_SPACE');
    expect(storeListing(dir)).toEqual(before);
    expect(partialFiles(dir)).toEqual(new Map());
    expect((await aci(['image', 'list', '--json'], { dir })).stdout).toContain(smallId);
  }

  // Where a process may not mount, the limit for the size of its files stands for the limit of the disk.
  it.runIf(hasTool('prlimit'))('is ERR_NO_SPACE where a file would become too big', async () => {
    const dir = seededStore();
    await expectFull(dir, () => runBehind(['prlimit', '--fsize=2000000'], fetchArguments(named('big')), dir));
    expect(await fetchHere('big', dir)).toMatchObject({ status: 'fetched' });
  });

  it('is ERR_NO_SPACE on a disk that is full, and an image can still be removed', async (context) => {
    const disk = tempDir('acifetch-disk-');
    const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk]);
    if (mounted.code !== 0) context.skip(`no mount here: ${mounted.stderr.trim()}`);
    try {
      const dir = seededStore(join(disk, 'store'));
      await expectFull(dir, () => tryFetch(named('big'), dir));
      await exportHere(dir);
      await aci(['image', 'rm', smallId], { dir });
      await fetchHere('small', dir);
    } finally {
      await runTool('umount', ['--lazy', disk]);
    }
  });
});

describe('a store that may not be written', () => {
  /** Root may write everywhere, unless it gives up its capabilities. */
  const wrapper = isRoot() ? ['setpriv', '--inh-caps=-all', '--bounding-set=-all'] : [];

  function closed(dir: string): string {
    for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
      if (entry.isDirectory()) chmodSync(join(entry.parentPath, entry.name), 0o555);
    }
    chmodSync(dir, 0o555);
    return dir;
  }

  it.runIf(!isRoot() || hasTool('setpriv'))(
    'is ERR_PERMISSION for a fetch, and can still be read',
    async () => {
      const dir = closed(seededStore());
      const before = storeListing(dir);
      const result = await runBehind(wrapper, fetchArguments(named('big')), dir);
      expect(result.code).toBe(8);
      expect(result.stderr).toMatch(/EACCES|permission denied/i);
      expectErrorLine(result.stderr, '');
      expect(storeListing(dir)).toEqual(before);
      const listed = await runBehind(wrapper, ['image', 'list', '--json'], dir);
      expect(listed).toMatchObject({ code: 0, stderr: '' });
      expect(listed.stdout).toContain(smallId);
      expect((await runBehind(wrapper, ['image', 'cat-manifest', smallId], dir)).code).toBe(0);
    },
  );

  it.runIf(!isRoot() || hasTool('setpriv'))('is ERR_PERMISSION where it cannot even be made', async () => {
    const dir = join(closed(tempDir()), 'store');
    expectClosed(await runBehind(wrapper, ['image', 'list'], dir), 'ERR_PERMISSION', dir);
  });

  it('is an error of storage where the folder is a file', async () => {
    const dir = join(tempDir(), 'store');
    writeFileSync(dir, '');
    expectClosed(await tryFetch(named('small'), dir), 'ERR_IO', dir);
  });
});

describe('a store of another kind', () => {
  it.each([
    ['is no JSON', '{', 'ERR_STORE_DAMAGED'],
    ['is of a newer version', '{"format":99}', 'ERR_STORE_VERSION'],
    ['has no format', '[]', 'ERR_STORE_VERSION'],
  ] as const)('is not touched when its description %s', async (_, text, code) => {
    const dir = seededStore();
    writeFileSync(storeLayout(dir).formatFile, text);
    const before = storeListing(dir);
    for (const args of [fetchArguments(named('small')), ['image', 'list'], ['image', 'rm', smallId]]) {
      expectClosed(await runAci(args, { dir }), code, dir);
    }
    expect(storeListing(dir)).toEqual(before);
  });
});

describe('a record that is damaged', () => {
  it.each(['', '{', '[]', '{"format":1}'])(
    'of an image (%j) is told of, and mended by the next fetch',
    async (text) => {
      const dir = seededStore();
      writeFileSync(storeLayout(dir).imageFile(smallId), text);
      const shown = await runAci(['image', 'cat-manifest', smallId], { dir });
      expect(shown).toMatchObject({ code: 8, stdout: '' });
      expectErrorLine(shown.stderr, smallId);
      const outcome = await fetchOne(named('small'), { dir });
      expect(outcome).toMatchObject({ id: smallId, status: 'fetched' });
      await aci(['image', 'cat-manifest', smallId], { dir });
    },
  );

  it('of where an image came from is only forgotten', async () => {
    const dir = seededStore();
    const { remotesDir } = storeLayout(dir);
    for (const name of readdirSync(remotesDir)) writeFileSync(join(remotesDir, name), '{');
    expect(await fetchHere('small', dir)).toMatchObject({ id: smallId });
    expect(await fetchHere('small', dir)).toMatchObject({ id: smallId, status: 'cached' });
  });

  it('of the parts of an image is found out by whoever reads them', async () => {
    const dir = seededStore();
    writeFileSync(storeLayout(dir).extentsFile(smallId), '{}');
    const result = await runAci(['image', 'export', smallId, join(tempDir(), 'out.aci')], { dir });
    expect(result.code).toBe(8);
    expectErrorLine(result.stderr, '');
    await fetchHere('small', dir, true);
    await exportHere(dir);
  });
});

describe('a layer that is damaged', () => {
  const layerFile = (dir: string): string =>
    storeLayout(dir).blobFile(`layer:${small.layers[0]?.digest ?? ''}`);
  const indexFile = (dir: string): string => `${layerFile(dir)}.index`;

  it.each([
    ['is shorter than it was', (dir: string) => truncateSync(layerFile(dir), 20_000)],
    ['is empty', (dir: string) => truncateSync(layerFile(dir), 0)],
    ['has an index that was cut', (dir: string) => truncateSync(indexFile(dir), 5)],
    ['has an index of something else', (dir: string) => writeFileSync(indexFile(dir), 'no entries\n')],
  ])('and %s is not built into another image', async (_, damage) => {
    const dir = seededStore();
    damage(dir);
    const before = storeListing(dir).filter((line) => !line.startsWith('blobs/'));
    const result = await tryFetch(named('sibling'), dir);
    expectFailure(result, named('sibling'), 'ERR_STORE_DAMAGED');
    expect(result.stderr).toContain('--no-store');
    expect(storeListing(dir).filter((line) => !line.startsWith('blobs/'))).toEqual(before);
    expect((await fetchHere('sibling', dir, true)).id).toBe(siblingId);
    await exportHere(dir);
    expect(partialFiles(dir)).toEqual(new Map());
  });

  it('by one byte is found out by an export, which then leaves no file', async () => {
    const dir = seededStore();
    const bytes = readFileSync(layerFile(dir));
    bytes[30_000] = (bytes[30_000] ?? 0) ^ 1;
    writeFileSync(layerFile(dir), bytes);
    const folder = tempDir();
    const result = await runAci(['image', 'export', smallId, join(folder, 'out.aci')], { dir });
    expect(result.code).toBe(8);
    expectErrorLine(result.stderr, smallId);
    expect(readdirSync(folder)).toEqual([]);
    mkdirSync(join(folder, 'tree'));
    expect((await runAci(['image', 'extract', smallId, join(folder, 'tree')], { dir })).code).toBe(8);
  });
});
