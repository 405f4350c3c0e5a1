/** Reads a converted layer that may still be growing. */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { endOffset, type IndexEntry, parseIndexLine } from '../src/convert/layer-index.js';
import { errnoOf, FetchError, storageError, throwIfAborted } from '../src/errors.js';
import type { LayerFiles } from '../src/tasks/contract.js';
import { blobCounters } from '../src/tasks/counters.js';

export interface LayerFollower {
  /** The next entries, as soon as there are some; undefined at the end of the layer. */
  nextEntries(): Promise<IndexEntry[] | undefined>;
  /** Resolves when bytes after `offset` may be read, to the offset where those end, at most `end`. */
  readableTo(offset: number, end: number): Promise<number>;
  /** Reads exactly `length` bytes into the front of `target`. They must be readable. */
  read(target: Buffer, offset: number, length: number): void;
  close(): void;
}

const INDEX_READ_BYTES = 256 * 1024;

/**
 * `signal` ends every wait with ERR_ABORTED; a layer that failed ends them with ERR_ABORTED too, for its own task
 * tells why.
 * @throws FetchError ERR_STORE_DAMAGED when the files of a stored layer do not fit each other
 */
export function followLayer(files: LayerFiles, signal: AbortSignal): LayerFollower {
  const counters = blobCounters(files.counters);
  const [tarFd, indexFd] = openFiles(files, () => counters.state() === 'failed');
  let indexOffset = 0;
  let rest = '';
  let lastEnd = 0;

  async function waitFor(isReady: () => boolean): Promise<void> {
    for (;;) {
      const version = counters.version();
      if (isReady()) return;
      throwIfAborted(signal);
      if (counters.state() === 'failed') throw layerFailed(files);
      await counters.changed(version);
    }
  }

  async function nextEntries(): Promise<IndexEntry[] | undefined> {
    await waitFor(() => counters.read('indexBytes') > indexOffset || counters.state() === 'complete');
    const length = Math.min(INDEX_READ_BYTES, counters.read('indexBytes') - indexOffset);
    if (length === 0) {
      checkEnd();
      return undefined;
    }
    if (length === INDEX_READ_BYTES) {
      // More is likely to be there at once, and nothing else would give the thread away.
      await yieldToEvents();
      throwIfAborted(signal);
    }
    const buffer = Buffer.allocUnsafe(length);
    readExactly(indexFd, buffer, indexOffset, length);
    indexOffset += length;
    // Lines are ASCII and Latin-1 inside JSON strings written as UTF-8; a cut in a character is carried over as a cut line.
    const lines = (rest + buffer.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    const entries = lines.map(entryOf);
    for (const entry of entries) lastEnd = Math.max(lastEnd, endOffset(entry));
    return entries;
  }

  function entryOf(line: string): IndexEntry {
    try {
      return parseIndexLine(Buffer.from(line, 'latin1').toString('utf8'));
    } catch (cause) {
      throw damaged(cause);
    }
  }

  function checkEnd(): void {
    if (rest !== '' || fstatSync(tarFd).size < lastEnd) throw damaged();
  }

  async function readableTo(offset: number, end: number): Promise<number> {
    await waitFor(() => counters.read('tarBytes') > offset || counters.state() === 'complete');
    const readable = Math.min(end, counters.read('tarBytes'));
    if (readable <= offset) throw damaged();
    return readable;
  }

  function readExactly(fd: number, target: Buffer, offset: number, length: number): void {
    for (let at = 0; at < length; ) {
      let got: number;
      try {
        got = readSync(fd, target, at, length - at, offset + at);
      } catch (error) {
        throw storageError(error, `cannot read layer ${files.digest}`);
      }
      if (got === 0) throw damaged();
      at += got;
    }
  }

  const damaged = (cause?: unknown): FetchError =>
    new FetchError('ERR_STORE_DAMAGED', `layer ${files.digest} in the store is damaged`, {
      stage: 'store',
      hint: 'fetch it again with --no-store',
      cause,
    });

  return {
    nextEntries,
    readableTo,
    read: (target, offset, length) => readExactly(tarFd, target, offset, length),
    close() {
      closeSync(tarFd);
      closeSync(indexFd);
    },
  };
}

/** A layer that has failed is gone, and its own task tells why. */
function openFiles(files: LayerFiles, hasFailed: () => boolean): [tarFd: number, indexFd: number] {
  const fds: number[] = [];
  try {
    for (const paths of [files.tarFiles, files.indexFiles]) fds.push(openFirst(paths));
    return fds as [number, number];
  } catch (error) {
    for (const fd of fds) closeSync(fd);
    throw hasFailed() ? layerFailed(files) : error;
  }
}

function layerFailed({ digest }: LayerFiles): FetchError {
  return new FetchError('ERR_ABORTED', `layer ${digest} failed`, { stage: 'convert' });
}

function openFirst(paths: readonly string[]): number {
  let missing: unknown;
  for (const path of paths) {
    try {
      return openSync(path, 'r');
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw storageError(error, `cannot read ${path}`);
      missing = error;
    }
  }
  throw new FetchError('ERR_STORE_DAMAGED', `${paths.at(-1)} is gone`, { stage: 'store', cause: missing });
}
