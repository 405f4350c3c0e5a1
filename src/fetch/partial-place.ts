/** Where a download keeps its bytes until it is whole. */

import { basename, join } from 'node:path';
import { removePartial } from '../store/files.js';
import type { SessionBase } from './session.js';

/**
 * `key` is the layer's digest, or the ACI's source. A download that ignores the store begins anew, and what is left of
 * it when the process is killed goes with the folder of the process: nothing would ever go on with it where the store
 * has the whole. The caller holds the lock of the download.
 */
export async function partialPlace(
  { store, lease }: Pick<SessionBase, 'store' | 'lease'>,
  key: string,
  ignoreStore: boolean,
): Promise<string> {
  const kept = store.layout.partialFile(key);
  if (!ignoreStore) return kept;
  const own = join(lease.folder, basename(kept));
  await Promise.all([removePartial(kept), removePartial(own)]);
  return own;
}
