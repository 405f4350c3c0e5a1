/** The task that reads an ACI as it arrives, inflates and hashes it in one pass, and leaves it plain in its file. */

import { closeSync, fdatasync, openSync, renameSync } from 'node:fs';
import { promisify } from 'node:util';
import { createAciInspector } from '../src/aci/inspect.js';
import { createDecompressor } from '../src/codec/decompress.js';
import { FetchError, storageError } from '../src/errors.js';
import type { HashState } from '../src/store/records.js';
import type { ReadAciInput, ReadAciOutput, TaskHandler } from '../src/tasks/contract.js';
import { blobCounters } from '../src/tasks/counters.js';
import { createSha512, type Sha512 } from '../wasm/sha512.js';
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
  let generation = 0;
  /** What the hash has is of no more than so many bytes as they come. */
  let hashedTo = input.hashed?.wireBytes ?? 0;
  const target = {
    async take(chunk: Buffer, wireBytes: number): Promise<void> {
      if (kind === 'file') counters.set('wireBytes', wireBytes);
      hashedTo = Math.max(hashedTo, wireBytes);
      await pass.write(chunk);
      counters.set('readBytes', wireBytes);
    },
    async restart(current: number): Promise<void> {
      pass.destroy();
      generation = current;
      hashedTo = 0;
      pass = await aciPass({ ...input, hashed: undefined });
    },
  };
  try {
    if (kind === 'growing') await readGrowing(path, counters, target, context.signal);
    else await readAciFile(path, target, context);
    const facts = await pass.end();
    if (kind === 'file') counters.setState('complete');
    return facts satisfies ReadAciOutput;
  } catch (error) {
    context.note({ note: 'hashed', hashed: { ...pass.hashState(), wireBytes: hashedTo }, generation });
    throw error;
  } finally {
    pass.destroy();
  }
};

/** One pass of the bytes through decompressor, hash, check and output file. */
async function aciPass({ aciFile, hashes, source, hashed }: ReadAciInput) {
  const hash = await createSha512();
  let hashedBytes = loadHash(hash, hashed);
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
  const take = (chunk: Buffer): void => {
    inspector.push(chunk);
    if (!isInPlace()) file.write(chunk);
    const fresh = chunk.subarray(Math.max(0, hashedBytes - sizeBytes));
    hash.update(fresh);
    hashedBytes += fresh.length;
    sizeBytes += chunk.length;
  };
  // There is one stream, and hashing is as much work as inflating.
  const decompressor = createDecompressor(take, { isBeside: true });
  let isOpen = true;
  return {
    async write(chunk: Buffer) {
      const written = decompressor.write(chunk);
      // Beside a codec of Node, which works in a thread of its own. No unhandled rejection meanwhile.
      written.catch(() => undefined);
      wireHashes.update(chunk, isPlain());
      await written;
    },
    async end() {
      await decompressor.end();
      const { manifest } = inspector.end();
      if (hashedBytes > sizeBytes) throw tooShort(hashedBytes, sizeBytes);
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
    hashState: (): HashState => ({ hashedBytes, state: Buffer.from(hash.save()).toString('base64') }),
    destroy() {
      decompressor.destroy();
      if (isOpen) closeSync(fd);
      isOpen = false;
    },
  };
}

/** What was hashed in an earlier attempt cannot have been this content. */
function tooShort(hashedBytes: number, sizeBytes: number): FetchError {
  const problem = `it has ${sizeBytes} bytes, of which ${hashedBytes} were here before`;
  return new FetchError('ERR_TAR_INVALID', `the ACI has become shorter: ${problem}`, { stage: 'download' });
}

/** Returns how many bytes the hash has; none where the state is of another version, or of another kind of machine. */
function loadHash(hash: Sha512, hashed: HashState | undefined): number {
  if (hashed === undefined) return 0;
  try {
    hash.load(Buffer.from(hashed.state, 'base64'));
    return hashed.hashedBytes;
  } catch {
    return 0;
  }
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
