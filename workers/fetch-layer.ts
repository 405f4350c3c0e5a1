/** The task that downloads a layer, checks it, and writes it converted, both while it arrives. */

import { createHash } from 'node:crypto';
import { closeSync, fdatasync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import { createDecompressor } from '../src/codec/decompress.js';
import { createLayerConverter } from '../src/convert/layer.js';
import { formatIndexLine } from '../src/convert/layer-index.js';
import { FetchError, storageError } from '../src/errors.js';
import type { TarParser } from '../src/tar/parser.js';
import type { FetchLayerInput, TaskHandler } from '../src/tasks/contract.js';
import { blobCounters } from '../src/tasks/counters.js';
import { appendFile } from './append-file.js';
import { downloadBlob } from './download-blob.js';
import { openPartialFile, type PartialFile } from './partial-file.js';
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
  const { request, digest, sizeBytes } = input;
  const counters = blobCounters(input.counters);
  const partial = openPartialFile(input.partialFile);
  const output = openOutput(input);
  try {
    if (partial.size() > sizeBytes) partial.clear();
    const resumedBytes = partial.size();
    context.note({ note: 'opened', sizeBytes, resumedBytes });
    const inflating = startInflating(input, partial, output.converter);
    const hash = createHash(digest.startsWith('sha512') ? 'sha512' : 'sha256');
    async function take(chunk: Buffer): Promise<void> {
      hash.update(chunk);
      counters.set('wireBytes', partial.size());
      inflating.more();
    }
    let downloadedBytes: number;
    try {
      await partial.replay(take, context.signal);
      downloadedBytes = await downloadBlob({ request, sizeBytes, partial, onChunk: take }, context);
      if (hash.digest('hex') !== digest.slice(digest.indexOf(':') + 1)) {
        partial.remove();
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
    output.flush();
    counters.setState('complete');
    await output.sync();
    partial.remove();
    return { downloadedBytes, resumedBytes };
  } finally {
    output.close();
    partial.close();
  }
};

interface Inflating {
  /** The partial file has grown. */
  more(): void;
  /** Ends early; resolves when nothing is written any more. */
  stop(): Promise<void>;
  /** Resolves when the whole layer is converted. */
  readonly done: Promise<void>;
}

/** Inflates and converts the layer from its file, behind the download but independent of its pace. */
function startInflating(input: FetchLayerInput, partial: PartialFile, converter: TarParser): Inflating {
  const decompressor = createDecompressor((chunk) => converter.push(chunk));
  const buffer = Buffer.allocUnsafeSlow(SLICE_BYTES);
  let isStopped = false;
  let wake = (): void => {};

  async function run(): Promise<void> {
    try {
      for (let at = 0; at < input.sizeBytes && !isStopped; ) {
        if (partial.size() === at) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        await turns.take(input.priority, async () => {
          const length = partial.read(buffer, at, Math.min(SLICE_BYTES, partial.size() - at));
          await decompressor.write(buffer.subarray(0, length));
          at += length;
        });
      }
      if (isStopped) return;
      await decompressor.end();
      converter.end();
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
