/** The JSON files of a configuration folder: found, bounded, and read as far as their kind and version. */

import { constants } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  fieldAt,
  type JsonField,
  nonEmptyTextOf,
  type RejectField,
  readJsonDocument,
} from '../aci/json-fields.js';
import { errnoOf, FetchError, storageError } from '../errors.js';
import type { FileLayer } from './options.js';

/** One of the three folders that configuration is taken from. */
export interface ConfigFolder {
  readonly origin: FileLayer['origin'];
  readonly path: string;
}

export interface ConfigFile {
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  /** `rktKind`, one of those asked for; `rktVersion` is `v1`. */
  readonly kind: string;
  readonly document: JsonField;
}

export interface ConfigFileOptions {
  /** The values of `rktKind` that may stand in the folder. */
  readonly kinds: readonly string[];
  readonly onForbidden?: OnForbidden | undefined;
}

/** Told of a folder or file that this user may not read, which is then left out. Default: an error. */
export type OnForbidden = (path: string) => void;

const MAX_FILES = 1000;
const MAX_FILE_BYTES = 1024 * 1024;
const VERSION = 'v1';

/**
 * The files `*.json` of a folder by name, links to files included; none when there is no such folder. Other names
 * and folders below are left alone, as rkt does.
 * @throws FetchError ERR_CONFIG_INVALID that names file and field, ERR_PERMISSION, ERR_IO
 */
export async function readConfigFiles(folder: string, options: ConfigFileOptions): Promise<ConfigFile[]> {
  const names = (await listFolder(folder, options)).filter((name) => name.endsWith('.json')).sort();
  if (names.length > MAX_FILES) throw invalidConfig(folder, '', `has more than ${MAX_FILES} files`);
  const files: ConfigFile[] = [];
  for (const name of names) {
    const path = join(folder, name);
    const read = await readConfigFile(path, options.onForbidden);
    if (read !== undefined) files.push({ path, mode: read.mode, ...parseHeader(path, read.bytes, options) });
  }
  return files;
}

/** ERR_CONFIG_INVALID; the message holds the names of file and field and never a value. */
export function invalidConfig(path: string, field: string, problem: string): FetchError {
  const subject = field === '' ? path : `${path}: ${field}`;
  return new FetchError('ERR_CONFIG_INVALID', `${subject} ${problem}`, { stage: 'usage' });
}

/** The parser's own errors are not kept as causes, for they quote the text. */
export function rejectIn(path: string): RejectField {
  return (field, problem) => invalidConfig(path, field, problem);
}

async function listFolder(folder: string, { onForbidden }: ConfigFileOptions): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || isForbidden(error, folder, onForbidden)) return [];
    if (errnoOf(error) === 'ENOTDIR') throw invalidConfig(folder, '', 'is not a folder');
    throw storageError(error, `cannot read ${folder}`, 'usage');
  }
}

export interface ReadFile {
  readonly mode: number;
  readonly bytes: Buffer;
}

/** A file of 1 MiB at most; undefined when there is none. Throws ERR_CONFIG_INVALID, ERR_PERMISSION, ERR_IO. */
export async function readConfigFile(path: string, onForbidden?: OnForbidden): Promise<ReadFile | undefined> {
  let file: FileHandle | undefined;
  try {
    // A pipe without a writer would otherwise be waited for.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await file.stat();
    if (!stats.isFile()) return undefined;
    const buffer = Buffer.alloc(Math.min(stats.size, MAX_FILE_BYTES) + 1);
    let sizeBytes = 0;
    for (let bytesRead = -1; bytesRead !== 0 && sizeBytes < buffer.length; sizeBytes += bytesRead) {
      ({ bytesRead } = await file.read(buffer, sizeBytes, buffer.length - sizeBytes));
    }
    if (sizeBytes > MAX_FILE_BYTES) throw invalidConfig(path, '', `is larger than ${MAX_FILE_BYTES} bytes`);
    return { mode: stats.mode & 0o777, bytes: buffer.subarray(0, sizeBytes) };
  } catch (error) {
    // Removed since the folder was listed, a link to nothing, or a folder or socket of that name.
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENXIO' || isForbidden(error, path, onForbidden)) return undefined;
    throw storageError(error, `cannot read ${path}`, 'usage');
  } finally {
    await file?.close();
  }
}

function isForbidden(error: unknown, path: string, onForbidden: OnForbidden | undefined): boolean {
  const errno = errnoOf(error);
  if (onForbidden === undefined || (errno !== 'EACCES' && errno !== 'EPERM')) return false;
  onForbidden(path);
  return true;
}

function parseHeader(path: string, bytes: Uint8Array, { kinds }: ConfigFileOptions) {
  const document = readJsonDocument(bytes, rejectIn(path));
  const kind = nonEmptyTextOf(fieldAt(document, 'rktKind'));
  const version = nonEmptyTextOf(fieldAt(document, 'rktVersion'));
  if (!kinds.includes(kind))
    throw invalidConfig(path, 'rktKind', `must be ${kinds.join(' or ')} in this folder`);
  if (version !== VERSION) throw invalidConfig(path, 'rktVersion', `must be ${VERSION}`);
  return { kind, document };
}
