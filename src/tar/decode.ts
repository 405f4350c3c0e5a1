/** Decodes one 512-byte tar header block with the extensions that preceded it. */

import { FetchError } from '../errors.js';
import { BLOCK_BYTES, type ByteString, displayPath, type EntryType, type TarEntry } from './entry.js';
import { type PaxRecords, paxInteger, paxTime } from './pax.js';

/** What `x`, `L` and `K` entries said about the next header. */
export interface Extensions {
  readonly pax: PaxRecords;
  readonly longPath?: ByteString | undefined;
  readonly longLink?: ByteString | undefined;
}

/** As long as a path can be on Linux (PATH_MAX). Longer ones could not be unpacked, only cost time. */
const MAX_PATH_BYTES = 4096;

const XATTR_PREFIX = 'SCHILY.xattr.';

/** The type flag of a header whose checksum is right. @throws FetchError ERR_TAR_INVALID */
export function checkedTypeFlag(block: Buffer): string {
  let unsigned = 0;
  let signed = 0;
  for (let i = 0; i < BLOCK_BYTES; i++) {
    const byte = i >= 148 && i < 156 ? 0x20 : (block[i] as number);
    unsigned += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  const stored = number(block, 148, 8, 'checksum');
  if (stored !== unsigned && stored !== signed) throw invalid('the checksum of a header is wrong');
  return String.fromCharCode(block[156] as number);
}

/** The size field alone, for the extension headers themselves. */
export function headerSize(block: Buffer): number {
  return number(block, 124, 12, 'size');
}

/** @throws FetchError ERR_TAR_INVALID, also for kinds of entries that no layer may have */
export function decodeHeader(block: Buffer, typeFlag: string, extensions: Extensions): TarEntry {
  const { pax } = extensions;
  // Where both formats name it GNU's counts, as in all that builds on Go's archive/tar; GNU tar has it otherwise.
  const path = pax.get('GNU.sparse.name') || extensions.longPath || pax.get('path') || ustarPath(block);
  if (path === '') throw invalid('an entry without a path');
  const type = entryType(typeFlag, path);
  const linkPath = extensions.longLink || pax.get('linkpath') || text(block, 157, 100);
  const time = paxTime(pax) ?? { seconds: number(block, 136, 12, 'mtime', true), nanoseconds: 0 };
  const isDevice = type === 'char' || type === 'block';
  const isLink = type === 'hardlink' || type === 'symlink';
  for (const name of [path, linkPath]) {
    if (name.length > MAX_PATH_BYTES) {
      const message = `a path of ${name.length} bytes in an archive`;
      throw new FetchError('ERR_LIMIT', message, { stage: 'convert' });
    }
  }
  if (isLink && linkPath === '') throw invalid(`${displayPath(path)}: a link without a target`);
  return {
    path,
    type,
    mode: number(block, 100, 8, 'mode') & 0o7777,
    uid: paxInteger(pax, 'uid') ?? number(block, 108, 8, 'uid'),
    gid: paxInteger(pax, 'gid') ?? number(block, 116, 8, 'gid'),
    // Other kinds have no content, whatever the field says (Go's archive/tar and GNU tar agree).
    sizeBytes: type === 'file' ? (paxInteger(pax, 'size') ?? headerSize(block)) : 0,
    mtimeSeconds: time.seconds,
    mtimeNanoseconds: time.nanoseconds,
    linkPath: isLink ? linkPath : '',
    deviceMajor: isDevice ? deviceNumber(block, 329, 'device major') : 0,
    deviceMinor: isDevice ? deviceNumber(block, 337, 'device minor') : 0,
    xattrs: xattrsOf(pax),
  };
}

function entryType(typeFlag: string, path: ByteString): EntryType {
  switch (typeFlag) {
    case '0':
    case '\0':
    case '7':
    case 'S':
      // Version 7 archives know no directories; the slash is their mark.
      return path.endsWith('/') ? 'directory' : 'file';
    case '1':
      return 'hardlink';
    case '2':
      return 'symlink';
    case '3':
      return 'char';
    case '4':
      return 'block';
    case '5':
      return 'directory';
    case '6':
      return 'fifo';
    default:
      throw invalid(`${displayPath(path)}: entries of type ${JSON.stringify(typeFlag)} are not supported`);
  }
}

/** No PAX record holds one, so it must fit the octal field that it is written to again; Linux has 20 bits. */
function deviceNumber(block: Buffer, offset: number, what: string): number {
  const value = number(block, offset, 8, what);
  if (value > 0o7777777) throw invalid(`${what} is out of range`);
  return value;
}

function xattrsOf(pax: PaxRecords): ReadonlyMap<ByteString, ByteString> {
  const xattrs = new Map<ByteString, ByteString>();
  for (const [key, value] of pax) {
    if (key.startsWith(XATTR_PREFIX)) xattrs.set(key.slice(XATTR_PREFIX.length), value);
  }
  return xattrs;
}

function ustarPath(block: Buffer): ByteString {
  const name = text(block, 0, 100);
  // Only POSIX headers have a prefix; GNU's ("ustar  ") keep other things in its place.
  const isPosix = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isPosix ? text(block, 345, 155) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

function text(block: Buffer, offset: number, length: number): ByteString {
  const field = block.toString('latin1', offset, offset + length);
  const end = field.indexOf('\0');
  return end < 0 ? field : field.slice(0, end);
}

/**
 * An octal field, or a base-256 one (GNU) when its first bit is set; empty is 0.
 * @throws FetchError ERR_TAR_INVALID
 */
export function number(
  block: Buffer,
  offset: number,
  length: number,
  what: string,
  allowNegative = false,
): number {
  const first = block[offset] as number;
  if ((first & 0x80) !== 0) {
    const negative = (first & 0x40) !== 0;
    let value = BigInt(negative ? (first & 0x3f) - 0x40 : first & 0x3f);
    for (let i = offset + 1; i < offset + length; i++) value = value * 256n + BigInt(block[i] as number);
    const result = Number(value);
    if (!Number.isSafeInteger(result) || (result < 0 && !allowNegative))
      throw invalid(`${what} is out of range`);
    return result;
  }
  const digits = text(block, offset, length).trim();
  if (digits === '') return 0;
  if (!/^[0-7]+$/.test(digits)) throw invalid(`${what} is not a number`);
  return Number.parseInt(digits, 8);
}

function invalid(what: string): FetchError {
  return new FetchError('ERR_TAR_INVALID', `malformed tar: ${what}`, { stage: 'convert' });
}
