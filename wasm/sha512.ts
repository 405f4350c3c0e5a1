/** SHA-512 in WebAssembly; the only importer of hash-wasm. */

import { createSHA512 } from 'hash-wasm';

/** A running SHA-512. Its state can be saved, so that a resumed download need not hash again what it has. */
export interface Sha512 {
  update(bytes: Uint8Array): void;
  /** 128 hex digits; ends the hash. */
  digestHex(): string;
  /** The state after the bytes so far, for `load` in this version of the program. */
  save(): Uint8Array;
  load(state: Uint8Array): void;
}

/** The kernel is compiled once for each thread; an instance costs some 10 KiB. */
export async function createSha512(): Promise<Sha512> {
  const hasher = await createSHA512();
  hasher.init();
  return {
    update: (bytes) => void hasher.update(bytes),
    digestHex: () => hasher.digest('hex'),
    save: () => hasher.save(),
    load: (state) => void hasher.load(state),
  };
}
