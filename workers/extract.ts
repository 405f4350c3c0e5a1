/** The task that unpacks an image into a folder, checking on the way that it is the image. */

import { FetchError, isFetchError, throwIfAborted } from '../src/errors.js';
import { imageDamaged, readParts } from '../src/store/parts.js';
import { createTarParser } from '../src/tar/parser.js';
import { normalizePath } from '../src/tar/path.js';
import type { TaskHandler } from '../src/tasks/contract.js';
import { createSha512 } from '../wasm/sha512.js';
import { nodeSink } from './extract-node.js';
import { findSystemTar, systemTarSink } from './extract-tar.js';

const ROOTFS = 'rootfs';

/**
 * What was written is only good when the task resolves: the last bytes show whether the image is the one it
 * should be.
 * @throws FetchError ERR_STORE_DAMAGED, ERR_UNSAFE_PATH, those of exit code 8
 */
export const extract: TaskHandler<'extract'> = async (input, context) => {
  const hash = await createSha512();
  const tarProgram = await findSystemTar();
  const { directory } = input;
  const sink = tarProgram === undefined ? nodeSink(directory) : systemTarSink(tarProgram, directory);
  let isSkipped = false;
  const parser = createTarParser({
    entry(entry) {
      const path = targetPath(entry.path, input.rootfsOnly);
      isSkipped = path === undefined;
      if (path === undefined) return;
      const linkPath =
        entry.type === 'hardlink' ? targetPath(entry.linkPath, input.rootfsOnly) : entry.linkPath;
      if (linkPath === undefined) {
        throw new FetchError('ERR_UNSAFE_PATH', 'a hard link leaves rootfs', { stage: 'extract' });
      }
      sink.entry({ ...entry, path, linkPath });
    },
    data(chunk) {
      if (!isSkipped) sink.data(chunk);
    },
    hole(sizeBytes) {
      if (!isSkipped) sink.hole(sizeBytes);
    },
    entryEnd() {
      if (!isSkipped) sink.entryEnd();
    },
  });
  try {
    for await (const chunk of readParts(input.parts)) {
      throwIfAborted(context.signal);
      hash.update(chunk);
      parser.push(chunk);
      await sink.drained(context.signal);
    }
    parser.end();
    if (`sha512-${hash.digestHex()}` !== input.id) throw imageDamaged(input.id);
    return { notKept: await sink.finish() };
  } catch (error) {
    await sink.abort();
    // It was a valid archive when it was stored.
    if (isFetchError(error) && error.code === 'ERR_TAR_INVALID') throw imageDamaged(input.id, error);
    throw error;
  }
};

/** Undefined for what stays out. The folder itself is `.`. */
function targetPath(name: string, rootfsOnly: boolean): string | undefined {
  const path = normalizePath(name);
  if (!rootfsOnly) return path;
  if (path === ROOTFS) return '.';
  return path.startsWith(`${ROOTFS}/`) ? path.slice(ROOTFS.length + 1) : undefined;
}
