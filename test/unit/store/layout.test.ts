/** Where things lie in the store: no two at one place, and none outside of it. */

import { relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { aciBlob, layerBlob, storeLayout } from '../../../src/store/layout.js';
import type { Digest } from '../../../src/types.js';
import { digestOf, idOf } from './stored-images.js';

const layout = storeLayout('/store');
const sha512 = `sha512:${'0'.repeat(128)}` as Digest;

const PATHS = {
  layer: layout.blobFile(layerBlob(digestOf('a'))),
  'another layer': layout.blobFile(layerBlob(digestOf('b'))),
  'a layer with a longer digest': layout.blobFile(layerBlob(sha512)),
  'the index of the layer': layout.indexFile(digestOf('a')),
  aci: layout.blobFile(aciBlob(idOf('a'))),
  image: layout.imageFile(idOf('a')),
  extents: layout.extentsFile(idOf('a')),
  remote: layout.remoteFile('docker://a linux/amd64'),
  'remote with another platform': layout.remoteFile('docker://a linux/arm64'),
  'the rest of a layer': layout.partialFile(digestOf('a')),
  'the rest of an ACI': layout.partialFile('https://example.test/a.aci'),
  lock: layout.lockFile('sweep'),
  'lock of a layer': layout.lockFile(`layer ${digestOf('a')}`),
  format: layout.formatFile,
};

describe('the layout of a store', () => {
  it('has a place for everything', () => {
    expect(new Set(Object.values(PATHS)).size).toBe(Object.keys(PATHS).length);
  });

  it.each(Object.entries(PATHS))('has a safe place for %s', (_, path) => {
    expect(relative('/store', path)).toMatch(/^[a-z0-9]+(\/[a-z0-9]+)*([.\-/][a-z0-9-]+)*(\.[a-z]+)*$/);
    expect(path.length).toBeLessThan(300);
  });

  it.each(['../../etc/passwd', '/etc/passwd', 'a/../b', '', '\0', 'x'.repeat(10_000), 'sha256:../../x'])(
    'makes one safe name of %j',
    (key) => {
      for (const path of [layout.remoteFile(key), layout.partialFile(key), layout.lockFile(key)]) {
        expect(relative('/store', path)).toMatch(/^[a-z]+\/[0-9a-f]{64}\.[a-z]+$/);
      }
    },
  );

  it('keeps nothing of a key that may be secret', () => {
    expect(layout.remoteFile('https://user:secret@example.test/a?token=secret')).not.toContain('secret');
  });

  it('has the blobs in the folders that are swept', () => {
    for (const path of [PATHS.layer, PATHS.aci, PATHS['the index of the layer']]) {
      expect(layout.blobDirs.some((dir) => path.startsWith(`${dir}/`))).toBe(true);
    }
  });
});
