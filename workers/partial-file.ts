/** The bytes of an unfinished download, kept so that the next attempt, or the next run, goes on with what is missing. */

import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  writevSync,
} from 'node:fs';
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { promisify } from 'node:util';
import { FetchError, storageError, throwIfAborted } from '../src/errors.js';
import { addSpan, missingIn, prefixEnd, type Span } from '../src/http/part-plan.js';
import { partialFiles, partialRecordFile, unfinishedRecordFile } from '../src/store/layout.js';
import { bootId } from '../src/store/owner.js';
import { type PartialRecord, parsePartialRecord } from '../src/store/records.js';
import type { FileRange } from '../src/types.js';

const sync = promisify(fdatasync);

export interface ReadableBytes {
  /** How many bytes are there. */
  size(): number;
  /** Reads up to `length` bytes from `offset` into the front of `target`; returns how many. */
  read(target: Buffer, offset: number, length: number): number;
}

/** What the bytes are of, as far as the server told it. */
export type PartialFacts = Pick<PartialRecord, 'etag' | 'lastModified' | 'totalBytes' | 'isAuthenticated'>;

/** Its size is that of the part from the beginning on that has no gap. */
export interface PartialFile extends ReadableBytes {
  /** Undefined where nothing is known of them. */
  facts(): PartialFacts | undefined;
  /** Begins again from nothing, with what this is of. */
  begin(facts: PartialFacts | undefined): void;
  /** What is written from now on may be from anybody; noted at once. */
  noteUnauthenticated(): void;
  received(): readonly Span[];
  /** One after another from `at` on. Bytes that are there already stay as they are: a reader may have hashed them. */
  write(chunks: readonly Buffer[], at: number): void;
  /** Notes what is there, so that a process that is killed loses little of it. */
  save(): void;
  /** The same against a loss of power. Notes nothing where the bytes are not `isOurs` any more when they are on the disk. */
  checkpoint(isOurs: () => boolean): Promise<void>;
  close(): void;
  remove(): void;
}

const REPLAY_BYTES = 1024 * 1024;

/** Hands out what is there from `start` on in pieces of a megabyte, each good until its promise resolves. */
export async function replay(
  bytes: ReadableBytes,
  onChunk: (chunk: Buffer) => Promise<void>,
  signal: AbortSignal,
  start = 0,
): Promise<void> {
  const chunk = Buffer.allocUnsafe(REPLAY_BYTES);
  const sizeBytes = bytes.size();
  for (let at = start; at < sizeBytes; ) {
    throwIfAborted(signal);
    const got = bytes.read(chunk, at, Math.min(REPLAY_BYTES, sizeBytes - at));
    at += got;
    await onChunk(chunk.subarray(0, got));
    await yieldToEvents();
  }
}

/** A range of a file that is whole already. @throws (from all) FetchError of exit code 8 */
export function openFileRange({ path, offset, sizeBytes }: FileRange): ReadableBytes & { close(): void } {
  const fd = atFile(path, () => openSync(path, constants.O_RDONLY));
  return {
    size: () => sizeBytes,
    read: (target, at, length) => readAt(fd, path, target, offset + at, length),
    close: () => closeSync(fd),
  };
}

function readAt(fd: number, path: string, target: Buffer, position: number, length: number): number {
  const got = atFile(path, () => readSync(fd, target, 0, length, position));
  if (got === 0) throw cutError(path);
  return got;
}

/** Someone else has cut the file. */
export function cutError(path: string): FetchError {
  return new FetchError('ERR_IO', `${path} has become shorter`, { stage: 'store' });
}

/** @throws FetchError of exit code 8 for what `action` meets */
export function atFile<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw storageError(error, `cannot use ${path}`);
  }
}

