/** The task that downloads or reads a layer, checks it, and writes it converted, all while it arrives. */

import { createHash, type Hash } from 'node:crypto';
import { closeSync, fdatasync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import { createDecompressor } from '../src/codec/decompress.js';
import type { Output } from '../src/codec/stage.js';
import { createLayerConverter } from '../src/convert/layer.js';
import { formatIndexLine } from '../src/convert/layer-index.js';
import { FetchError, storageError, throwIfAborted } from '../src/errors.js';
import { totalOf } from '../src/http/part-plan.js';
import type {
  FetchLayerInput,
  FetchLayerOutput,
  LocalLayer,
  TaskContext,
  TaskHandler,
} from '../src/tasks/contract.js';
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
  const output = openOutput(input);
  try {
    const bytes = openBytes(input, context);
    try {
      return await convertLayer(input, bytes, output, context);
    } finally {
      bytes.close();
    }
  } finally {
    output.close();
  }
};

async function convertLayer(
  input: FetchLayerInput,
  bytes: LayerBytes,
  output: ReturnType<typeof openOutput>,
  context: TaskContext,
): Promise<FetchLayerOutput> {
  const { digest, sizeBytes } = input;
  const counters = blobCounters(input.counters);
  const { resumedBytes } = bytes;
  context.note({ note: 'opened', sizeBytes, resumedBytes });
  const hash = createHash(digest.startsWith('sha512') ? 'sha512' : 'sha256');
  const inflating = startInflating(
    {
      ...input,
      bytes,
      onInput(chunk, end) {
        if (bytes.digestOf === 'blob') hash.update(chunk);
        if (bytes.isLocal) counters.set('wireBytes', end);
      },
      onOutput(chunk) {
        if (bytes.digestOf === 'content') hash.update(chunk);
        output.converter.push(chunk);
      },
    },
    context.signal,
  );
  const downloadedBytes = await bytes.fetch(inflating).catch(async (error: unknown) => {
    await inflating.stop();
    throw error;
  });
  const malformed = await endOf(inflating, bytes, hash, context.signal);
  if (hash.digest('hex') !== digest.slice(digest.indexOf(':') + 1)) {
    bytes.remove();
    throw new FetchError('ERR_DIGEST_MISMATCH', `layer ${digest}: the content has another digest`, {
      stage: 'verify',
    });
  }
  // Only reported now that it is known to be what the image names.
  if (malformed !== undefined) throw malformed;
  output.converter.end();
  output.flush();
  counters.setState('complete');
  await output.sync();
  bytes.remove();
  return { downloadedBytes, resumedBytes };
}

/**
 * Bytes are hashed as they are inflated, for a file of the user may change in between. When that ends early, which is
 * the error that is returned, the rest is hashed to tell whether it is the layer that was named.
 */
async function endOf(
  inflating: Inflating,
  bytes: LayerBytes,
  hash: Hash,
  signal: AbortSignal,
): Promise<unknown> {
  try {
    await inflating.done;
    return undefined;
  } catch (error) {
    throwIfAborted(signal);
    if (bytes.digestOf === 'content') throw error;
    await replay(bytes, async (chunk) => void hash.update(chunk), signal, inflating.position());
    return error;
  }
}

interface LayerBytes extends ReadableBytes {
  readonly resumedBytes: number;
  /** All of it is here: nothing is fetched. */
  readonly isLocal: boolean;
  readonly digestOf: LocalLayer['digestOf'];
  /** Brings what is missing, and tells the reader; resolves to how many bytes came over the network. */
  fetch(reader: Pick<Inflating, 'more' | 'position'>): Promise<number>;
  /** What was kept for another attempt is not needed any more. */
  remove(): void;
  close(): void;
}

function openBytes(input: FetchLayerInput, context: TaskContext): LayerBytes {
  const { source, sizeBytes } = input;
  if (source.kind === 'file') {
    const { digestOf } = source;
    const range = openFileRange(source.file);
    return { ...range, resumedBytes: 0, isLocal: true, digestOf, fetch: async () => 0, remove() {} };
  }
  const counters = blobCounters(input.counters);
  const partial = openPartialFile(source.partialFile);
  const isOfBlob = partial.facts() !== undefined && (partial.received().at(-1)?.end ?? 0) <= sizeBytes;
  if (!isOfBlob) partial.begin({ totalBytes: sizeBytes });
  const receivedBytes = (): number => totalOf(partial.received());
  counters.set('wireBytes', receivedBytes());
  return {
    ...partial,
    resumedBytes: receivedBytes(),
    isLocal: false,
    digestOf: 'blob',
    fetch: ({ more, position }) =>
      downloadBlob(
        {
          request: source.request,
          sizeBytes,
          partial,
          counters: input.counters,
          onArrival() {
            counters.set('wireBytes', receivedBytes());
            more();
          },
          unreadBytes: () => partial.size() - position(),
        },
        context,
      ),
  };
}

interface InflatingInput extends Pick<FetchLayerInput, 'sizeBytes' | 'priority'> {
  readonly bytes: ReadableBytes;
  /** Gets what is inflated next, with the place where it ends. */
  onInput(chunk: Buffer, end: number): void;
  readonly onOutput: Output;
}

interface Inflating {
  /** More bytes are here. */
  more(): void;
  /** Ends early; resolves when nothing is written any more. */
  stop(): Promise<void>;
  /** How much was handed to `onInput`. */
  position(): number;
  /** Resolves when the whole layer is converted. */
  readonly done: Promise<void>;
}

/** Inflates and converts the layer from its file, behind the download but independent of its pace. */
function startInflating(
  { sizeBytes, priority, bytes, onInput, onOutput }: InflatingInput,
  signal: AbortSignal,
): Inflating {
  const decompressor = createDecompressor(onOutput);
  const buffer = Buffer.allocUnsafeSlow(SLICE_BYTES);
  let at = 0;
  let isStopped = false;
  let wake = (): void => {};

  async function run(): Promise<void> {
    try {
      while (at < sizeBytes && !isStopped) {
        if (bytes.size() === at) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        await turns.take(priority, async () => {
          throwIfAborted(signal);
          const length = bytes.read(buffer, at, Math.min(SLICE_BYTES, bytes.size() - at));
          at += length;
          onInput(buffer.subarray(0, length), at);
          await decompressor.write(buffer.subarray(0, length));
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
    position: () => at,
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
  const indexFd = openForWriting(indexFile, () => closeSync(tarFd));
  const index = appendFile(indexFd, (sizeBytes) => counters.set('indexBytes', sizeBytes));
  const tar = appendFile(tarFd, (sizeBytes) => {
    // Entries first, so that followers know what the bytes are.
    index.flush();
    counters.set('tarBytes', sizeBytes);
    counters.publish();
  });
  const converter = createLayerConverter({
    write: (bytes) => tar.write(bytes),
    hole: (sizeBytes) => tar.zeros(sizeBytes),
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

function openForWriting(path: string, onFailure = (): void => {}): number {
  try {
    return openSync(path, 'r+');
  } catch (error) {
    onFailure();
    throw storageError(error, `cannot write ${path}`);
  }
}
