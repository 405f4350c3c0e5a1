/** Images on disk: archives of `docker save` and OCI layouts, written by skopeo and by hand, converted like those of a registry. */

import { mkdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine, FetchedImage } from '../../dist/src/index.js';
import { hostPlatform } from '../../src/registry/platform.js';
import { imageIdOf } from '../support/images/aci.js';
import { buildDockerImage, buildIndex, type DockerImage } from '../support/images/docker.js';
import {
  buildDockerArchive,
  buildRepositoriesArchive,
  type SavedForm,
} from '../support/images/docker-archive.js';
import { writeOciLayout } from '../support/images/oci-layout.js';
import { buildTar } from '../support/images/tar.js';
import { runTool } from '../support/process.js';
import { startRegistry } from '../support/servers/registry.js';
import { extractWithTar } from '../support/tar-tool.js';
import { tempDir } from '../support/temp.js';
import { requireTools } from '../support/tools.js';
import { archiveProblems } from './support/archive.js';
import { testEngine, withEngine } from './support/engine.js';

const { architecture } = hostPlatform();
const SHARED = [{ path: 'bin/tool', data: 'x'.repeat(100_000), mode: 0o755 }];

function imageOf(name: string, platform = architecture): DockerImage {
  return buildDockerImage({
    mediaTypes: 'oci',
    architecture: platform,
    layers: [SHARED, [{ path: 'etc/name', data: name }, { path: 'bin/.wh.none' }]],
    config: { Cmd: [`/bin/${name}`], Labels: { name } },
  });
}

const ONE = imageOf('one');
const TWO = imageOf('two');

let engine: Engine;

beforeAll(async () => {
  engine = await testEngine();
});
afterAll(() => engine.close());

/** The rootfs of an image as its files and their content, and the command of its manifest. */
async function contentOf(id: string): Promise<{ name: string; exec: unknown; tool: number }> {
  const directory = join(tempDir(), 'image');
  await engine.extractImage(id, { directory });
  const name = readFileSync(join(directory, 'rootfs/etc/name'), 'utf8');
  const { app } = JSON.parse(readFileSync(join(directory, 'manifest'), 'utf8'));
  return { name, exec: app.exec, tool: statSync(join(directory, 'rootfs/bin/tool')).size };
}

async function expectImage(fetched: FetchedImage, name: string): Promise<void> {
  expect(await contentOf(fetched.id)).toEqual({ name, exec: [`/bin/${name}`], tool: 100_000 });
}

function save(
  form: SavedForm,
  images = [{ image: ONE, names: ['team/one:1.0', 'quay.io/x/one:2'] }],
): string {
  const path = join(tempDir(), 'saved.tar');
  writeFileSync(path, buildDockerArchive(images, form));
  return path;
}

async function layoutOf(images: Parameters<typeof writeOciLayout>[1]): Promise<string> {
  const dir = join(tempDir(), 'my-app');
  mkdirSync(dir);
  await writeOciLayout(dir, images);
  return dir;
}

async function archiveOf(dir: string): Promise<string> {
  const path = join(tempDir(), 'my-app.tar');
  await runTool('tar', ['-C', dir, '-cf', path, '.']);
  return path;
}

