/** Reads an image out of its parts, the one way in which export, extract and verify do. */

import { closeSync, openSync, readSync } from 'node:fs';
import { errnoOf, FetchError, storageError } from '../errors.js';
import type { StoreLayout } from './layout.js';
import type { Extent } from './records.js';

/** An extent with the path of its blob, for threads that know no store. */
export type ExtentPart =
  | { readonly bytes: Uint8Array }
  | { readonly file: string; readonly offset: number; readonly sizeBytes: number };

export function partsOf(extents: readonly Extent[], layout: StoreLayout): ExtentPart[] {
  return extents.map((extent) =>
    'bytes' in extent
      ? extent
      : { file: layout.blobFile(extent.blob), offset: extent.offset, sizeBytes: extent.sizeBytes },
  );
}

/** Cuts the parts to `sizeBytes` from `offset` on. */
export function sliceParts(parts: readonly ExtentPart[], offset: number, sizeBytes: number): ExtentPart[] {
  const sliced: ExtentPart[] = [];
  let start = 0;
  for (const part of parts) {
    const length = 'bytes' in part ? part.bytes.length : part.sizeBytes;
    const from = Math.max(0, offset - start);
    const to = Math.min(length, offset + sizeBytes - start);
    if (from < to) {
      if ('bytes' in part) sliced.push({ bytes: part.bytes.subarray(from, to) });
      else sliced.push({ file: part.file, offset: part.offset + from, sizeBytes: to - from });
    }
    start += length;
  }
  return sliced;
}

export function imageDamaged(id: string, cause?: unknown): FetchError {
  return new FetchError('ERR_STORE_DAMAGED', `image ${id} in the store is damaged`, {
    stage: 'store',
    hint: 'remove it with: aci image rm, and fetch it again',
    cause,
  });
}

const READ_BYTES = 1024 * 1024;

/** The bytes of an image in order; each piece is new memory. @throws FetchError ERR_STORE_DAMAGED */
export async function* readParts(parts: readonly ExtentPart[]): AsyncGenerator<Buffer> {
  for (const part of parts) {
    if ('bytes' in part) {
      yield Buffer.from(part.bytes.buffer, part.bytes.byteOffset, part.bytes.byteLength);
      continue;
    }
    const fd = openPart(part.file);
    try {
      for (let at = 0; at < part.sizeBytes; ) {
        const chunk = Buffer.allocUnsafe(Math.min(READ_BYTES, part.sizeBytes - at));
        const got = readSync(fd, chunk, 0, chunk.length, part.offset + at);
        if (got === 0)
          throw new FetchError('ERR_STORE_DAMAGED', `${part.file} is too short`, { stage: 'store' });
        at += got;
        yield chunk.subarray(0, got);
      }
    } finally {
      closeSync(fd);
    }
  }
}

function openPart(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') {
      throw new FetchError('ERR_STORE_DAMAGED', `${path} is gone`, { stage: 'store', cause: error });
    }
    throw storageError(error, `cannot read ${path}`);
  }
}
