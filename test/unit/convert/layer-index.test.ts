/** The lines of a layer's index. */

import { describe, expect, it } from 'vitest';
import {
  endOffset,
  formatIndexLine,
  type IndexEntry,
  isWhiteout,
  parseIndexLine,
} from '../../../src/convert/layer-index.js';

const BYTES = String.fromCharCode(...Array.from({ length: 255 }, (_, byte) => byte + 1));

const entry = (fields: Partial<IndexEntry>): IndexEntry => ({
  type: 'f',
  path: 'a',
  offset: 0,
  headerBytes: 512,
  sizeBytes: 0,
  ...fields,
});

describe('an index line', () => {
  it.each([
    entry({}),
    entry({ path: '', type: 'd' }),
    entry({ path: BYTES, offset: 2 ** 50, headerBytes: 4096, sizeBytes: 2 ** 45 }),
    entry({ type: 'l', link: BYTES }),
    entry({ type: 'h', link: 'b' }),
    entry({ type: 'w', headerBytes: 0 }),
  ])('comes back from its text: %j', (given) => {
    const line = formatIndexLine(given);
    expect(line.indexOf('\n')).toBe(line.length - 1);
    const parsed = parseIndexLine(Buffer.from(line).toString('utf8').trimEnd());
    expect(parsed).toEqual({ ...given, link: given.link });
  });

  it.each([
    '',
    '{}',
    'null',
    '[]',
    '[',
    '"f"',
    '["f"]',
    '["f",1,0,0,0]',
    '["f","a",-1,0,0]',
    '["f","a",0,0]',
    '["f","a",null,0,"x"]',
  ])('is damaged as %j', (line) => {
    expect(() => parseIndexLine(line)).toThrow(expect.objectContaining({ code: 'ERR_STORE_DAMAGED' }));
  });
});

it.each([
  [0, 0, 0, 0],
  [512, 512, 0, 1024],
  [512, 512, 1, 1536],
  [512, 1536, 512, 2560],
  [512, 1536, 513, 3072],
])(
  'an entry at %i with %i bytes of headers and %i of content ends at %i',
  (offset, headerBytes, sizeBytes, end) => {
    expect(endOffset(entry({ offset, headerBytes, sizeBytes }))).toBe(end);
  },
);

it('tells whiteouts from entries', () => {
  const types = ['f', 'h', 'l', 'c', 'b', 'd', 'p', 'w', 'o'] as const;
  expect(types.filter((type) => isWhiteout(entry({ type })))).toEqual(['w', 'o']);
});
