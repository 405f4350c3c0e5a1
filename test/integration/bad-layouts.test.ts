/** Images on disk that are not what they should be: refused with the right code, and nothing stored. */

import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../dist/src/index.js';
import { buildDockerArchive } from '../support/images/docker-archive.js';
import { buildTar } from '../support/images/tar.js';
import { tempDir } from '../support/temp.js';
import { testEngine, withEngine } from './support/engine.js';
import { layoutOf, ONE } from './support/layouts.js';

let engine: Engine;
beforeAll(async () => {
  engine = await testEngine();
});
afterAll(() => engine.close());

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
