/** Reads a small file that the user has, or a pipe that he names: `<(gpg --export …)`. */

import { close, constants, createReadStream, fstat, open } from 'node:fs';
import { Socket } from 'node:net';
import { addAbortSignal, type Readable } from 'node:stream';
import { promisify } from 'node:util';
import { abortedError, FetchError, type Stage, throwIfAborted } from '../errors.js';
import { readBounded } from '../http/limit.js';

export interface LocalFile {
  readonly path: string;
  readonly maxBytes: number;
  readonly stage: Stage;
  /** Nobody named it: what is no plain file is refused. */
  readonly isPlain?: boolean | undefined;
}

/** @throws FetchError ERR_LIMIT, ERR_ABORTED, ERR_IO for no plain file; the errors of the system as they are */
export async function readLocalFile(file: LocalFile, signal: AbortSignal): Promise<Buffer> {
  throwIfAborted(signal);
  const stream = addAbortSignal(signal, await openLocalFile(file));
  try {
    return await readBounded(stream, file.maxBytes, file.path, file.stage);
  } catch (error) {
    if (signal.aborted) throw abortedError(signal.reason);
    throw error;
  } finally {
    stream.destroy();
  }
}

/** A thread that waits in `open` or `read` for somebody to write to a pipe could not be stopped, not even by exiting. */
async function openLocalFile({ path, stage, isPlain = false }: LocalFile): Promise<Readable> {
  const fd = await promisify(open)(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const facts = await promisify(fstat)(fd);
  if (isPlain && !facts.isFile()) {
    await promisify(close)(fd);
    throw new FetchError('ERR_IO', `cannot read ${path}: it is not a plain file`, { stage });
  }
  return facts.isFIFO() ? new Socket({ fd, readable: true, writable: false }) : createReadStream('', { fd });
}
