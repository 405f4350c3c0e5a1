/** What an image may cost to be put together. */

import { describe, expect, it } from 'vitest';
import type { NamedEntry } from '../../support/images/tar.js';
import { assembleComplete, convertLayer } from '../../support/layer-assembly.js';
import { tempDir } from '../../support/temp.js';

/** Each in two thousand directories of its own. */
const deep = (count: number, name: string, file = 'b'): NamedEntry[] =>
  Array.from({ length: count }, (_, at) => ({ path: `${name}${at}/${'a/'.repeat(2000)}${file}` }));
/** Within one layer: only when all of it is there is known which one counts. */
const TWICE: readonly NamedEntry[] = [{ path: 'x' }, { path: 'x' }];

describe('an image whose names do not fit into memory', () => {
  it.each<[string, NamedEntry[][]]>([
    ['streams', [deep(250, 'a', '.wh.b')]],
    ['has to be there as a whole', [[...TWICE, ...deep(250, 'a')]]],
    ['is too large only with all of its layers', [deep(150, 'a'), [...TWICE, ...deep(150, 'b')]]],
  ])('is refused where it %s', async (_, layers) => {
    const assembled = assembleComplete(tempDir(), '{}', layers.map(convertLayer));
    await expect(assembled).rejects.toMatchObject({ code: 'ERR_LIMIT', exitCode: 7 });
  });
});
