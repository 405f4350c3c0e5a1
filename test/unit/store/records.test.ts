/** The records of the store, written and read again, and what is no record. */

import { describe, expect, it } from 'vitest';
import { aciBlob, layerBlob } from '../../../src/store/layout.js';
import {
  blobsOf,
  type Extent,
  formatExtents,
  parseExtents,
  parseImageRecord,
  parsePartialRecord,
  parseRemoteRecord,
  type RemoteRecord,
} from '../../../src/store/records.js';
import { digestOf, idOf, recordOf } from './stored-images.js';

const damaged = expect.objectContaining({ code: 'ERR_STORE_DAMAGED' });
const without = (record: object, key: string): string => JSON.stringify({ ...record, [key]: undefined });

const NO_RECORDS = ['', '{', 'null', '[]', '7', '"text"', '{}', '\u0000\u0000', '{"format":2}'];

describe('an image record', () => {
  const record = recordOf('a', { blobs: [layerBlob(digestOf('x'))], signers: ['ABCD'], labels: {} });

  it('comes back from its text', () => {
    expect(parseImageRecord(JSON.stringify(record), 'path')).toEqual(record);
  });

  it.each(NO_RECORDS)('is damaged as %j', (text) => {
    expect(() => parseImageRecord(text, 'path')).toThrow(damaged);
  });

  it.each(['format', 'id', 'name', 'labels', 'sizeBytes', 'manifest', 'importedAt', 'blobs'])(
    'is damaged without its %s',
    (key) => {
      expect(() => parseImageRecord(without(record, key), 'path')).toThrow(damaged);
    },
  );

  it.each([
    { labels: null },
    { blobs: {} },
    { name: 7 },
    { sizeBytes: '1000' },
    { manifest: { sizeBytes: 100 } },
    { manifest: null },
  ])('is damaged with %j', (fields) => {
    expect(() => parseImageRecord(JSON.stringify({ ...record, ...fields }), 'path')).toThrow(damaged);
  });

  it('names its file in the error', () => {
    expect(() => parseImageRecord('', 'some/path.json')).toThrow('some/path.json');
  });
});

describe('a remote record', () => {
  const record: RemoteRecord = {
    format: 1,
    source: 'docker://x/y:z',
    id: idOf('a'),
    checkedAt: '2026-01-01T00:00:00.000Z',
    manifestDigest: digestOf('m'),
    cached: {
      answeredAtMs: 1,
      freshUntilMs: 2,
      mustRevalidate: false,
      etag: '"x"',
      lastModified: 'Thu, 01 Jan 2026 00:00:00 GMT',
    },
  };

  it('comes back from its text', () => {
    expect(parseRemoteRecord(JSON.stringify(record), 'path')).toEqual(record);
  });

  it.each([...NO_RECORDS, ...['format', 'source', 'id'].map((key) => without(record, key))])(
    'is damaged as %j',
    (text) => {
      expect(() => parseRemoteRecord(text, 'path')).toThrow(damaged);
    },
  );
});

describe('a record of an unfinished download', () => {
  it('comes back from its text', () => {
    const record = { etag: '"x"', lastModified: 'y', totalBytes: 7 };
    expect(parsePartialRecord(JSON.stringify(record))).toEqual(record);
  });

  it.each(['', '{', 'null', '7'])('is none as %j, and the download begins again', (text) => {
    expect(parsePartialRecord(text)).toBeUndefined();
  });
});

describe('extents', () => {
  const layer = layerBlob(digestOf('x'));
  const aci = aciBlob(idOf('y'));

  it.each<[string, Extent[]]>([
    ['nothing', []],
    ['bytes of every value', [{ bytes: Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)) }]],
    ['no bytes', [{ bytes: Buffer.alloc(0) }]],
    ['a range', [{ blob: aci, offset: 2 ** 45, sizeBytes: 2 ** 45 }]],
    [
      'ranges of several blobs between bytes',
      [
        { bytes: Buffer.from('head') },
        { blob: layer, offset: 0, sizeBytes: 512 },
        { blob: aci, offset: 512, sizeBytes: 1024 },
        { bytes: Buffer.from('middle') },
        { blob: layer, offset: 1024, sizeBytes: 512 },
        { bytes: Buffer.alloc(1024) },
      ],
    ],
  ])('of %s come back from their text', (_, extents) => {
    expect(parseExtents(formatExtents(extents), 'path')).toEqual(extents);
  });

  it('have each blob once, in the order of their first use', () => {
    const extents: Extent[] = [
      { blob: aci, offset: 0, sizeBytes: 1 },
      { bytes: Buffer.alloc(1) },
      { blob: layer, offset: 0, sizeBytes: 1 },
      { blob: aci, offset: 1, sizeBytes: 1 },
    ];
    expect(blobsOf(extents)).toEqual([aci, layer]);
  });

  it.each([
    ...NO_RECORDS,
    '{"blobs":[]}',
    '{"extents":[]}',
    '{"format":1,"blobs":[],"extents":[[0,0,1]]}',
    '{"format":1,"blobs":["layer:x"],"extents":[[0,0]]}',
    '{"format":1,"blobs":["layer:x"],"extents":[[]]}',
    '{"format":1,"blobs":["layer:x"],"extents":[[-1,0,1]]}',
    '{"format":1,"blobs":["layer:x"],"extents":[null]}',
    '{"format":1,"blobs":["layer:x"],"extents":[7]}',
  ])('are damaged as %j', (text) => {
    expect(() => parseExtents(text, 'path')).toThrow(damaged);
  });
});
