/** SHA-256 by hash-wasm: slower than `node:crypto`, for what needs a state that can be saved. */

import { createSHA256 } from 'hash-wasm';
import { openState, sealState } from './saved-state.js';
import type { Sha512 } from './sha512.js';

/** The same calls; `digestHex` has 64 digits. */
export type Sha256 = Sha512;

const SAVED_LABEL = 'sha256h1';

export async function createSha256(): Promise<Sha256> {
  const hasher = await createSHA256();
  hasher.init();
  return {
    update: (bytes) => void hasher.update(bytes),
    digestHex: () => hasher.digest('hex'),
    save: () => sealState(SAVED_LABEL, hasher.save()),
    load: (saved) => void hasher.load(openState(SAVED_LABEL, saved)),
  };
}
