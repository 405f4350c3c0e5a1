/** The store of one process: what is committed is there, and nothing that is needed goes. */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { aciBlob, layerBlob, STORE_FORMAT } from '../../../src/store/layout.js';
import type { RemoteRecord } from '../../../src/store/records.js';
import { openStore, type Store } from '../../../src/store/store.js';
import { run } from '../../support/process.js';
import { tempDir } from '../../support/temp.js';
import { addAci, addImage, addLayer, digestOf, idOf, NEVER, newStore, recordOf } from './stored-images.js';

const names = async (store: Store): Promise<string[]> =>
  (await store.listImages()).images.map(({ name }) => name);

describe('a store', () => {
  it('is made where there is none, and opened where there is one', async () => {
    const { store, dir } = await newStore();
    expect(JSON.parse(readFileSync(store.layout.formatFile, 'utf8'))).toEqual({ format: STORE_FORMAT });
    expect(await (await openStore(dir)).listImages()).toEqual({ images: [], damaged: [] });
  });

  it('of a newer version is not touched', async () => {
    const dir = tempDir('store-');
    writeFileSync(join(dir, 'store.json'), JSON.stringify({ format: STORE_FORMAT + 1 }));
    await expect(openStore(dir)).rejects.toMatchObject({ code: 'ERR_STORE_VERSION' });
    expect(readFileSync(join(dir, 'store.json'), 'utf8')).toBe(`{"format":${STORE_FORMAT + 1}}`);
  });

  it.each(['{}', '{"format":"1"}', 'null'])('of a format that is none (%s) is not touched', async (text) => {
    const dir = tempDir('store-');
    writeFileSync(join(dir, 'store.json'), text);
    await expect(openStore(dir)).rejects.toMatchObject({ code: 'ERR_STORE_VERSION' });
  });

  it('whose format file is no JSON is damaged', async () => {
    const dir = tempDir('store-');
    writeFileSync(join(dir, 'store.json'), '{"form');
    await expect(openStore(dir)).rejects.toMatchObject({ code: 'ERR_STORE_DAMAGED' });
  });

  it('cannot be where a file is', async () => {
    const file = join(tempDir(), 'file');
    writeFileSync(file, '');
    await expect(openStore(file)).rejects.toMatchObject({ code: 'ERR_IO', stage: 'store' });
  });
});

describe('a layer', () => {
  it('is there when both of its files are', async () => {
    const { store, lease } = await newStore();
    expect(await store.hasLayer(digestOf('x'))).toBe(false);
    const digest = await addLayer(store, lease, 'x');
    expect(await store.hasLayer(digest)).toBe(true);
    expect(readFileSync(store.layout.blobFile(layerBlob(digest)), 'utf8')).toBe('x');
    expect(readFileSync(store.layout.indexFile(digest), 'utf8')).toBe('x');
    expect(readdirSync(lease.folder)).toEqual(['owner.json']);
    rmSync(store.layout.blobFile(layerBlob(digest)));
    expect(await store.hasLayer(digest)).toBe(false);
  });

  it('may be committed again', async () => {
    const { store, lease } = await newStore();
    await addLayer(store, lease, 'x');
    await addLayer(store, lease, 'x');
    expect(await store.hasLayer(digestOf('x'))).toBe(true);
  });

  it('that cannot be stored is an error of the file system', async () => {
    const { store, lease } = await newStore();
    const missing = store.commitLayer(digestOf('x'), join(lease.folder, 'a'), join(lease.folder, 'b'));
    await expect(missing).rejects.toMatchObject({ code: 'ERR_IO' });
  });
});

