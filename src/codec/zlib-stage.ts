/** zstd where Node has it, and gzip where there is no SIMD, through node:zlib and its thread pool. */

import type { Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { type FetchError, toFetchError } from '../errors.js';
import { compressionError, type Output, type Stage } from './stage.js';
import type { ZstdEngine } from './zstd.js';

/** zlib with its default of 16 KiB takes twice the time: each chunk of output is one job of its thread pool. */
const GZIP_CHUNK_BYTES = 256 * 1024;
const ZSTD_CHUNK_BYTES = 1024 * 1024;

/** Several members one after another are one stream (RFC 1952, 2.2); zeros after the last are ignored. */
export function gunzipStage(onOutput: Output): Stage {
  return transformStage('gzip', zlib.createGunzip({ chunkSize: GZIP_CHUNK_BYTES }), onOutput);
}

/** Undefined before Node 22.15. It checks the checksums itself. */
export function nativeZstdEngine(onOutput: Output): ZstdEngine | undefined {
  if (!('createZstdDecompress' in zlib)) return undefined;
  const create = zlib.createZstdDecompress as (options: { chunkSize: number }) => Transform;
  const stage = transformStage('zstd', create({ chunkSize: ZSTD_CHUNK_BYTES }), onOutput);
  return { ...stage, write: ({ bytes }) => stage.write(bytes) };
}

function transformStage(codec: string, transform: Transform, onOutput: Output): Stage {
  let failure: FetchError | undefined;
  let waiting: Buffer[] = [];
  let isDropped = false;
  /** In the next turn: before it the thread pool has got its next job, and works while the output is taken. */
  transform.on('data', (chunk: Buffer) => {
    if (waiting.push(chunk) === 1) setImmediate(handOut);
  });
  function handOut(): void {
    const chunks = waiting;
    waiting = [];
    if (failure !== undefined || isDropped) return;
    try {
      for (const chunk of chunks) onOutput(chunk);
    } catch (error) {
      // Thrown from here it would end the process.
      failure = toFetchError(error, 'convert');
      transform.destroy(failure);
    }
  }
  transform.on('error', (error) => {
    failure ??= compressionError(codec, error);
  });
  /** Also settles when the stream is destroyed, with which it calls no callback back. */
  const settled = (begin: (done: () => void) => void): Promise<void> =>
    new Promise((resolve, reject) => {
      const finish = (): void => {
        transform.off('close', finish);
        if (failure === undefined) resolve();
        else reject(failure);
      };
      transform.on('close', finish);
      begin(finish);
    });
  return {
    async write(chunk) {
      if (failure !== undefined) throw failure;
      await settled((done) => transform.write(chunk, done));
    },
    async end() {
      if (failure !== undefined) throw failure;
      await settled((done) => transform.once('end', done).end());
      handOut();
      if (failure !== undefined) throw failure;
    },
    destroy() {
      isDropped = true;
      transform.destroy();
    },
  };
}
