/** The task that downloads a layer, checks it, and writes it converted, in one pass over the bytes. */

import { createHash } from 'node:crypto';
import { closeSync, fdatasync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import { createDecompressor } from '../src/codec/decompress.js';
import { createLayerConverter } from '../src/convert/layer.js';
import { formatIndexLine } from '../src/convert/layer-index.js';
import { FetchError, storageError, toFetchError } from '../src/errors.js';
import type { FetchLayerInput, TaskHandler } from '../src/tasks/contract.js';
import { blobCounters } from '../src/tasks/counters.js';
import { appendFile } from './append-file.js';
import { downloadBlob } from './download-blob.js';
import { openPartialFile } from './partial-file.js';

const sync = promisify(fdatasync);

/**
 * Followers may read the two files up to the counters at once; nothing of it counts before the task resolves,
 * which it does only when digest and size were right and both files are synced.
 */
export const fetchLayer: TaskHandler<'fetchLayer'> = async (input, context) => {
  const counters = blobCounters(input.counters);
  const partial = openPartialFile(input.partialFile);
  const output = openOutput(input);
  const decompressor = createDecompressor((chunk) => output.converter.push(chunk));
  const [algorithm = 'sha256', expectedHex] = input.digest.split(':');
  const hash = createHash(algorithm);
  let malformed: FetchError | undefined;

  /** Malformed content is only reported once the digest has shown that it is what the image names. */
  async function decode(step: () => Promise<void>): Promise<void> {
    if (malformed !== undefined) return;
    try {
      await step();
    } catch (error) {
      malformed = toFetchError(error, 'convert');
      if (malformed.exitCode !== 7) throw malformed;
    }
  }

  async function take(chunk: Buffer): Promise<void> {
    hash.update(chunk);
    counters.set('wireBytes', partial.size());
    await decode(() => decompressor.write(chunk));
  }

  try {
    if (partial.size() > input.sizeBytes) partial.clear();
    const resumedBytes = partial.size();
    context.note({ note: 'opened', sizeBytes: input.sizeBytes, resumedBytes });
    await partial.replay(take, context.signal);
    const { request, sizeBytes } = input;
    const downloadedBytes = await downloadBlob({ request, sizeBytes, partial, onChunk: take }, context);
    if (hash.digest('hex') !== expectedHex) {
      partial.remove();
      throw new FetchError('ERR_DIGEST_MISMATCH', `layer ${input.digest}: the content has another digest`, {
        stage: 'verify',
      });
    }
    await decode(async () => {
      await decompressor.end();
      output.converter.end();
    });
    if (malformed !== undefined) throw malformed;
    output.flush();
    counters.setState('complete');
    await output.sync();
    partial.remove();
    return { downloadedBytes, resumedBytes };
  } finally {
    decompressor.destroy();
    output.close();
    partial.close();
  }
};

function openOutput({ tarFile, indexFile, counters: memory }: FetchLayerInput) {
  const counters = blobCounters(memory);
  const tarFd = openForWriting(tarFile);
  const indexFd = openForWriting(indexFile);
  const index = appendFile(indexFd, (sizeBytes) => counters.set('indexBytes', sizeBytes));
  const tar = appendFile(tarFd, (sizeBytes) => {
    // Entries first, so that followers know what the bytes are.
    index.flush();
    counters.set('tarBytes', sizeBytes);
    counters.publish();
  });
  const converter = createLayerConverter({
    write: (bytes) => tar.write(bytes),
    index: (entry) => index.write(Buffer.from(formatIndexLine(entry))),
  });
  return {
    converter,
    flush: () => tar.flush(),
    async sync() {
      await Promise.all([sync(tarFd), sync(indexFd)]).catch((error: unknown) => {
        throw storageError(error, 'cannot write to the store');
      });
    },
    close() {
      closeSync(tarFd);
      closeSync(indexFd);
    },
  };
}

function openForWriting(path: string): number {
  try {
    return openSync(path, 'r+');
  } catch (error) {
    throw storageError(error, `cannot write ${path}`);
  }
}
