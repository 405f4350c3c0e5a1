/** Images of old registries: manifests of schema 1, which become the images that their layers and steps are. */

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../dist/src/index.js';
import { buildDockerImage, sha256 } from '../support/images/docker.js';
import { EMPTY_LAYER, schema1Of, signed } from '../support/images/schema1.js';
import { startRegistry, type TestRegistry } from '../support/servers/registry.js';
import { tempDir } from '../support/temp.js';
import { describeTree, diffTrees } from '../support/tree.js';
import { testEngine } from './support/engine.js';

const newer = buildDockerImage({
  layers: [[{ path: 'a', data: 'base' }], [{ path: '.wh.a' }, { path: 'b' }], [{ path: 'b', data: 'top' }]],
  config: { Cmd: ['/b'], Labels: { team: 'one' } },
});
const older = schema1Of(newer, { emptySteps: 2 });
const wireBytes = newer.layers.reduce((sum, { bytes }) => sum + bytes.length, 0);

describe('an image with a manifest of schema 1', () => {
  let registry: TestRegistry;
  let engine: Engine;
  const source = (ref: string) => `docker://127.0.0.1:${registry.port}/team/app${ref}`;

  beforeAll(async () => {
    registry = await startRegistry({ auth: 'token', blobRedirect: true });
    registry.push('team/app', 'newer', newer);
    registry.push('team/app', 'signed', signed(older));
    registry.push('team/app', 'unsigned', older);
    engine = await testEngine();
  });
  afterAll(async () => {
    await engine.close();
    await registry.close();
  });

  const treeOf = async (image: string, noStore = false) => {
    const { id } = await engine.fetch({ image, noStore });
    const directory = join(tempDir(), 'image');
    await engine.extractImage(id, { directory, rootfsOnly: true });
    return describeTree(directory);
  };

  it.each(['signed', 'unsigned'])('is the same as with a newer one: %s', async (tag) => {
    const [expected, actual] = [await treeOf(source(':newer')), await treeOf(source(`:${tag}`), true)];
    expect(diffTrees(expected, actual)).toEqual([]);
    expect(registry.violations).toEqual([]);
  });

  it('is downloaded without its empty layers, and not again', async () => {
    const request = { image: source(':signed'), noStore: true };
    const fetched = await engine.fetch(request);
    expect(fetched).toMatchObject({ status: 'fetched', downloadedBytes: wireBytes });
    expect(await engine.fetch({ image: request.image })).toMatchObject({ status: 'cached', id: fetched.id });
    const asked = registry.requests.map(({ path }) => path);
    expect(asked.filter((path) => path.endsWith(sha256(EMPTY_LAYER)))).toEqual([]);
  });

  it('says the same of itself by tag and by digest', async () => {
    const ids = await Promise.all(
      [':signed', `@${older.manifestDigest}`].map(
        async (ref) => (await engine.fetch({ image: source(ref) })).id,
      ),
    );
    const manifests = await Promise.all(ids.map(async (id) => JSON.parse(await engine.catManifest(id))));
    expect(manifests[0].app).toMatchObject({ exec: ['/b'], userLabels: { team: 'one' } });
    expect(manifests[0].app).toEqual(manifests[1].app);
    for (const { annotations } of manifests) {
      expect(annotations).toContainEqual({
        name: 'appc.io/docker/manifesthash',
        value: older.manifestDigest,
      });
      expect(annotations).toContainEqual({
        name: 'appc.io/docker/imageid',
        value: newer.layers[2]?.digest,
      });
    }
  });

  it('is refused when a signature is about another document, or a layer is another one', async () => {
    const { manifestBytes, mediaType } = signed(older);
    const text = Buffer.from(manifestBytes).toString();
    registry.putManifest('team/app', 'odd', Buffer.from(text.replace(/}$/, ', "tag": "x"}')), mediaType);
    await expect(engine.fetch({ image: source(':odd') })).rejects.toMatchObject({
      code: 'ERR_MANIFEST_INVALID',
    });

    const other = Buffer.from(text.replace('amd64', 'arm64'));
    registry.putManifest('team/app', 'changed', other, mediaType, older.manifestDigest);
    await expect(engine.fetch({ image: source(':changed') })).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
    });

    const { digest = '', bytes = EMPTY_LAYER } = newer.layers[0] ?? {};
    registry.putBlob('team/app', bytes.toReversed(), digest);
    await expect(engine.fetch({ image: source(':signed'), noStore: true })).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
    });
  });
});
