/** Opens the layout that an argument names. */

import { open, stat } from 'node:fs/promises';
import { type Codec, MAGIC_BYTES, sniffCodec } from '../codec/decompress.js';
import { errnoOf, FetchError, storageError } from '../errors.js';
import type { LayoutReference } from '../types.js';
import { dockerArchive, MANIFEST } from './docker-archive.js';
import { archiveFiles, folderFiles, type LayoutFiles } from './files.js';
import { ociLayout } from './oci.js';
import { REPOSITORIES, repositoriesArchive } from './repositories.js';
import type { LayoutSource } from './source.js';

export interface OpenOptions {
  /** Writes what a compressed archive holds to a file, and resolves to its path. */
  inflate(path: string): Promise<string>;
}

/**
 * @throws FetchError ERR_NOT_FOUND, ERR_USAGE for a file where a folder must be or the other way round,
 * ERR_TAR_INVALID, and what `inflate` throws
 */
export async function openLayout(
  { transport, path, ref, image }: LayoutReference,
  { inflate }: OpenOptions,
  signal: AbortSignal,
): Promise<LayoutSource> {
  const isFolder = await checkKind(path, image);
  if (isFolder !== (transport === 'oci')) {
    const [is, other] = isFolder ? ['a folder', 'oci'] : ['a file', 'oci-archive'];
    throw new FetchError('ERR_USAGE', `${image}: ${path} is ${is}`, {
      stage: 'resolve',
      hint: `an OCI layout in ${is} is named ${other}:${path}`,
    });
  }
  const files = isFolder ? folderFiles(path) : await openArchive(path, inflate, signal);
  const layout = { files, image, path, ref };
  if (transport !== 'docker-archive') return ociLayout(layout);
  const isCurrent =
    (await files.locate(MANIFEST)) !== undefined || (await files.locate(REPOSITORIES)) === undefined;
  return isCurrent ? dockerArchive(layout) : repositoriesArchive(layout);
}

async function openArchive(
  path: string,
  inflate: (path: string) => Promise<string>,
  signal: AbortSignal,
): Promise<LayoutFiles> {
  const codec = await codecOf(path);
  return archiveFiles(codec === 'none' ? path : await inflate(path), signal);
}

/** Whether it is a folder; anything but that and a regular file is refused. */
async function checkKind(path: string, image: string): Promise<boolean> {
  const facts = await stat(path).catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') {
      throw storageError(error, `cannot read ${path}`, 'resolve');
    }
    throw new FetchError('ERR_NOT_FOUND', `${image}: ${path}: no such file or folder`, {
      stage: 'resolve',
      cause: error,
    });
  });
  if (facts.isDirectory() || facts.isFile()) return facts.isDirectory();
  throw new FetchError('ERR_USAGE', `${image}: ${path} is not a regular file`, {
    stage: 'resolve',
    hint: 'write what comes through a pipe to a file first',
  });
}

async function codecOf(path: string): Promise<Codec> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(MAGIC_BYTES), 0, MAGIC_BYTES, 0);
      return sniffCodec(buffer.subarray(0, bytesRead));
    } finally {
      await file.close();
    }
  } catch (error) {
    throw storageError(error, `cannot read ${path}`, 'resolve');
  }
}
