/** Unpacks with Node alone, where the system has no GNU tar; says what it cannot keep. */

import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { FetchError, storageError } from '../src/errors.js';
import { type ByteString, displayPath, type TarEntry } from '../src/tar/entry.js';
import { parentPath } from '../src/tar/path.js';
import { makeHole, writeFully } from './append-file.js';
import type { ExtractSink } from './extract-sink.js';

/** Metadata of directories is set at the end, for their content changes it. */
export function nodeSink(directory: string): ExtractSink {
  const isRoot = process.getuid?.() === 0;
  const directories: TarEntry[] = [];
  const checkedParents = new Set<ByteString>(['']);
  const special = new Set<ByteString>();
  let withXattrs = 0;
  let fd: number | undefined;
  let position = 0;
  let current: TarEntry | undefined;

  const root = Buffer.from(`${directory}/`).toString('latin1');
  const target = (path: ByteString): Buffer => Buffer.from(root + path, 'latin1');

  /** Makes missing folders, and refuses to write below anything that is not a real folder. */
  function ensureParent(path: ByteString): void {
    const parent = parentPath(path);
    if (checkedParents.has(parent)) return;
    ensureParent(parent);
    const stats = lstatSync(target(parent), { throwIfNoEntry: false });
    if (stats === undefined) mkdirSync(target(parent), 0o755);
    else if (!stats.isDirectory()) throw unsafe(path);
    checkedParents.add(parent);
  }

  function setMetadata(entry: TarEntry): void {
    const path = target(entry.path);
    const time = entry.mtimeSeconds + entry.mtimeNanoseconds / 1e9;
    if (isRoot) (entry.type === 'symlink' ? lchownSync : chownSync)(path, entry.uid, entry.gid);
    // After chown, which clears setuid and setgid.
    if (entry.type !== 'symlink') chmodSync(path, entry.mode);
    // Node takes a negative number for the present time, but not a date.
    const date = time < 0 ? new Date(time * 1000) : time;
    lutimesSync(path, date, date);
  }

  function make(entry: TarEntry): void {
    const path = target(entry.path);
    if (entry.path !== '.') ensureParent(entry.path);
    if (entry.type === 'directory') {
      const stats = lstatSync(path, { throwIfNoEntry: false });
      if (stats === undefined) mkdirSync(path, 0o700);
      else if (!stats.isDirectory()) throw unsafe(entry.path);
      directories.push(entry);
      return;
    }
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) unlinkSync(path);
    if (entry.type === 'file') {
      fd = openSync(
        path,
        constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
        0o600,
      );
      position = 0;
    } else if (entry.type === 'symlink') {
      symlinkSync(Buffer.from(entry.linkPath, 'latin1'), path);
    } else if (entry.type === 'hardlink' && !special.has(entry.linkPath)) {
      ensureParent(entry.linkPath);
      linkSync(target(entry.linkPath), path);
    } else special.add(entry.path);
  }

  function guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      throw storageError(error, 'cannot unpack', 'extract');
    }
  }

  return {
    entry(entry) {
      current = entry;
      if (entry.xattrs.size > 0) withXattrs += 1;
      guarded(() => make(entry));
    },
    data(chunk) {
      if (fd === undefined) return;
      writeFully(fd, chunk, chunk.length, position);
      position += chunk.length;
    },
    hole(sizeBytes) {
      if (fd === undefined) return;
      makeHole(fd, position, sizeBytes);
      position += sizeBytes;
    },
    entryEnd() {
      const entry = current as TarEntry;
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
      if (entry.type === 'file' || entry.type === 'symlink') guarded(() => setMetadata(entry));
    },
    async drained() {},
    async finish() {
      for (const entry of directories.reverse()) guarded(() => setMetadata(entry));
      return [
        ...(isRoot ? [] : ['owners: only root can set them']),
        ...(special.size > 0 ? [`${special.size} device nodes and fifos: that needs GNU tar`] : []),
        ...(withXattrs > 0 ? [`extended attributes of ${withXattrs} entries: that needs GNU tar`] : []),
      ];
    },
    async abort() {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
}

function unsafe(path: ByteString): FetchError {
  const shown = JSON.stringify(displayPath(path));
  return new FetchError('ERR_UNSAFE_PATH', `${shown} lies below something that is not a directory`, {
    stage: 'extract',
  });
}