/** The caller holds the lock of the download. @throws (from all) FetchError of exit code 8 */
export function openPartialFile(path: string): PartialFile {
  const attempt = <T>(action: () => T): T => atFile(path, action);
  const recordFile = partialRecordFile(path);
  const fd = attempt(() => openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644));
  const found = readRecord(recordFile);
  const foundBytes = attempt(() => fstatSync(fd).size);
  let received = spansOf(found, foundBytes);
  // What nothing is there of may be something else by now.
  let record = received.length === 0 ? undefined : found;
  // What is behind the last span is of no use, and the size shall tell what is there again.
  const keptBytes = received.at(-1)?.end ?? 0;
  if (foundBytes !== keptBytes) attempt(() => ftruncateSync(fd, keptBytes));
  let synced: readonly Span[] = record?.synced ?? [];
  let isInOrder = prefixEnd(received) === (received.at(-1)?.end ?? 0);

  function writeRecord(): void {
    const { etag, lastModified, totalBytes, isAuthenticated } = record ?? {};
    record = {
      etag,
      lastModified,
      totalBytes,
      isAuthenticated,
      bootId: bootId(),
      received: isInOrder ? undefined : received,
      synced,
    };
    const text = JSON.stringify(record);
    attempt(() => {
      // A record that is half written would be none.
      writeFileSync(unfinishedRecordFile(recordFile), text);
      renameSync(unfinishedRecordFile(recordFile), recordFile);
    });
  }

  // Else it would say of what comes now that it is not there.
  if (record !== undefined && (record.received !== undefined || !isOfThisBoot(record))) writeRecord();

  return {
    size: () => prefixEnd(received),
    facts: () => record,
    begin({ etag, lastModified, totalBytes, isAuthenticated } = {}) {
      attempt(() => ftruncateSync(fd, 0));
      received = [];
      synced = [];
      isInOrder = true;
      record = { etag, lastModified, totalBytes, isAuthenticated };
      writeRecord();
    },
    noteUnauthenticated() {
      if (record?.isAuthenticated !== true) return;
      record = { ...record, isAuthenticated: false };
      writeRecord();
    },
    received: () => received,
    write(chunks, at) {
      const end = chunks.reduce((sum, chunk) => sum + chunk.length, at);
      if (at !== prefixEnd(received) && isInOrder) {
        // From here on the size of the file does not tell what is there.
        isInOrder = false;
        writeRecord();
      }
      for (const span of missingIn(received, { start: at, end })) {
        attempt(() => writeAll(fd, within(chunks, at, span), span.start));
      }
      received = addSpan(received, { start: at, end });
    },
    read: (target, offset, length) => readAt(fd, path, target, offset, length),
    save() {
      if (!isInOrder) writeRecord();
    },
    async checkpoint(isOurs) {
      const there = received;
      await sync(fd).catch((error: unknown) => {
        throw storageError(error, `cannot write ${path}`);
      });
      if (!isOurs()) return;
      synced = there;
      writeRecord();
    },
    close: () => closeSync(fd),
    remove: () => attempt(() => removePartial(path)),
  };
}

/** What of the chunks, which begin at `at`, lies in the span. */
function within(chunks: readonly Buffer[], at: number, { start, end }: Span): Buffer[] {
  const found: Buffer[] = [];
  let offset = at;
  for (const chunk of chunks) {
    const part = chunk.subarray(Math.max(0, start - offset), Math.max(0, end - offset));
    if (part.length > 0) found.push(part);
    offset += chunk.length;
  }
  return found;
}

function writeAll(fd: number, chunks: readonly Buffer[], position: number): void {
  let left = chunks;
  for (let at = position; left.length > 0; ) {
    const written = writevSync(fd, left, at);
    left = within(left, at, { start: at + written, end: Number.POSITIVE_INFINITY });
    at += written;
  }
}

/** With what is known of it. */
export function removePartial(path: string): void {
  for (const file of partialFiles(path)) rmSync(file, { force: true });
}

function readRecord(path: string): PartialRecord | undefined {
  try {
    return parsePartialRecord(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * What was not synced may be anything after a loss of power. A file that has become shorter has less than its record
 * says, and one without a record nothing.
 */
function spansOf(record: PartialRecord | undefined, sizeBytes: number): readonly Span[] {
  if (record === undefined) return [];
  const inOrder = [{ start: 0, end: sizeBytes }];
  const spans = isOfThisBoot(record) ? (record.received ?? inOrder) : (record.synced ?? []);
  return spans.reduce<readonly Span[]>(
    (all, { start, end }) => addSpan(all, { start, end: Math.min(end, sizeBytes) }),
    [],
  );
}

/** Where that cannot be told, a loss of power may have been in between. */
function isOfThisBoot(record: PartialRecord): boolean {
  return record.bootId !== undefined && record.bootId === bootId();
}
