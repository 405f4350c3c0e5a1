/** Images on disk: archives of `docker save` and OCI layouts, written by skopeo and by hand, converted like those of a registry. */

import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine, FetchedImage } from '../../dist/src/index.js';
import { imageIdOf } from '../support/images/aci.js';
import { buildIndex } from '../support/images/docker.js';
import { buildDockerArchive, buildRepositoriesArchive } from '../support/images/docker-archive.js';
import { runTool } from '../support/process.js';
import { startRegistry } from '../support/servers/registry.js';
import { extractWithTar } from '../support/tar-tool.js';
import { tempDir } from '../support/temp.js';
import { requireTools } from '../support/tools.js';
import { archiveProblems } from './support/archive.js';
import { testEngine, withEngine } from './support/engine.js';
import { imageOf, layoutOf, ONE, save, TWO } from './support/layouts.js';

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
    // The same name in other words stands in the manifest, and the ID must not depend on what was fetched before.
    writeFileSync(
      path,
      buildDockerArchive([{ image: ONE, names: ['docker.io/library/renamed:2'] }], 'folders'),
    );
    const third = await engine.fetch({ image: `docker-archive:${path}` });
    const fresh = await engine.fetch({ image: `docker-archive:${path}`, noStore: true });
    expect(third.id).toBe(fresh.id);
    expect(third.id).not.toBe(second.id);
    writeFileSync(path, buildDockerArchive([{ image: ONE, names: ['renamed:2'] }], 'folders'));
    expect((await engine.fetch({ image: `docker-archive:${path}` })).id).toBe(second.id);
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
