/** Unpacks through GNU tar, which keeps what Node has no calls for: extended attributes and device nodes. */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, constants } from 'node:fs/promises';
import { promisify } from 'node:util';
import { type ErrorCode, FetchError, throwIfAborted } from '../src/errors.js';
import { encodeHeader, endOfArchive } from '../src/tar/encode.js';
import { type ByteString, paddedBytes } from '../src/tar/entry.js';
import type { ExtractSink } from './extract-sink.js';

const CANDIDATES = ['/usr/bin/tar', '/bin/tar', '/usr/local/bin/gtar', '/opt/homebrew/bin/gtar'];
const MAX_STDERR_CHARS = 16 * 1024;
const WRITE_BYTES = 1024 * 1024;
const ZEROS = Buffer.alloc(64 * 1024);

/** Absolute path of a GNU tar; undefined when the system has none. */
export async function findSystemTar(): Promise<string | undefined> {
  for (const path of CANDIDATES) {
    try {
      await access(path, constants.X_OK);
      const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: 5000 });
      if (stdout.includes('GNU tar')) return path;
    } catch {
      // Not there or not to be run: the next one.
    }
  }
  return undefined;
}

/**
 * Feeds an archive of our own encoding, so tar only sees names that were checked. It puts symbolic links that
 * could lead out of the folder in place last, and never writes through them.
 */
export function systemTarSink(program: string, directory: string): ExtractSink {
  const isRoot = process.getuid?.() === 0;
  const tar = spawn(program, tarArguments(directory, isRoot), { stdio: ['pipe', 'ignore', 'pipe'], env: {} });
  const exited = exitOf(tar);
  const skipped = new Set<ByteString>();
  let isSkipped = false;
  let sizeBytes = 0;
  /** A number: that many zeros. */
  let pending: (Buffer | number)[] = [];

  async function write(bytes: Buffer): Promise<void> {
    if (!tar.stdin?.write(bytes))
      await Promise.race([once(tar.stdin as NodeJS.WritableStream, 'drain'), exited]);
  }

  return {
    entry(entry) {
      const isDevice = entry.type === 'char' || entry.type === 'block';
      isSkipped = !isRoot && (isDevice || (entry.type === 'hardlink' && skipped.has(entry.linkPath)));
      if (isSkipped) skipped.add(entry.path);
      else pending.push(encodeHeader(entry));
      sizeBytes = entry.sizeBytes;
    },
    data(chunk) {
      pending.push(chunk);
    },
    hole(sizeBytes) {
      pending.push(sizeBytes);
    },
    entryEnd() {
      const padding = paddedBytes(sizeBytes) - sizeBytes;
      if (padding > 0) pending.push(Buffer.alloc(padding));
    },
    async drained(signal) {
      const pieces = pending;
      pending = [];
      for (const bytes of joined(pieces)) {
        throwIfAborted(signal);
        await write(bytes);
      }
    },
    async finish() {
      tar.stdin?.end(endOfArchive());
      await exited;
      if (isRoot) return [];
      return [
        'owners: only root can set them',
        ...(skipped.size > 0 ? [`${skipped.size} device nodes: only root can make them`] : []),
      ];
    },
    async abort() {
      tar.kill('SIGKILL');
      await exited.catch(() => undefined);
    },
  };
}

/** The bytes of `pieces` in buffers of about a mebibyte, however large the holes are. */
function* joined(pieces: readonly (Buffer | number)[]): Generator<Buffer> {
  let buffers: Buffer[] = [];
  let sizeBytes = 0;
  for (const piece of pieces) {
    for (const bytes of typeof piece === 'number' ? zeros(piece) : [piece]) {
      buffers.push(bytes);
      sizeBytes += bytes.length;
      if (sizeBytes < WRITE_BYTES) continue;
      yield Buffer.concat(buffers);
      buffers = [];
      sizeBytes = 0;
    }
  }
  if (sizeBytes > 0) yield Buffer.concat(buffers);
}

function* zeros(sizeBytes: number): Generator<Buffer> {
  for (let left = sizeBytes; left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, left);
}

function tarArguments(directory: string, isRoot: boolean): string[] {
  return [
    '--extract',
    '--file=-',
    `--directory=${directory}`,
    '--numeric-owner',
    '--preserve-permissions',
    // Directories come after and before their content; their times must not change once all is there.
    '--delay-directory-restore',
    '--xattrs',
    `--xattrs-include=${isRoot ? '*' : 'user.*'}`,
    isRoot ? '--same-owner' : '--no-same-owner',
  ];
}

/** Rejects when tar ends with an error, also while it is still being fed. */
function exitOf(tar: ChildProcess): Promise<void> {
  let stderr = '';
  tar.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (stderr.length < MAX_STDERR_CHARS) stderr += text;
  });
  // EPIPE, when tar has ended: its exit code says why.
  tar.stdin?.on('error', () => undefined);
  const exited = new Promise<void>((resolve, reject) => {
    tar.on('error', (cause) => {
      reject(new FetchError('ERR_IO', `cannot run tar: ${cause.message}`, { stage: 'extract', cause }));
    });
    tar.on('close', (code, signal) => {
      if (code === 0) resolve();
      else reject(tarError(stderr, code ?? signal ?? 'unknown'));
    });
  });
  exited.catch(() => undefined);
  return exited;
}

function tarError(stderr: string, status: number | string): FetchError {
  const lines = stderr.split('\n').filter((line) => line !== '' && !line.includes('Exiting with failure'));
  const code: ErrorCode = /No space left|Disk quota/.test(stderr)
    ? 'ERR_NO_SPACE'
    : /Permission denied|Operation not permitted|Read-only/.test(stderr)
      ? 'ERR_PERMISSION'
      : 'ERR_IO';
  return new FetchError(code, lines[0] ?? `tar ended with ${status}`, { stage: 'extract' });
}
