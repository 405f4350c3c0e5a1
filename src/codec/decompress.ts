/** Inflates a stream, told apart by its first bytes; what is not compressed passes through. */

import { createGunzip } from 'node:zlib';
import { FetchError, isFetchError, toFetchError } from '../errors.js';

export interface Decompressor {
  /** Resolves when the chunk is used up; its memory may then be used again. One call at a time. */
  write(chunk: Buffer): Promise<void>;
  /** Resolves when all output was handed out. @throws FetchError ERR_COMPRESSION when the input ends early */
  end(): Promise<void>;
  /** Frees the native state; needed when `end` was not reached. */
  destroy(): void;
}

/** zlib with its default of 16 KiB takes twice the time: each chunk of output is one job of its thread pool. */
const OUTPUT_CHUNK_BYTES = 256 * 1024;
const MAGIC_BYTES = 6;

export type Codec = 'none' | 'gzip' | 'zstd' | 'xz' | 'bzip2';

/** By the magic bytes that the formats begin with (RFC 1952, RFC 8878, the xz and bzip2 formats). */
export function sniffCodec(start: Buffer): Codec {
  const hex = start.toString('hex', 0, MAGIC_BYTES);
  if (hex.startsWith('1f8b')) return 'gzip';
  if (hex.startsWith('28b52ffd')) return 'zstd';
  if (hex.startsWith('fd377a585a00')) return 'xz';
  if (hex.startsWith('425a68')) return 'bzip2';
  return 'none';
}

/**
 * `onOutput` gets each piece of output, for the time of the call; what it throws comes out of `write` or `end`.
 * @throws (from write and end) FetchError ERR_COMPRESSION, and what `onOutput` throws
 */
export function createDecompressor(onOutput: (chunk: Buffer) => void): Decompressor {
  let start: Buffer = Buffer.alloc(0);
  let stage: Decompressor | undefined;

  async function choose(): Promise<Decompressor> {
    stage = stageFor(sniffCodec(start), onOutput);
    await stage.write(start);
    return stage;
  }

  return {
    async write(chunk) {
      if (stage !== undefined) return stage.write(chunk);
      start = Buffer.concat([start, chunk]);
      if (start.length >= MAGIC_BYTES) await choose();
    },
    async end() {
      await (stage ?? (await choose())).end();
    },
    destroy: () => stage?.destroy(),
  };
}

function stageFor(codec: Codec, onOutput: (chunk: Buffer) => void): Decompressor {
  if (codec === 'none') return { write: async (chunk) => onOutput(chunk), end: async () => {}, destroy() {} };
  if (codec === 'gzip') return gunzipStage(onOutput);
  throw new FetchError('ERR_COMPRESSION', `${codec} compression is not supported by this version`, {
    stage: 'convert',
  });
}

function gunzipStage(onOutput: (chunk: Buffer) => void): Decompressor {
  const gunzip = createGunzip({ chunkSize: OUTPUT_CHUNK_BYTES });
  let failure: FetchError | undefined;
  gunzip.on('data', (chunk: Buffer) => {
    if (failure !== undefined) return;
    try {
      onOutput(chunk);
    } catch (error) {
      // Thrown from here it would end the process.
      failure = toFetchError(error, 'convert');
      gunzip.destroy(failure);
    }
  });
  gunzip.on('error', (error) => {
    failure ??= compressionError(error);
  });
  /** Also settles when the stream is destroyed, with which it calls no callback back. */
  const settled = (begin: (done: () => void) => void): Promise<void> =>
    new Promise((resolve, reject) => {
      const finish = (): void => {
        gunzip.off('close', finish);
        if (failure === undefined) resolve();
        else reject(failure);
      };
      gunzip.on('close', finish);
      begin(finish);
    });
  return {
    async write(chunk) {
      if (failure !== undefined) throw failure;
      await settled((done) => gunzip.write(chunk, done));
    },
    async end() {
      if (failure !== undefined) throw failure;
      await settled((done) => gunzip.once('end', done).end());
    },
    destroy: () => void gunzip.destroy(),
  };
}

function compressionError(error: unknown): FetchError {
  if (isFetchError(error)) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new FetchError('ERR_COMPRESSION', `malformed gzip data: ${reason}`, {
    stage: 'convert',
    cause: error,
  });
}
