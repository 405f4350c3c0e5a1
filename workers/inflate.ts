/** The task that writes what a compressed file holds to a plain one. */

import { closeSync, openSync } from 'node:fs';
import { createDecompressor } from '../src/codec/decompress.js';
import { storageError } from '../src/errors.js';
import type { TaskHandler } from '../src/tasks/contract.js';
import { appendFile } from './append-file.js';
import { readAciFile } from './read-aci-file.js';

/** @throws FetchError ERR_COMPRESSION, ERR_LIMIT, those of reading and writing files */
export const inflate: TaskHandler<'inflate'> = async ({ path, plainFile }, context) => {
  const fd = openNew(plainFile);
  let sizeBytes = 0;
  const plain = appendFile(fd);
  const decompressor = createDecompressor((chunk) => {
    sizeBytes += chunk.length;
    plain.write(chunk);
  });
  try {
    const target = { take: (chunk: Buffer) => decompressor.write(chunk), restart: async () => {} };
    await readAciFile(path, target, context);
    await decompressor.end();
    plain.flush();
    return { sizeBytes };
  } finally {
    decompressor.destroy();
    closeSync(fd);
  }
};

function openNew(path: string): number {
  try {
    return openSync(path, 'wx');
  } catch (error) {
    throw storageError(error, `cannot write ${path}`);
  }
}
