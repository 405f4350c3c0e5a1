/** The task that downloads or reads an ACI, inflates and hashes it in one pass, and writes it plain. */

import { closeSync, fdatasync, openSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import { createAciInspector } from '../src/aci/inspect.js';
import { createDecompressor } from '../src/codec/decompress.js';
import { storageError, toFetchError } from '../src/errors.js';
import type { FetchAciInput, FetchAciOutput, TaskContext, TaskHandler } from '../src/tasks/contract.js';
import { blobCounters } from '../src/tasks/counters.js';
import { createSha512 } from '../wasm/sha512.js';
import { appendFile } from './append-file.js';
import { downloadAci } from './download-aci.js';
import { readAciFile } from './read-aci-file.js';
import { startWireHashes } from './wire-hashes.js';

const sync = promisify(fdatasync);

/** The output file is complete and synced when the task resolves; its name and labels are the caller's to check. */
export const fetchAci: TaskHandler<'fetchAci'> = async (input, context) => {
  const isResumed = hasPartial(input);
  try {
    return await fetchOnce(input, context);
  } catch (error) {
    // What an earlier run left may be damaged, and is gone now; what comes anew is what the server has.
    if (!isResumed || toFetchError(error).exitCode !== 7) throw error;
    return fetchOnce(input, context);
  }
};

function hasPartial({ source }: FetchAciInput): boolean {
  if (source.kind === 'file') return false;
  return (statSync(source.partialFile, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

async function fetchOnce(input: FetchAciInput, context: TaskContext): Promise<FetchAciOutput> {
  const counters = blobCounters(input.counters);
  const { source } = input;
  let pass = await aciPass(input);
  const target = {
    take(chunk: Buffer, wireBytes: number): Promise<void> {
      counters.set('wireBytes', wireBytes);
      return pass.write(chunk);
    },
    async restart(): Promise<void> {
      pass.destroy();
      pass = await aciPass(input);
    },
  };
  try {
    const arrived =
      source.kind === 'url'
        ? await downloadAci(source, target, context)
        : await readAciFile(source.path, target, context);
    if ('unchanged' in arrived) return { status: 'unchanged', headers: arrived.unchanged };
    // The bytes are all here: whether they are good or not, no other attempt goes on with them.
    const facts = await pass.end().finally(arrived.settle);
    counters.setState('complete');
    return { status: 'fetched', ...facts, ...arrived.facts } satisfies FetchAciOutput;
  } finally {
    pass.destroy();
  }
}

/** One pass of the bytes through decompressor, hash, check and output file. */
async function aciPass({ aciFile: path, hashes }: Pick<FetchAciInput, 'aciFile' | 'hashes'>) {
  const hash = await createSha512();
  const wireHashes = await startWireHashes(hashes);
  const inspector = createAciInspector();
  const fd = openOutput(path);
  let sizeBytes = 0;
  const file = appendFile(fd);
  const decompressor = createDecompressor((chunk) => {
    inspector.push(chunk);
    hash.update(chunk);
    file.write(chunk);
    sizeBytes += chunk.length;
  });
  let isOpen = true;
  const isPlain = (): boolean | undefined => {
    const codec = decompressor.codec();
    return codec === undefined ? undefined : codec === 'none';
  };
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
      file.flush();
      await sync(fd).catch((error: unknown) => {
        throw storageError(error, `cannot write ${path}`);
      });
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

function openOutput(path: string): number {
  try {
    return openSync(path, 'w', 0o644);
  } catch (error) {
    throw storageError(error, `cannot write ${path}`);
  }
}
