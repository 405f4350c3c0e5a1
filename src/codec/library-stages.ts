/** The codecs that Node lacks, through libraries that are loaded when an image needs them. */

import { compressionError, type Output, type Stage } from './stage.js';

/** zstd for Node before 22.15 (RFC 8878): any number of frames, skippable ones too. */
export async function fzstdStage(onOutput: Output): Promise<Stage> {
  const { Decompress } = await import('fzstd');
  const stream = new Decompress((chunk) => {
    if (chunk.length > 0) onOutput(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
  });
  const push = (chunk: Uint8Array, isLast: boolean): void => {
    try {
      stream.push(chunk, isLast);
    } catch (error) {
      throw compressionError('zstd', error);
    }
  };
  return {
    // It keeps parts of what it was given.
    write: async (chunk) => push(Uint8Array.from(chunk), false),
    end: async () => push(new Uint8Array(0), true),
    destroy() {},
  };
}

type XzModule = typeof import('xz-decompress');

/** xz, a single stream of any number of blocks. */
export async function xzStage(onOutput: Output): Promise<Stage> {
  const input = inputStream();
  const reader = await openXz(input);
  let failure: unknown;
  let isDone = false;
  const pump = async (): Promise<void> => {
    for (let result = await reader.read(); !result.done; result = await reader.read()) {
      const { value } = result;
      if (value.length > 0) onOutput(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
    }
    isDone = true;
  };
  const pumping = pump().catch((error: unknown) => {
    failure = error;
  });
  return {
    async write(chunk) {
      if (failure === undefined && !isDone) await Promise.race([input.put(Uint8Array.from(chunk)), pumping]);
      else if (isDone && chunk.some((byte) => byte !== 0)) failure = new Error('data after the stream');
      if (failure !== undefined) throw compressionError('xz', failure);
    },
    async end() {
      input.close();
      await pumping;
      if (failure !== undefined) throw compressionError('xz', failure);
    },
    destroy() {
      reader.cancel().catch(() => undefined);
    },
  };
}

/** Settles when the last stream that was opened has its own instance. */
let opening: Promise<unknown> = Promise.resolve();

/**
 * The library runs one stream at a time in a thread, on one instance under a lock: a stream that holds the turn of
 * its thread would wait for ever for one that waits for the turn. So each gets an instance, one after another.
 */
async function openXz(input: InputStream): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  const { default: library } = (await import('xz-decompress')) as unknown as { default: XzModule };
  const opened = opening.then(async () => {
    const unlocked = { acquire: async () => {}, release() {} };
    Object.assign(library.XzReadableStream, {
      _contextMutex: unlocked,
      _moduleInstance: undefined,
      _moduleInstancePromise: undefined,
    });
    const reader = new library.XzReadableStream(input.stream).getReader();
    await Promise.race([input.wanted, reader.closed]);
    return reader;
  });
  opening = opened.catch(() => undefined);
  return opened;
}

type InputStream = ReturnType<typeof inputStream>;

/** A stream that takes what it is given; `put` resolves when the reader asks for more. */
function inputStream() {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  let wake = (): void => {};
  let onWanted = (): void => {};
  const wanted = new Promise<void>((resolve) => {
    onWanted = resolve;
  });
  const stream = new ReadableStream<Uint8Array>(
    {
      start(given) {
        controller = given;
      },
      pull() {
        onWanted();
        wake();
      },
    },
    { highWaterMark: 0 },
  );
  return {
    stream,
    /** Resolves when the reader first asks for input. */
    wanted,
    put(chunk: Uint8Array): Promise<void> {
      return new Promise((resolve) => {
        controller?.enqueue(chunk);
        wake = resolve;
      });
    },
    close() {
      try {
        controller?.close();
      } catch {
        // Cancelled by a reader that has failed.
      }
    },
  };
}
