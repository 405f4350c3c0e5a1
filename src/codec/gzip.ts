/** gzip by the project's own kernel, on this thread: the members, their heads, and what is checked at their ends. */

import { crc32 } from 'node:zlib';
import type { Inflater } from '../../wasm/inflate-kernel.js';
import type { Output, Stage } from './stage.js';
import { type Source, type Steps, steppedStage } from './stepped-stage.js';

/** RFC 1952, 2.3 */
const MAGIC = 0x8b1f;
const DEFLATE = 8;
const HEAD_BYTES = 10;
const TRAILER_BYTES = 8;
const FLAG = { headChecksum: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 } as const;

/** A call takes 64 KiB of input or makes 256 KiB of output at most: these are some two milliseconds. */
const CALLS_A_TURN = 4;

interface Reader {
  readonly inflater: Inflater;
  readonly source: Source;
  /** How often the kernel was called. */
  calls: number;
}

/** Several members one after another are one stream (RFC 1952, 2.2); zeros after the last are ignored. */
export function gzipStage(onOutput: Output, inflater: Inflater): Stage {
  return steppedStage('gzip', function* (source) {
    const reader: Reader = { inflater, source, calls: 0 };
    try {
      do {
        yield* readHead(reader);
        yield* inflateMember(reader, onOutput);
      } while (yield* hasAnotherMember(reader));
      yield* skipZeros(reader);
    } finally {
      inflater.release();
    }
  });
}

/** More input is pending afterwards, or false where there is none. */
function* feed({ inflater, source }: Reader): Generator<'input' | 'turn', boolean> {
  while (source.bytes.length === 0) {
    if (source.isEnded) return false;
    yield 'input';
  }
  source.bytes = source.bytes.subarray(inflater.feed(source.bytes));
  return true;
}

function* feedMore(reader: Reader): Steps {
  if (!(yield* feed(reader))) throw new Error('unexpected end of file');
}

/** At most as many as the input of the kernel holds. Good until the next call. */
function* take(reader: Reader, byteCount: number): Generator<'input' | 'turn', Buffer> {
  const { inflater } = reader;
  while (inflater.pending().length < byteCount) yield* feedMore(reader);
  const taken = inflater.pending().subarray(0, byteCount);
  inflater.skip(byteCount);
  return taken;
}

function* readHead(reader: Reader): Steps {
  const head = yield* take(reader, HEAD_BYTES);
  if (head.readUInt16LE(0) !== MAGIC) throw new Error('incorrect header check');
  if (head[2] !== DEFLATE) throw new Error('unknown compression method');
  const flags = head[3] as number;
  if ((flags & FLAG.reserved) !== 0) throw new Error('unknown header flags set');
  let crc = crc32(head);
  if ((flags & FLAG.extra) !== 0) {
    const lengthField = yield* take(reader, 2);
    const extraBytes = lengthField.readUInt16LE(0);
    crc = crc32(lengthField, crc);
    crc = crc32(yield* take(reader, extraBytes), crc);
  }
  if ((flags & FLAG.name) !== 0) crc = yield* skipText(reader, crc);
  if ((flags & FLAG.comment) !== 0) crc = yield* skipText(reader, crc);
  if ((flags & FLAG.headChecksum) === 0) return;
  if ((yield* take(reader, 2)).readUInt16LE(0) !== (crc & 0xffff)) throw new Error('header crc mismatch');
}

/** Up to a byte of zero, with it. Returns the checksum of what came before and this. */
function* skipText(reader: Reader, crcBefore: number): Generator<'input' | 'turn', number> {
  const { inflater } = reader;
  let crc = crcBefore;
  for (;;) {
    const pending = inflater.pending();
    const end = pending.indexOf(0) + 1;
    const text = end === 0 ? pending : pending.subarray(0, end);
    crc = crc32(text, crc);
    inflater.skip(text.length);
    if (end !== 0) return crc;
    yield* feedMore(reader);
  }
}

function* inflateMember(reader: Reader, onOutput: Output): Steps {
  const { inflater, source } = reader;
  let crc = 0;
  let sizeBytes = 0;
  inflater.start();
  for (let state: ReturnType<Inflater['inflate']> | undefined; state !== 'end'; ) {
    state = inflater.inflate();
    if (state !== 'input' || source.bytes.length === 0) {
      const bytes = inflater.takeOutput();
      crc = crc32(bytes, crc);
      sizeBytes += bytes.length;
      if (bytes.length > 0) onOutput(bytes);
    }
    reader.calls += 1;
    if (reader.calls % CALLS_A_TURN === 0) yield 'turn';
    if (state === 'input') yield* feedMore(reader);
  }
  const trailer = yield* take(reader, TRAILER_BYTES);
  if (trailer.readUInt32LE(0) !== crc) throw new Error('incorrect data check');
  if (trailer.readUInt32LE(4) !== sizeBytes % 2 ** 32) throw new Error('incorrect length check');
}

function* hasAnotherMember(reader: Reader): Generator<'input' | 'turn', boolean> {
  const { inflater } = reader;
  while (inflater.pending().length === 0) if (!(yield* feed(reader))) return false;
  return inflater.pending()[0] !== 0;
}

function* skipZeros(reader: Reader): Steps {
  const { inflater } = reader;
  do {
    const pending = inflater.pending();
    if (pending.some((byte) => byte !== 0)) throw new Error('other bytes after the last member');
    inflater.skip(pending.length);
  } while (yield* feed(reader));
}
