/** The codecs that Node lacks, through libraries that are loaded when an image needs them. */

import { setImmediate } from 'node:timers/promises';
import { createXxhash64 } from '../../wasm/xxhash64.js';
import { FetchError } from '../errors.js';
import { compressionError, type Output, type Stage } from './stage.js';
import { steppedStage } from './stepped-stage.js';
import type { ZstdEngine } from './zstd.js';
import { MAX_BLOCK_BYTES } from './zstd-frames.js';

/** zstd for Node before 22.15, which has none. */
export async function fzstdEngine(onOutput: Output): Promise<ZstdEngine> {
  const { Decompress } = await import('fzstd');
  const hash = await createXxhash64();
  const create = () =>
    new Decompress((chunk) => {
      if (chunk.length === 0) return;
      hash.update(chunk);
      onOutput(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    });
  let stream = create();
  const push = (chunk: Uint8Array, isLast: boolean): void => {
    try {
      stream.push(chunk, isLast);
    } catch (error) {
      throw compressionError('zstd', error);
    }
  };
  return {
    async write({ bytes, end, frameBlocks }) {
      // It keeps parts of what it was given.
      const own = Uint8Array.from(bytes);
      if (frameBlocks !== undefined) narrowWindow(own, frameBlocks);
      push(own, false);
      if (end !== undefined) {
        push(new Uint8Array(0), true);
        if (end.checksum !== undefined && end.checksum !== hash.low32())
          throw compressionError('zstd', new Error('the checksum of a frame is wrong'));
        hash.reset();
        stream = create();
      }
      await setImmediate();
    },
    async end() {},
    destroy() {},
  };
}

/**
 * Lets a frame ask for no more than its blocks can fill. The library makes and moves a whole window for every frame,
 * and zstd:chunked has a frame for every file: of 4 KB with a window of 2 MiB each takes a millisecond and a half.
 */
function narrowWindow(frame: Uint8Array, blocks: number): void {
  const isSingleSegment = ((frame[4] as number) & 0x20) !== 0;
  if (isSingleSegment) return;
  const exponent = Math.ceil(Math.log2(blocks * MAX_BLOCK_BYTES));
  frame[5] = Math.min(frame[5] as number, (exponent - 10) << 3);
}

/** How the library's WebAssembly is called; its own class is one stream at a time in a thread, and never ends early. */
interface XzExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  create_context(): number;
  destroy_context(context: number): void;
  /** The end of the input when it is nothing. */
  supply_input(context: number, length: number): void;
  get_next_output(context: number): number;
}

/** The words of a context. */
const XZ = {
  bufferBytes: 0,
  inputAt: 1,
  inputUsed: 2,
  inputLength: 3,
  outputAt: 4,
  outputLength: 5,
  words: 6,
} as const;

/** What a call returns, of xz-embedded's `enum xz_ret`. */
const XZ_OK = 0;
const XZ_STREAM_END = 1;
const XZ_ERRORS: Readonly<Record<number, string>> = {
  2: 'a check of an unknown kind',
  5: 'no stream where one should begin',
  6: 'a filter or check that is not supported',
  7: 'it is damaged',
  8: 'it ends early',
};
const XZ_TOO_LARGE = [3, 4];

/**
 * xz: any number of blocks and streams, with padding between and after the streams; the checks that the format has
 * but SHA-256, no filters but LZMA2, and dictionaries of 64 MiB at most, which is what `xz -9` needs.
 */
export async function xzStage(onOutput: Output): Promise<Stage> {
  const xz = await openXz();
  return steppedStage('xz', function* (source) {
    const context = xz.create_context();
    // Its memory is another one after it has grown.
    const words = (): Uint32Array => new Uint32Array(xz.memory.buffer, context, XZ.words);
    const word = (index: number): number => words()[index] as number;
    try {
      for (let result = XZ_OK; result === XZ_OK; ) {
        if (word(XZ.inputUsed) === word(XZ.inputLength)) {
          if (source.bytes.length === 0 && !source.isEnded) {
            yield 'input';
            continue;
          }
          const taken = source.bytes.subarray(0, word(XZ.bufferBytes));
          new Uint8Array(xz.memory.buffer).set(taken, word(XZ.inputAt));
          xz.supply_input(context, taken.length);
          source.bytes = source.bytes.subarray(taken.length);
        }
        result = xz.get_next_output(context);
        const length = word(XZ.outputLength);
        if (length > 0) onOutput(Buffer.from(xz.memory.buffer, word(XZ.outputAt), length));
        words()[XZ.outputLength] = 0;
        if (XZ_TOO_LARGE.includes(result)) throw dictionaryError();
        if (result !== XZ_OK && result !== XZ_STREAM_END)
          throw new Error(XZ_ERRORS[result] ?? `the library says ${result}`);
        yield 'turn';
      }
    } finally {
      xz.destroy_context(context);
    }
  });
}

function dictionaryError(): FetchError {
  return new FetchError('ERR_LIMIT', 'xz data that needs a dictionary of more than 64 MiB', {
    stage: 'convert',
  });
}

interface XzLibrary {
  readonly XzReadableStream: {
    _getModuleInstance(): Promise<void>;
    readonly _moduleInstance: { readonly exports: XzExports };
  };
}

/** Settles when the last stream that was opened has its instance. */
let opening: Promise<unknown> = Promise.resolve();

/** An instance for one stream, one after another because the library leaves it in a place that all share. */
async function openXz(): Promise<XzExports> {
  const { default: library } = (await import('xz-decompress')) as unknown as { default: XzLibrary };
  const opened = opening.then(async () => {
    await library.XzReadableStream._getModuleInstance();
    return library.XzReadableStream._moduleInstance.exports;
  });
  opening = opened.catch(() => undefined);
  return opened;
}
