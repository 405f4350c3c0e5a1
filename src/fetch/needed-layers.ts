/** What of an image's layers is still to come. */

import { partialBytes } from '../store/partial-record.js';
import type { Store } from '../store/store.js';
import type { Descriptor, Digest } from '../types.js';

export interface NeededLayer {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** What of it need not come again. */
  readonly storedBytes: number;
}

/** Each layer once, in the order of the first. */
export async function neededLayers(
  { hasLayer, layout }: Pick<Store, 'hasLayer' | 'layout'>,
  layers: readonly Descriptor[],
  ignoreStore: boolean,
): Promise<NeededLayer[]> {
  const unique = new Map(layers.map((layer) => [layer.digest, layer] as const));
  return Promise.all(
    [...unique.values()].map(async ({ digest, sizeBytes }) => {
      if (ignoreStore) return { digest, sizeBytes, storedBytes: 0 };
      if (await hasLayer(digest)) return { digest, sizeBytes, storedBytes: sizeBytes };
      const partial = await partialBytes(layout.partialFile(digest));
      return { digest, sizeBytes, storedBytes: Math.min(partial, sizeBytes) };
    }),
  );
}
