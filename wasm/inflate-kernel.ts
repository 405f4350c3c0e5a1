/** The compiled inflate kernel: instances for streams that are inflated side by side, used again one after another. */

import { compileKernel } from './compile.js';
import { INFLATE_WASM_BASE64 } from './inflate-bytes.js';

/** Inflates raw deflate data (RFC 1951) out of its own input into its own output, 256 KiB at a time. */
export interface Inflater {
  /** Copies as much behind the input as there is room for, of 64 KiB, and returns how much that is. */
  feed(bytes: Uint8Array): number;
  /** The input from the next whole byte on; good until the next call. */
  pending(): Buffer;
  /** Leaves out so many bytes of what is pending. */
  skip(byteCount: number): void;
  /** New data begin with what is pending. They have no history: no distance leads to anything before them. */
  start(): void;
  /**
   * Goes on until it lacks input, its output is full, or the data end. What is in the output has to be taken when it
   * is full. @throws Error where zlib does, with its words
   */
  inflate(): 'input' | 'full' | 'end';
  /** What came out since the last time; good until the next call of `inflate`. */
  takeOutput(): Buffer;
  /** For another stream. No call may follow. */
  release(): void;
}

interface KernelExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly input: { readonly value: number };
  readonly inputBytes: { readonly value: number };
  readonly history: { readonly value: number };
  readonly outputBytes: { readonly value: number };
  /** In bits. */
  readonly inputAt: { value: number };
  readonly inputEnd: { value: number };
  readonly outputAt: { value: number };
  start(): void;
  slide(): void;
  inflate(): number;
}

const HISTORY_BYTES = 32 * 1024;
/** A round may make so many bytes more than there is room for. */
const OUTPUT_SLACK_BYTES = 2 + 258;

const NEEDS_INPUT = 0;
const OUTPUT_FULL = 1;
const DONE = 2;
/** Of the statuses of the kernel that follow. */
const FAULTS = [
  'invalid block type',
  'invalid stored block lengths',
  'too many length or distance symbols',
  'invalid code lengths set',
  'invalid bit length repeat',
  'invalid code -- missing end-of-block',
  'invalid literal/lengths set',
  'invalid distances set',
  'invalid literal/length code',
  'invalid distance code',
  'invalid distance too far back',
] as const;

let compiled: { readonly create: (() => KernelExports) | undefined } | undefined;
/** As many as were ever used at once on this thread. */
const free: Inflater[] = [];

/** Undefined where the processor or V8 has no SIMD. */
export function takeInflater(): Inflater | undefined {
  compiled ??= { create: compileKernel<KernelExports>(INFLATE_WASM_BASE64) };
  const { create } = compiled;
  return create && (free.pop() ?? createInflater(create()));
}

function createInflater(kernel: KernelExports): Inflater {
  // The memory never grows, so the views stay good.
  const { buffer } = kernel.memory;
  const input = Buffer.from(buffer, kernel.input.value, kernel.inputBytes.value);
  const outputBytes = HISTORY_BYTES + kernel.outputBytes.value + OUTPUT_SLACK_BYTES;
  const output = Buffer.from(buffer, kernel.history.value, outputBytes);
  let takenAt = HISTORY_BYTES;
  let isFull = false;
  const byteAt = (): number => (kernel.inputAt.value + 7) >>> 3;

  function reset(): void {
    kernel.inputAt.value = 0;
    kernel.inputEnd.value = 0;
    kernel.outputAt.value = HISTORY_BYTES;
    takenAt = HISTORY_BYTES;
    isFull = false;
  }

  const inflater: Inflater = {
    feed(bytes) {
      const usedBytes = kernel.inputAt.value >>> 3;
      input.copyWithin(0, usedBytes, kernel.inputEnd.value);
      const end = kernel.inputEnd.value - usedBytes;
      const taken = bytes.subarray(0, input.length - end);
      input.set(taken, end);
      kernel.inputAt.value -= usedBytes * 8;
      kernel.inputEnd.value = end + taken.length;
      return taken.length;
    },
    pending: () => input.subarray(byteAt(), kernel.inputEnd.value),
    skip(byteCount) {
      kernel.inputAt.value = (byteAt() + byteCount) * 8;
    },
    start() {
      kernel.inputAt.value = byteAt() * 8;
      kernel.start();
    },
    inflate() {
      if (isFull) {
        kernel.slide();
        takenAt = HISTORY_BYTES;
      }
      const status = kernel.inflate();
      isFull = status === OUTPUT_FULL;
      if (status === NEEDS_INPUT) return 'input';
      if (status === OUTPUT_FULL) return 'full';
      if (status === DONE) return 'end';
      throw new Error(FAULTS[status - DONE - 1]);
    },
    takeOutput() {
      const from = takenAt;
      takenAt = kernel.outputAt.value;
      return output.subarray(from, takenAt);
    },
    release() {
      reset();
      free.push(inflater);
    },
  };
  reset();
  return inflater;
}
