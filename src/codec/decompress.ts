/** Inflates a stream, told apart by its first bytes; what is not compressed passes through. */

import { takeInflater } from '../../wasm/inflate-kernel.js';
import { FetchError } from '../errors.js';
import { bzip2Stage } from './bzip2.js';
import { gzipStage } from './gzip.js';
import { fzstdEngine, xzStage } from './library-stages.js';
import type { Output, Stage } from './stage.js';
import { gunzipStage, nativeZstdEngine } from './zlib-stage.js';
import { zstdStage } from './zstd.js';

export interface Decompressor extends Stage {
  /** Undefined before the first bytes tell. */
  codec(): Codec | undefined;
}

export type Codec = 'none' | 'gzip' | 'zstd' | 'xz' | 'bzip2';

const MAGIC: readonly (readonly [codec: Codec, hex: RegExp])[] = [
  // RFC 1952, 2.3.1
  ['gzip', /^1f8b08/],
  // RFC 8878, 3.1: a frame, or a skippable one before it
  ['zstd', /^(28b52ffd|5[0-9a-f]2a4d18)/],
  // The .xz file format, 2.1.1
  ['xz', /^fd377a585a00/],
  // A digit for the block size, then the magic of a block or of the end
  ['bzip2', /^425a683[1-9](314159265359|177245385090)/],
];
/** How many bytes `sniffCodec` looks at. */
export const MAGIC_BYTES = 10;

export function sniffCodec(start: Buffer): Codec {
  const hex = start.toString('hex', 0, MAGIC_BYTES);
  return MAGIC.find(([, pattern]) => pattern.test(hex))?.[0] ?? 'none';
}

/**
 * How much may come out of what went in: 1,100 times as much, which gzip cannot exceed whatever it holds, and always
 * a GiB. The other codecs make a hundred bytes of a file of zeros of any size: one of a GiB, in an image that is
 * otherwise of files that people use, is nothing unusual; more than that is a decompression bomb. What was announced
 * but has not come counts for nothing, so that a false promise buys no output.
 */
const MAX_RATIO = 1100;
const ALWAYS_ALLOWED_BYTES = 1024 * 1024 * 1024;

export interface DecompressorOptions {
  /**
   * Whether gzip is inflated in Node's thread pool while this thread takes the output, and not on this thread, which
   * costs less CPU time. Default false.
   */
  readonly isBeside?: boolean | undefined;
}

/**
 * `onOutput` gets each piece of output, for the time of the call; what it throws comes out of `write` or `end`.
 * @throws (from write and end) FetchError ERR_COMPRESSION, ERR_LIMIT, and what `onOutput` throws
 */
export function createDecompressor(
  onOutput: Output,
  { isBeside = false }: DecompressorOptions = {},
): Decompressor {
  let start: Buffer = Buffer.alloc(0);
  let stage: Stage | undefined;
  let codec: Codec | undefined;
  let inputBytes = 0;
  let outputBytes = 0;

  function output(chunk: Buffer): void {
    outputBytes += chunk.length;
    if (outputBytes > ALWAYS_ALLOWED_BYTES + MAX_RATIO * inputBytes) {
      const message = `more than a GiB and ${MAX_RATIO} times as much comes out of compressed data as went in`;
      throw new FetchError('ERR_LIMIT', message, { stage: 'convert' });
    }
    onOutput(chunk);
  }

  async function choose(): Promise<Stage> {
    codec = sniffCodec(start);
    stage = await stageFor(codec, output, isBeside);
    await stage.write(start);
    return stage;
  }

  return {
    async write(chunk) {
      // Some of the libraries take it for the end.
      if (chunk.length === 0) return;
      inputBytes += chunk.length;
      if (stage !== undefined) return stage.write(chunk);
      start = Buffer.concat([start, chunk]);
      if (start.length >= MAGIC_BYTES) await choose();
    },
    async end() {
      await (stage ?? (await choose())).end();
    },
    destroy: () => stage?.destroy(),
    codec: () => codec,
  };
}

async function stageFor(codec: Codec, output: Output, isBeside: boolean): Promise<Stage> {
  switch (codec) {
    case 'none':
      return { write: async (chunk) => output(chunk), end: async () => {}, destroy() {} };
    case 'gzip': {
      const inflater = isBeside ? undefined : takeInflater();
      return inflater === undefined ? gunzipStage(output) : gzipStage(output, inflater);
    }
    case 'zstd':
      return zstdStage(nativeZstdEngine(output) ?? (await fzstdEngine(output)));
    case 'xz':
      return xzStage(output);
    case 'bzip2':
      return bzip2Stage(output);
  }
}
