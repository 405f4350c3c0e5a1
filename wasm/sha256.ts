/** SHA-256 by hash-wasm: slower than `node:crypto`, for what needs a state that can be saved. */

import { startSavable } from './saved-state.js';
import type { Sha512 } from './sha512.js';

/** The same calls; `digestHex` has 64 digits. */
export type Sha256 = Sha512;

export async function createSha256(): Promise<Sha256> {
  const { createSHA256 } = await import('hash-wasm');
  return startSavable(await createSHA256(), 'sha256h1');
}