describe('an image', () => {
  it('comes back with its record, its extents and the time of its last use', async () => {
    const { store, lease } = await newStore();
    const layer = await addLayer(store, lease, 'x');
    const aci = await addAci(store, lease, 'y');
    const id = await addImage(store, lease, 'a', { layers: [layer], aci });
    const blobs = [layerBlob(layer), aciBlob(aci)];
    const { lastUsedAt, ...record } = (await store.readImage(id)) ?? {};
    expect(record).toEqual(recordOf('a', { blobs }));
    expect(Math.abs(Date.now() - (lastUsedAt?.getTime() ?? 0))).toBeLessThan(60_000);
    expect(await store.readExtents(id)).toEqual([
      { bytes: Buffer.from('literal') },
      { blob: layerBlob(layer), offset: 0, sizeBytes: 1 },
      { blob: aciBlob(aci), offset: 0, sizeBytes: 1 },
    ]);
    expect(await store.readImage(idOf('other'))).toBeUndefined();
  });

  it('of which a blob is missing is not committed', async () => {
    const { store, lease } = await newStore();
    const adding = addImage(store, lease, 'a', { layers: [digestOf('gone')] });
    await expect(adding).rejects.toMatchObject({ code: 'ERR_STORE_DAMAGED' });
    expect(await store.listIds()).toEqual([]);
  });

  it('is whole only with its record and its blobs', async () => {
    const { store, lease } = await newStore();
    const layer = await addLayer(store, lease, 'x');
    const id = await addImage(store, lease, 'a', { layers: [layer] });
    expect(await store.readWholeImage(id)).toMatchObject({ id });
    rmSync(store.layout.blobFile(layerBlob(layer)));
    expect(await store.readWholeImage(id)).toBeUndefined();
    expect(await store.readImage(id)).toMatchObject({ id });
    writeFileSync(store.layout.imageFile(id), '');
    expect(await store.readWholeImage(id)).toBeUndefined();
    await expect(store.readImage(id)).rejects.toMatchObject({ code: 'ERR_STORE_DAMAGED' });
  });

  it('whose extents are gone or not what was written is damaged', async () => {
    const { store, lease } = await newStore();
    const id = await addImage(store, lease, 'a');
    writeFileSync(store.layout.extentsFile(id), '{}');
    await expect(store.readExtents(id)).rejects.toMatchObject({ code: 'ERR_STORE_DAMAGED' });
    rmSync(store.layout.extentsFile(id));
    await expect(store.readExtents(id)).rejects.toMatchObject({ code: 'ERR_STORE_DAMAGED' });
  });

  it('was used last when it was touched', async () => {
    const { store, lease } = await newStore();
    const id = await addImage(store, lease, 'a');
    const longAgo = new Date('2020-01-01');
    utimesSync(store.layout.imageFile(id), longAgo, longAgo);
    expect((await store.readImage(id))?.lastUsedAt).toEqual(longAgo);
    await store.touchImage(id);
    expect((await store.readImage(id))?.lastUsedAt.getTime()).toBeGreaterThan(Date.now() - 60_000);
    await store.touchImage(idOf('none'));
  });

  it('stands in the list, newest import first, damaged ones apart', async () => {
    const { store, lease } = await newStore();
    for (const [name, day] of [
      ['old', 1],
      ['new', 3],
      ['middle', 2],
    ] as const) {
      await addImage(store, lease, name, { importedAt: `2026-01-0${day}T00:00:00.000Z` });
    }
    const broken = await addImage(store, lease, 'broken');
    writeFileSync(store.layout.imageFile(broken), '{"format":1');
    expect(await names(store)).toEqual(['example.test/new', 'example.test/middle', 'example.test/old']);
    expect((await store.listImages()).damaged).toEqual([broken]);
    expect((await store.listIds()).length).toBe(4);
  });
});

describe('an answer of a remote', () => {
  it('comes back under its key', async () => {
    const { store, lease } = await newStore();
    const record: RemoteRecord = {
      format: 1,
      source: 'docker://a',
      id: idOf('a'),
      checkedAt: 'now',
    };
    expect(await store.readRemote('key')).toBeUndefined();
    await store.writeRemote('key', record, lease);
    await store.writeRemote('key', { ...record, checkedAt: 'later' }, lease);
    expect(await store.readRemote('key')).toEqual({ ...record, checkedAt: 'later' });
    expect(await store.readRemote('other')).toBeUndefined();
    expect(readdirSync(lease.folder)).toEqual(['owner.json']);
  });

  it('that is not what was written is forgotten', async () => {
    const { store } = await newStore();
    mkdirSync(dirname(store.layout.remoteFile('key')), { recursive: true });
    writeFileSync(store.layout.remoteFile('key'), '{}');
    expect(await store.readRemote('key')).toBeUndefined();
  });
});

