/** The task that reads an ACI as it arrives, inflates and hashes it in one pass, and leaves it plain in its file. */

import { closeSync, fdatasync, openSync, renameSync } from 'node:fs';
import { promisify } from 'node:util';
import { createAciInspector } from '../src/aci/inspect.js';
import { createDecompressor } from '../src/codec/decompress.js';
import { storageError } from '../src/errors.js';
import type { ReadAciInput, ReadAciOutput, TaskHandler } from '../src/tasks/contract.js';
import { blobCounters } from '../src/tasks/counters.js';
import { createSha512 } from '../wasm/sha512.js';
import { appendFile } from './append-file.js';
import { readAciFile } from './read-aci-file.js';
import { readGrowing } from './read-growing.js';
import { startWireHashes } from './wire-hashes.js';

const sync = promisify(fdatasync);

/** The output file is complete and synced when the task resolves; its name and labels are the caller's to check. */
export const readAci: TaskHandler<'readAci'> = async (input, context) => {
  const counters = blobCounters(input.counters);
  const { kind, path } = input.source;
  let pass = await aciPass(input);
  const target = {
    async take(chunk: Buffer, wireBytes: number): Promise<void> {
      if (kind === 'file') counters.set('wireBytes', wireBytes);
      await pass.write(chunk);
      counters.set('readBytes', wireBytes);
    },
    async restart(): Promise<void> {
      pass.destroy();
      pass = await aciPass(input);
    },
  };
  try {
    if (kind === 'growing') await readGrowing(path, counters, target, context.signal);
    else await readAciFile(path, target, context);
    const facts = await pass.end();
    if (kind === 'file') counters.setState('complete');
    return facts satisfies ReadAciOutput;
  } finally {
    pass.destroy();
  }
};

/** One pass of the bytes through decompressor, hash, check and output file. */
async function aciPass({ aciFile, hashes, source }: ReadAciInput) {
  const hash = await createSha512();
  const wireHashes = await startWireHashes(hashes);
  const inspector = createAciInspector();
  const fd = openOutput(aciFile);
  let sizeBytes = 0;
  const file = appendFile(fd);
  const isPlain = (): boolean | undefined => {
    const codec = decompressor.codec();
    return codec === undefined ? undefined : codec === 'none';
  };
  /** What arrives is what is stored: the file itself will do. */
  const isInPlace = (): boolean => source.kind === 'growing' && isPlain() === true;
  const decompressor = createDecompressor((chunk) => {
    inspector.push(chunk);
    hash.update(chunk);
    if (!isInPlace()) file.write(chunk);
    sizeBytes += chunk.length;
  });
  let isOpen = true;
  return {
    async write(chunk: Buffer) {
      const written = decompressor.write(chunk);
      // Beside zlib, which inflates in a thread of its own. It shall not be an unhandled rejection meanwhile.
      written.catch(() => undefined);
      wireHashes.update(chunk, isPlain());
      await written;
    },
    async end() {
      await decompressor.end();
      const { manifest } = inspector.end();
      if (isInPlace()) await moveSynced(source.path, aciFile);
      else {
        file.flush();
        await syncFile(fd, aciFile);
      }
      const kept = await wireHashes.finish(isPlain() === true, hash.save());
      return {
        sha512: hash.digestHex(),
        hashes: kept,
        sizeBytes,
        manifest: {
          text: manifest.bytes.toString('utf8'),
          offset: manifest.offset,
          sizeBytes: manifest.bytes.length,
        },
      };
    },
    destroy() {
      decompressor.destroy();
      if (isOpen) closeSync(fd);
      isOpen = false;
    },
  };
}

async function moveSynced(from: string, to: string): Promise<void> {
  const fd = openSync(from, 'r');
  try {
    await syncFile(fd, from);
  } finally {
    closeSync(fd);
  }
  renameSync(from, to);
}

async function syncFile(fd: number, path: string): Promise<void> {
  await sync(fd).catch((error: unknown) => {
    throw storageError(error, `cannot write ${path}`);
  });
}

function openOutput(path: string): number {
  try {
    return openSync(path, 'w', 0o644);
  } catch (error) {
    throw storageError(error, `cannot write ${path}`);
  }
}
