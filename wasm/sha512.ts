/** SHA-512 in WebAssembly: the project's own kernel, or hash-wasm where there is no SIMD. */

import { startSavable } from './saved-state.js';
import { loadKernel } from './sha512-kernel.js';
import { startSha512 } from './sha512-stream.js';

/** A running SHA-512. Its state can be saved, so that a resumed download need not hash again what it has. */
export interface Sha512 {
  /** @throws Error after the end */
  update(bytes: Uint8Array): void;
  /** 128 hex digits; ends the hash. */
  digestHex(): string;
  /** The state after the bytes so far, for `load` in this version of the program: at most 300 bytes. */
  save(): Uint8Array;
  /** Goes on from a saved state, also after the end. @throws Error for anything that `save` did not write */
  load(state: Uint8Array): void;
}

export interface Sha512Options {
  /** Default: `simd` where the processor has it, or else `hash-wasm`. A state is only good for the one it is of. */
  readonly kernel?: 'simd' | 'hash-wasm' | undefined;
}

/** Costs some microseconds, but for the first one of a thread. @throws Error where `simd` is asked for and missing */
export async function createSha512({ kernel }: Sha512Options = {}): Promise<Sha512> {
  const simd = kernel === 'hash-wasm' ? undefined : loadKernel();
  if (simd !== undefined) return startSha512(simd);
  if (kernel === 'simd') throw new Error('WebAssembly has no SIMD here');
  return startHashWasm();
}

async function startHashWasm(): Promise<Sha512> {
  const { createSHA512 } = await import('hash-wasm');
  return startSavable(await createSHA512(), 'sha512h1');
}