describe('removing an image', () => {
  async function storeWithTwo(): Promise<
    Awaited<ReturnType<typeof newStore>> & { exists(text: string): boolean }
  > {
    const made = await newStore();
    const { store, lease } = made;
    const [shared, a, b] = [
      await addLayer(store, lease, 'shared'),
      await addLayer(store, lease, 'only a'),
      await addLayer(store, lease, 'only b'),
    ];
    await addImage(store, lease, 'a', { layers: [shared, a] });
    await addImage(store, lease, 'b', { layers: [shared, b], aci: await addAci(store, lease, 'aci of b') });
    const exists = (text: string): boolean => {
      const files = [
        store.layout.blobFile(layerBlob(digestOf(text))),
        store.layout.indexFile(digestOf(text)),
      ];
      const present = files.map((file) => existsSync(file));
      expect(present[0]).toBe(present[1]);
      return present[0] ?? false;
    };
    return { ...made, exists };
  }

  it('frees the blobs that only it had', async () => {
    const { store, exists } = await storeWithTwo();
    await store.removeImage(idOf('a'));
    expect(await names(store)).toEqual(['example.test/b']);
    expect(exists('only a')).toBe(true);
    await store.sweepBlobs(NEVER);
    expect(['shared', 'only a', 'only b'].map(exists)).toEqual([true, false, true]);
    expect(await store.hasAci(idOf('aci of b'))).toBe(true);
    await store.removeImage(idOf('b'));
    await store.sweepBlobs(NEVER);
    expect(['shared', 'only a', 'only b'].map(exists)).toEqual([false, false, false]);
    expect(await store.hasAci(idOf('aci of b'))).toBe(false);
  });

  it('works for a damaged one, too', async () => {
    const { store, exists } = await storeWithTwo();
    writeFileSync(store.layout.imageFile(idOf('a')), 'x');
    await store.removeImage(idOf('a'));
    await store.sweepBlobs(NEVER);
    expect(['shared', 'only a', 'only b'].map(exists)).toEqual([true, false, true]);
  });

  it('frees nothing while another one is damaged, for it may need anything', async () => {
    const { store, exists } = await storeWithTwo();
    writeFileSync(store.layout.imageFile(idOf('b')), 'x');
    await store.removeImage(idOf('a'));
    await store.sweepBlobs(NEVER);
    expect(['shared', 'only a', 'only b'].map(exists)).toEqual([true, true, true]);
  });

  it('that is not there is no error', async () => {
    const { store } = await newStore();
    await store.removeImage(idOf('none'));
  });

  it('waits for a lock no longer than it may', async () => {
    const { store } = await newStore();
    const lock = await store.lock('sweep', NEVER);
    await expect(store.sweepBlobs(AbortSignal.timeout(100))).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await lock.release();
  });
});

describe('a lease', () => {
  it('has a folder that goes with it', async () => {
    const { store, lease } = await newStore();
    writeFileSync(join(lease.folder, 'x'), '');
    await lease.release();
    expect(existsSync(lease.folder)).toBe(false);
    expect(readdirSync(store.layout.ingestDir)).toEqual([]);
  });

  it('clears away what dead processes left, and nothing else', async () => {
    const { store, lease, dir } = await newStore();
    const { ingestDir } = store.layout;
    const owner = JSON.parse(readFileSync(join(lease.folder, 'owner.json'), 'utf8')) as object;
    const { stdout } = await run(process.execPath, ['-p', 'process.pid']);
    const dead = { ...owner, token: 'dead', pid: Number(stdout) };
    for (const [name, text] of [
      ['dead', JSON.stringify(dead)],
      ['nobody', '{}'],
    ] as const) {
      mkdirSync(join(ingestDir, name));
      writeFileSync(join(ingestDir, name, 'owner.json'), text);
    }
    mkdirSync(join(ingestDir, 'empty'));
    writeFileSync(join(ingestDir, 'abc.part'), 'rest of a download');
    const other = await (await openStore(dir)).lease(NEVER);
    const expected = ['abc.part', lease.folder, other.folder].map((path) =>
      path.slice(path.lastIndexOf('/') + 1),
    );
    expect(readdirSync(ingestDir).sort()).toEqual(expected.sort());
  });
});