describe('docker-archive:', () => {
  it.each(['blobs', 'folders', 'compressed'] as const)('reads an archive with %s', async (form) => {
    const path = save(form);
    const fetched = await engine.fetch({ image: `docker-archive:${path}` });
    expect(fetched).toMatchObject({
      name: 'registry-1.docker.io/team/one',
      labels: { version: '1.0', os: 'linux' },
      downloadedBytes: 0,
    });
    await expectImage(fetched, 'one');
    const again = await engine.fetch({ image: `docker-archive:${path}` });
    expect(again).toMatchObject({ status: 'cached', id: fetched.id });
  });

  it('gives one ID for an image, in whatever form it was saved', async () => {
    const ids = new Set<string>();
    for (const form of ['blobs', 'folders', 'compressed'] as const) {
      await withEngine({}, async (fresh) => {
        ids.add((await fresh.fetch({ image: `docker-archive:${save(form)}` })).id);
      });
    }
    expect(ids.size).toBe(1);
  });

  it.each([
    ['team/one:1.0', 'one', { version: '1.0' }],
    ['docker.io/team/one:1.0', 'one', { version: '1.0' }],
    ['quay.io/x/one:2', 'one', { version: '2' }],
    ['two', 'two', { version: 'latest' }],
    ['@1', 'two', { version: 'latest' }],
  ])('finds the image %s of several', async (ref, name, labels) => {
    const path = save('folders', [
      { image: ONE, names: ['team/one:1.0', 'quay.io/x/one:2'] },
      { image: TWO, names: ['two:latest'] },
    ]);
    const fetched = await engine.fetch({ image: `docker-archive:${path}:${ref}` });
    expect(fetched.labels).toMatchObject(labels);
    await expectImage(fetched, name);
  });

  it('asks which of several images is meant, and says when there is none of a name', async () => {
    const path = save('folders', [
      { image: ONE, names: ['team/one:1.0'] },
      { image: TWO, names: [] },
    ]);
    const failureOf = (ref: string) => engine.fetch({ image: `docker-archive:${path}${ref}` });
    await expect(failureOf('')).rejects.toMatchObject({ code: 'ERR_USAGE' });
    await expect(failureOf('')).rejects.toThrow(/team\/one:1\.0, @1/);
    await expect(failureOf(':three')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    await expect(failureOf(':@2')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    expect(await failureOf(':@1')).toMatchObject({ name: 'saved' });
  });

  it('chooses the platform where an image was saved for several', async () => {
    const path = save('blobs', [
      { image: imageOf('amd', 'amd64'), names: ['app:1'] },
      { image: imageOf('arm', 'arm64'), names: ['app:1'] },
    ]);
    for (const [name, platform] of [
      ['amd', { os: 'linux', architecture: 'amd64' }],
      ['arm', { os: 'linux', architecture: 'arm64' }],
    ] as const) {
      await expectImage(await engine.fetch({ image: `docker-archive:${path}`, platform }), name);
    }
  });

  it.each([
    ['gzip', gzipSync],
    ['nothing', (bytes: Buffer) => bytes],
  ])(
    'reads an archive that was compressed with %s as a whole, and leaves no copy behind',
    async (_, compress) => {
      const path = `${save('folders')}.gz`;
      writeFileSync(path, compress(buildDockerArchive([{ image: ONE, names: ['team/one:1.0'] }], 'folders')));
      const dir = tempDir();
      await withEngine({ storeDir: dir }, async (fresh) => {
        const { id } = await fresh.fetch({ image: `docker-archive:${path}` });
        expect(id).toMatch(/^sha512-/);
        const ingest = await runTool('find', [join(dir, 'ingest'), '-name', '*.tar']);
        expect(ingest.stdout).toBe('');
      });
    },
  );

  it('reads an archive of a Docker that knew no digests', async () => {
    const path = join(tempDir(), 'old.tar');
    const images = [
      { image: ONE, names: ['team/one:1.0', 'team/one:latest'] },
      { image: TWO, names: ['two:2'] },
    ];
    writeFileSync(path, buildRepositoriesArchive(images));
    const one = await engine.fetch({ image: `docker-archive:${path}:team/one` });
    expect(one).toMatchObject({ name: 'registry-1.docker.io/team/one', labels: { version: 'latest' } });
    await expectImage(one, 'one');
    await expectImage(await engine.fetch({ image: `docker-archive:${path}:two:2` }), 'two');
    const any = engine.fetch({ image: `docker-archive:${path}` });
    await expect(any).rejects.toMatchObject({ code: 'ERR_USAGE' });
    const none = engine.fetch({ image: `docker-archive:${path}:two:3` });
    await expect(none).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });

  it('fetches again what was saved anew under another name, from the same layers', async () => {
    const path = save('folders', [{ image: ONE, names: ['renamed:1'] }]);
    const first = await engine.fetch({ image: `docker-archive:${path}` });
    writeFileSync(path, buildDockerArchive([{ image: ONE, names: ['renamed:2'] }], 'folders'));
    const second = await engine.fetch({ image: `docker-archive:${path}` });
    expect(second).toMatchObject({ status: 'fetched', labels: { version: '2' } });
    expect(second.id).not.toBe(first.id);
    const kept = await engine.fetch({ image: `docker-archive:${path}`, pullPolicy: 'new' });
    expect(kept).toMatchObject({ status: 'cached', id: second.id });
    rmSync(path);
    const never = await engine.fetch({ image: `docker-archive:${path}`, pullPolicy: 'never' });
    expect(never.id).toBe(second.id);
  });
});

describe('oci: and oci-archive:', () => {
  it.each(['oci', 'oci-archive'] as const)('%s: finds an image by its reference name', async (transport) => {
    const dir = await layoutOf([
      { ref: '1.0', image: ONE },
      { ref: 'quay.io/team/two:2', image: TWO },
    ]);
    const path = transport === 'oci' ? dir : await archiveOf(dir);
    const one = await engine.fetch({ image: `${transport}:${path}:1.0` });
    expect(one).toMatchObject({ name: 'my-app', labels: { version: '1.0' }, downloadedBytes: 0 });
    await expectImage(one, 'one');
    const two = await engine.fetch({ image: `${transport}:${path}:quay.io/team/two:2` });
    expect(two).toMatchObject({ name: 'quay.io/team/two', labels: { version: '2' } });
    await expectImage(two, 'two');
    const pinned = await engine.fetch({ image: `${transport}:${path}:@${TWO.manifestDigest}` });
    expect(pinned.id).toBe(two.id);
    const failureOf = (ref: string) => engine.fetch({ image: `${transport}:${path}${ref}` });
    await expect(failureOf('')).rejects.toMatchObject({ code: 'ERR_USAGE' });
    await expect(failureOf(':3')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });

  it('chooses the platform of an index, and says what there is when none fits', async () => {
    const index = buildIndex([{ image: imageOf('amd', 'amd64') }, { image: imageOf('arm', 'arm64') }], 'oci');
    const image = `oci:${await layoutOf([{ ref: 'multi', image: index }])}`;
    const arm = await engine.fetch({ image, platform: { os: 'linux', architecture: 'arm64' } });
    expect(arm.labels).toMatchObject({ arch: 'aarch64', version: 'multi' });
    await expectImage(arm, 'arm');
    const riscv = engine.fetch({ image, platform: { os: 'linux', architecture: 'riscv64' } });
    await expect(riscv).rejects.toMatchObject({ code: 'ERR_NO_PLATFORM' });
  });

  it('shares layers with the same image of a registry', async () => {
    const registry = await startRegistry();
    registry.push('team/one', '1.0', ONE);
    const image = `oci:${await layoutOf([{ ref: '1.0', image: ONE }])}`;
    await withEngine({}, async (fresh) => {
      await fresh.fetch({ image });
      await fresh.fetch({ image: `docker://${registry.host}/team/one:1.0` });
      for (const { digest } of ONE.layers) expect(registry.requestsTo(digest)).toEqual([]);
    });
    await registry.close();
  });
});

describe('the ACI of a layout', () => {
  it('is written to a stream as it is to a file, and is the one of the ID', async () => {
    const image = `docker-archive:${save('folders')}`;
    const path = join(tempDir(), 'image.aci');
    const stream = new PassThrough();
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    const { id } = await engine.fetch({ image, output: stream });
    await engine.fetch({ image, output: path });
    expect(imageIdOf(Buffer.concat(chunks))).toBe(id);
    expect(readFileSync(path).equals(Buffer.concat(chunks))).toBe(true);
    expect(await archiveProblems(path)).toEqual([]);
    await extractWithTar(path, tempDir());
  });
});

describe('a layout that is not right', () => {
  const digestPath = (digest: string) => `blobs/${digest.replace(':', '/')}`;

  it.each<[string, (dir: string) => void, string]>([
    ['without an index', (dir) => rmSync(join(dir, 'index.json')), 'ERR_NOT_FOUND'],
    [
      'with an index that is no JSON',
      (dir) => writeFileSync(join(dir, 'index.json'), '{'),
      'ERR_MANIFEST_INVALID',
    ],
    [
      'with an empty index',
      (dir) => writeFileSync(join(dir, 'index.json'), '{"schemaVersion":2,"manifests":[]}'),
      'ERR_USAGE',
    ],
    [
      'with a manifest that is gone',
      (dir) => rmSync(join(dir, digestPath(ONE.manifestDigest))),
      'ERR_NOT_FOUND',
    ],
    [
      'with a manifest that was changed',
      (dir) =>
        writeFileSync(
          join(dir, digestPath(ONE.manifestDigest)),
          ONE.manifestBytes.toString().replace('2', '3'),
        ),
      'ERR_DIGEST_MISMATCH',
    ],
    [
      'with a config that was changed',
      (dir) =>
        writeFileSync(
          join(dir, digestPath(ONE.configDigest)),
          ONE.configBytes.toString().replace('one', 'two'),
        ),
      'ERR_DIGEST_MISMATCH',
    ],
    [
      'with a layer that is gone',
      (dir) => rmSync(join(dir, digestPath(ONE.layers[0]?.digest ?? ''))),
      'ERR_NOT_FOUND',
    ],
    [
      'with a layer that was cut',
      (dir) => truncateSync(join(dir, digestPath(ONE.layers[0]?.digest ?? '')), 20),
      'ERR_SIZE_MISMATCH',
    ],
    [
      'with a layer that was exchanged',
      (dir) => {
        const path = join(dir, digestPath(ONE.layers[1]?.digest ?? ''));
        const bytes = readFileSync(path);
        bytes[bytes.length - 5] = (bytes[bytes.length - 5] ?? 0) ^ 1;
        writeFileSync(path, bytes);
      },
      'ERR_DIGEST_MISMATCH',
    ],
  ])('%s is refused, and nothing is stored', async (_, spoil, code) => {
    const dir = await layoutOf([{ ref: '1', image: ONE }]);
    spoil(dir);
    await withEngine({}, async (fresh) => {
      await expect(fresh.fetch({ image: `oci:${dir}` })).rejects.toMatchObject({ code });
      expect(await fresh.listImages()).toEqual([]);
    });
  });

  it.each<[string, Buffer, string]>([
    ['that is no tar', Buffer.from('no tar '.repeat(1000)), 'ERR_TAR_INVALID'],
    [
      'that ends early',
      buildDockerArchive([{ image: ONE, names: ['a:1'] }], 'folders').subarray(0, 50_000),
      'ERR_TAR_INVALID',
    ],
    ['that is compressed and ends early', gzipSync(Buffer.alloc(100_000)).subarray(0, 60), 'ERR_COMPRESSION'],
    ['without a manifest', buildTar([{ path: 'x' }]), 'ERR_NOT_FOUND'],
    [
      'with a manifest of something else',
      buildTar([{ path: 'manifest.json', data: '{}' }]),
      'ERR_MANIFEST_INVALID',
    ],
    [
      'whose manifest names what is not there',
      buildTar([{ path: 'manifest.json', data: '[{"Config":"x.json","RepoTags":null,"Layers":[]}]' }]),
      'ERR_NOT_FOUND',
    ],
    [
      'whose config is another one than its name says',
      buildTar([
        { path: 'manifest.json', data: `[{"Config":"${'0'.repeat(64)}.json","RepoTags":null,"Layers":[]}]` },
        { path: `${'0'.repeat(64)}.json`, data: ONE.configBytes },
      ]),
      'ERR_DIGEST_MISMATCH',
    ],
    [
      'with fewer layers than the config names',
      buildTar([
        { path: 'manifest.json', data: '[{"Config":"c","RepoTags":null,"Layers":[]}]' },
        { path: 'c', data: ONE.configBytes },
      ]),
      'ERR_MANIFEST_INVALID',
    ],
    [
      'with another layer than the config names',
      buildTar([
        { path: 'manifest.json', data: '[{"Config":"c","RepoTags":null,"Layers":["l","l"]}]' },
        { path: 'c', data: ONE.configBytes },
        { path: 'l', data: buildTar([{ path: 'x' }]) },
      ]),
      'ERR_DIGEST_MISMATCH',
    ],
    [
      'whose layer is a link to itself',
      buildTar([
        { path: 'manifest.json', data: '[{"Config":"c","RepoTags":null,"Layers":["l","l"]}]' },
        { path: 'c', data: ONE.configBytes },
        { path: 'l', type: 'symlink', linkname: 'l' },
      ]),
      'ERR_NOT_FOUND',
    ],
    [
      'without digests whose steps lead in a circle',
      buildTar([
        { path: 'repositories', data: `{"a":{"1":"${'a'.repeat(64)}"}}` },
        { path: `${'a'.repeat(64)}/json`, data: `{"id":"${'a'.repeat(64)}","parent":"${'a'.repeat(64)}"}` },
        { path: `${'a'.repeat(64)}/layer.tar`, data: '' },
      ]),
      'ERR_MANIFEST_INVALID',
    ],
    [
      'without digests whose step is a path',
      buildTar([{ path: 'repositories', data: '{"a":{"1":"../../etc"}}' }]),
      'ERR_MANIFEST_INVALID',
    ],
    [
      'with a member that climbs out',
      buildTar([{ path: '../manifest.json', data: '[]' }]),
      'ERR_UNSAFE_PATH',
    ],
  ])('an archive %s is refused', async (_, bytes, code) => {
    const path = join(tempDir(), 'bad.tar');
    writeFileSync(path, bytes);
    // A layer that a store has already would not be read from the archive.
    await withEngine({}, async (fresh) => {
      await expect(fresh.fetch({ image: `docker-archive:${path}` })).rejects.toMatchObject({ code });
    });
  });

  it('is told from a folder, a file, and nothing at all', async () => {
    const dir = await layoutOf([{ ref: '1', image: ONE }]);
    const failureOf = (image: string) => engine.fetch({ image });
    await expect(failureOf(`oci-archive:${dir}`)).rejects.toMatchObject({ code: 'ERR_USAGE' });
    await expect(failureOf(`oci:${dir}/index.json`)).rejects.toMatchObject({ code: 'ERR_USAGE' });
    await expect(failureOf(`oci:${dir}/none`)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    await expect(failureOf('docker-archive:/dev/null')).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });

  it('needs --insecure-options=image, as every Docker image does', async () => {
    const image = `oci:${await layoutOf([{ ref: '1', image: ONE }])}`;
    await withEngine({ insecure: {} }, async (strict) => {
      await expect(strict.fetch({ image })).rejects.toMatchObject({ code: 'ERR_SIGNATURE_REQUIRED' });
    });
  });
});

describe.runIf(requireTools(['skopeo', 'tar']))('what skopeo writes', () => {
  it.each([
    ['docker-archive', 'saved.tar', ':team/one:1.0', 'registry-1.docker.io/team/one'],
    ['oci', 'app', ':1.0', 'app'],
    ['oci-archive', 'app.tar', ':1.0', 'app'],
  ])('as %s is read', async (transport, file, ref, name) => {
    const dir = await layoutOf([{ ref: 'x', image: ONE }]);
    const target = join(tempDir(), file);
    await runTool('skopeo', [
      'copy',
      '--quiet',
      '--insecure-policy',
      `oci:${dir}:x`,
      `${transport}:${target}${ref}`,
    ]);
    const fetched = await engine.fetch({ image: `${transport}:${target}` });
    expect(fetched).toMatchObject({ name, labels: { version: '1.0' } });
    await expectImage(fetched, 'one');
    const moved = join(tempDir(), basename(target));
    renameSync(target, moved);
    expect((await engine.fetch({ image: `${transport}:${moved}${ref}` })).id).toBe(fetched.id);
  });
});
