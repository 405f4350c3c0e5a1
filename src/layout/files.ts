/** The files of a layout by their names in it, whether they lie in a folder or inside a tar archive. */

import { type FileHandle, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, FetchError, storageError, throwIfAborted } from '../errors.js';
import { BLOCK_BYTES, type ByteString, type TarEntry } from '../tar/entry.js';
import { createTarParser } from '../tar/parser.js';
import { normalizePath, parentPath } from '../tar/path.js';
import type { FileRange } from '../types.js';

export interface LayoutFiles {
  /** Where the bytes of a file lie; undefined when there is no such file. `name` has slashes, none in front. */
  locate(name: string): Promise<FileRange | undefined>;
}

/** Names come from parsed digests and fixed words, so that none leaves the folder. */
export function folderFiles(dir: string): LayoutFiles {
  return {
    async locate(name) {
      const path = join(dir, name);
      try {
        const facts = await stat(path);
        return facts.isFile() ? { path, offset: 0, sizeBytes: facts.size } : undefined;
      } catch (error) {
        const errno = errnoOf(error);
        if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
        throw storageError(error, `cannot read ${path}`, 'resolve');
      }
    },
  };
}

/** More than any image has, and few enough to be remembered. */
const MAX_MEMBERS = 200_000;
/** Of their names and links. */
const MAX_NAMES_BYTES = 64 * 1024 * 1024;
/** Small files and long headers lie one after another. */
const READ_BYTES = 64 * 1024;
/** Links of links have not been seen; a few do no harm. */
const MAX_LINKS = 10;

type Member = FileRange | { readonly link: string };

/**
 * Reads the headers of an uncompressed archive, not what lies between them. Of a name that is there twice the last
 * one counts, and links lead to their targets inside the archive (`docker save` has links between its layers).
 * @throws FetchError ERR_TAR_INVALID, ERR_LIMIT, those of reading files
 */
export async function archiveFiles(path: string, signal: AbortSignal): Promise<LayoutFiles> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw storageError(error, `cannot read ${path}`, 'resolve');
  });
  let members: Map<string, Member>;
  try {
    members = await readMembers(file, path, signal);
  } finally {
    await file.close();
  }
  return {
    async locate(name) {
      let member = members.get(name);
      for (let links = 0; member !== undefined && 'link' in member; links++) {
        member = links < MAX_LINKS ? members.get(member.link) : undefined;
      }
      return member;
    },
  };
}

async function readMembers(
  file: FileHandle,
  path: string,
  signal: AbortSignal,
): Promise<Map<string, Member>> {
  const members = new Map<string, Member>();
  const { size } = await file.stat();
  let at = 0;
  let namesBytes = 0;
  let found: TarEntry | undefined;
  const parser = createTarParser({
    entry: (entry) => {
      found = entry;
    },
    data() {},
    hole() {},
    entryEnd() {},
  });
  const buffer = Buffer.alloc(READ_BYTES);
  let readAt = 0;
  let readBytes = 0;
  while (at < size) {
    if (at + BLOCK_BYTES > readAt + readBytes) {
      throwIfAborted(signal);
      readAt = at;
      ({ bytesRead: readBytes } = await file.read(buffer, 0, READ_BYTES, at));
    }
    const block = buffer.subarray(at - readAt, Math.min(at - readAt + BLOCK_BYTES, readBytes));
    const position = parser.position();
    parser.push(block);
    // The file or the archive is over, however much stands behind that.
    if (parser.position() === position) break;
    at += block.length;
    if (found === undefined) continue;
    const skipped = parser.skipContent();
    const { sizeBytes } = found;
    if (skipped > 0 && at + sizeBytes > size) throw invalid(path, 'it ends in the middle of an entry');
    // What is sparse has no bytes that could be read as they stand.
    if (skipped > 0 || sizeBytes === 0) addMember(members, found, { path, offset: at, sizeBytes });
    namesBytes += found.path.length + found.linkPath.length;
    if (members.size > MAX_MEMBERS || namesBytes > MAX_NAMES_BYTES) {
      const message = `${path} has more than ${MAX_MEMBERS} members, or ${MAX_NAMES_BYTES} bytes of names`;
      throw new FetchError('ERR_LIMIT', message, { stage: 'resolve' });
    }
    at += skipped;
    found = undefined;
  }
  parser.end();
  return members;
}

function addMember(members: Map<string, Member>, entry: TarEntry, range: FileRange): void {
  const name = ownText(normalizePath(entry.path));
  if (entry.type === 'file') members.set(name, range);
  else if (entry.type === 'hardlink') members.set(name, { link: ownText(normalizePath(entry.linkPath)) });
  else if (entry.type === 'symlink') {
    members.set(name, { link: ownText(normalizePath(`${parentPath(name)}/${entry.linkPath}`)) });
  } else members.delete(name);
}

/** A part of a text keeps all of it in memory, which for a name is the PAX header it stood in: up to a mebibyte. */
function ownText(text: ByteString): ByteString {
  return Buffer.from(text, 'latin1').toString('latin1');
}

function invalid(path: string, problem: string): FetchError {
  return new FetchError('ERR_TAR_INVALID', `${path} is not a whole tar archive: ${problem}`, {
    stage: 'resolve',
  });
}

/** All bytes of a file of the layout. @throws FetchError ERR_LIMIT, ERR_IO */
export async function readRange(range: FileRange, maxBytes: number, what: string): Promise<Buffer> {
  const { path, offset, sizeBytes } = range;
  if (sizeBytes > maxBytes) {
    throw new FetchError('ERR_LIMIT', `${what} is larger than ${maxBytes} bytes`, { stage: 'resolve' });
  }
  const bytes = Buffer.alloc(sizeBytes);
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    for (let at = 0; at < sizeBytes; ) {
      const { bytesRead } = await file.read(bytes, at, sizeBytes - at, offset + at);
      if (bytesRead === 0) throw new FetchError('ERR_IO', `${path} has become shorter`, { stage: 'resolve' });
      at += bytesRead;
    }
    return bytes;
  } catch (error) {
    throw storageError(error, `cannot read ${path}`, 'resolve');
  } finally {
    await file?.close();
  }
}
