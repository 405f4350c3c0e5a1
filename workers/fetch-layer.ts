/** The task that downloads or reads a layer, checks it, and writes it converted, all while it arrives. */

import { createHash } from 'node:crypto';
import { closeSync, fdatasync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import { createDecompressor } from '../src/codec/decompress.js';
import type { Output } from '../src/codec/stage.js';
import { createLayerConverter } from '../src/convert/layer.js';
import { formatIndexLine } from '../src/convert/layer-index.js';
import { FetchError, storageError, throwIfAborted } from '../src/errors.js';
import type { FetchLayerInput, TaskContext, TaskHandler } from '../src/tasks/contract.js';
import { blobCounters } from '../src/tasks/counters.js';
import { appendFile } from './append-file.js';
import { downloadBlob } from './download-blob.js';
import { openFileRange, openPartialFile, type ReadableBytes, replay } from './partial-file.js';
import { createTurns } from './turns.js';

const sync = promisify(fdatasync);

/** Wire bytes inflated in one turn: some 8 ms of work. */
const SLICE_BYTES = 1024 * 1024;

/** Shared by the tasks of this thread: on a fast link they would else inflate all layers at the speed of none. */
const turns = createTurns();

/**
 * Followers may read the two files up to the counters at once; nothing of it counts before the task resolves,
 * which it does only when digest and size were right and both files are synced.
 */
export const fetchLayer: TaskHandler<'fetchLayer'> = async (input, context) => {
  const { source, digest, sizeBytes } = input;
  const counters = blobCounters(input.counters);
  const bytes = openBytes(input, context);
  const output = openOutput(input);
  try {
    const resumedBytes = bytes.resumedBytes;
    context.note({ note: 'opened', sizeBytes, resumedBytes });
    const hash = createHash(digest.startsWith('sha512') ? 'sha512' : 'sha256');
    const isOfContent = source.kind === 'file' && source.digestOf === 'content';
    const onOutput = (chunk: Buffer): void => {
      if (isOfContent) hash.update(chunk);
      output.converter.push(chunk);
    };
    const inflating = startInflating({ ...input, bytes, onOutput }, context.signal);
    let downloadedBytes: number;
    try {
      downloadedBytes = await bytes.fetch(async (chunk) => {
        if (!isOfContent) hash.update(chunk);
        counters.set('wireBytes', bytes.size());
        inflating.more();
      });
      if (isOfContent) await inflating.done;
      if (hash.digest('hex') !== digest.slice(digest.indexOf(':') + 1)) {
        bytes.remove();
        throw new FetchError('ERR_DIGEST_MISMATCH', `layer ${digest}: the content has another digest`, {
          stage: 'verify',
        });
      }
    } catch (error) {
      await inflating.stop();
      throw error;
    }
    // Malformed content is only reported now that it is known to be what the image names.
    await inflating.done;
    output.converter.end();
    output.flush();
    counters.setState('complete');
    await output.sync();
    bytes.remove();
    return { downloadedBytes, resumedBytes };
  } finally {
    output.close();
    bytes.close();
  }
};

interface LayerBytes extends ReadableBytes {
  readonly resumedBytes: number;
  /** Hands out every byte, those that are here already first; resolves to how many came over the network. */
  fetch(onChunk: (chunk: Buffer) => Promise<void>): Promise<number>;
  /** What was kept for another attempt is not needed any more. */
  remove(): void;
  close(): void;
}

function openBytes({ source, sizeBytes }: FetchLayerInput, context: TaskContext): LayerBytes {
  if (source.kind === 'file') {
    const range = openFileRange(source.file);
    return {
      ...range,
      resumedBytes: 0,
      async fetch(onChunk) {
        await replay(range, onChunk, context.signal);
        return 0;
      },
      remove() {},
    };
  }
  const partial = openPartialFile(source.partialFile);
  if (partial.size() > sizeBytes) partial.clear();
  return {
    ...partial,
    resumedBytes: partial.size(),
    async fetch(onChunk) {
      await replay(partial, onChunk, context.signal);
      return downloadBlob({ request: source.request, sizeBytes, partial, onChunk }, context);
    },
  };
}

interface InflatingInput extends Pick<FetchLayerInput, 'sizeBytes' | 'priority'> {
  readonly bytes: ReadableBytes;
  readonly onOutput: Output;
}

interface Inflating {
  /** More bytes are here. */
  more(): void;
  /** Ends early; resolves when nothing is written any more. */
  stop(): Promise<void>;
  /** Resolves when the whole layer is converted. */
  readonly done: Promise<void>;
}

/** Inflates and converts the layer from its file, behind the download but independent of its pace. */
function startInflating(
  { sizeBytes, priority, bytes, onOutput }: InflatingInput,
  signal: AbortSignal,
): Inflating {
  const decompressor = createDecompressor(onOutput);
  const buffer = Buffer.allocUnsafeSlow(SLICE_BYTES);
  let isStopped = false;
  let wake = (): void => {};

  async function run(): Promise<void> {
    try {
      for (let at = 0; at < sizeBytes && !isStopped; ) {
        if (bytes.size() === at) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        await turns.take(priority, async () => {
          throwIfAborted(signal);
          const length = bytes.read(buffer, at, Math.min(SLICE_BYTES, bytes.size() - at));
          await decompressor.write(buffer.subarray(0, length));
          at += length;
        });
      }
      if (isStopped) return;
      await decompressor.end();
    } finally {
      decompressor.destroy();
    }
  }

  const done = run();
  done.catch(() => undefined);
  return {
    more: () => wake(),
    async stop() {
      isStopped = true;
      wake();
      await done.catch(() => undefined);
    },
    done,
  };
}

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
