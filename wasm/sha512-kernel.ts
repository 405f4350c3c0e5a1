/** The compiled SHA-512 kernel: what it can do, and the one instance that each thread has of it. */

import { compileKernel } from './compile.js';
import { SHA512_WASM_BASE64 } from './sha512-bytes.js';

/** Takes whole blocks from `input` into `state`; nothing of a hash stays in it between two uses. */
export interface Kernel {
  /** The eight 64-bit words of the hash, little endian. */
  readonly state: Uint8Array;
  /** A multiple of the block size long. */
  readonly input: Uint8Array;
  /** Sets `state` to that of an empty message. */
  reset(): void;
  compress(blocks: number): void;
}

interface KernelExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly state: { readonly value: number };
  readonly input: { readonly value: number };
  readonly inputBytes: { readonly value: number };
  reset(): void;
  compress(blocks: number): void;
}

export const STATE_BYTES = 64;

let loaded: { readonly kernel: Kernel | undefined } | undefined;

/**
 * Undefined where the processor or V8 has no SIMD. The first call of a thread takes half a millisecond.
 *
 * V8 runs the kernel slowly at first and replaces it between two calls of `compress`, once its optimizing compiler
 * has ended on another thread. That is why `input` is small: 64 KiB a call make it full speed within the first
 * megabyte, which takes some 8 ms, about what the compiler itself needs. To have it optimize before the first call
 * (`--no-liftoff`, which would be set for the whole process) saves nothing on Node 20 and 4 ms on Node 24, and an
 * image of a few KiB would pay 4 to 10 ms instead of one. Threads of a process share the optimized code, because V8
 * knows the bytes again: there is no need to hand a module around.
 */
export function loadKernel(): Kernel | undefined {
  loaded ??= { kernel: instantiate() };
  return loaded.kernel;
}

function instantiate(): Kernel | undefined {
  const exports = compileKernel<KernelExports>(SHA512_WASM_BASE64)?.();
  if (exports === undefined) return undefined;
  // The memory never grows, so the views stay good.
  const { buffer } = exports.memory;
  return {
    state: new Uint8Array(buffer, exports.state.value, STATE_BYTES),
    input: new Uint8Array(buffer, exports.input.value, exports.inputBytes.value),
    reset: exports.reset,
    compress: exports.compress,
  };
}
