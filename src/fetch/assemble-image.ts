/** Puts an image together out of its layers while they arrive: the layers' jobs and the assembler that follows them. */

import { setMaxListeners } from 'node:events';
import { type FetchError, isFetchError, throwIfAborted } from '../errors.js';
import type { AssembleOutput } from '../tasks/contract.js';
import type { Descriptor, Digest } from '../types.js';
import { countReceived } from './outcome.js';
import type { LayerHandle, LayerOrigin, Session } from './session.js';
import type { ClaimRoom } from './space.js';

export interface Assembling {
  readonly image: string;
  /** Base layer first. */
  readonly layers: readonly Descriptor[];
  originOf(layer: Descriptor): LayerOrigin;
  /** The ACI's manifest. */
  readonly manifest: string;
  readonly noStore: boolean;
  /** Called before anything is downloaded, unless the store has all layers. */
  readonly claim: ClaimRoom;
}

/** Hashing what a layer holds, as a part of the time that downloading, inflating and writing it takes. */
const ASSEMBLY_WORK = 0.6;

export type Assembled = AssembleOutput & { readonly downloadedBytes: number };

/**
 * Layers are asked for top layer first, the order in which the ACI is hashed. Begins again from the first byte where
 * the rest of an interrupted download turned out to be bad, or what another image's registry has of a layer.
 * @throws FetchError of layers, workers and the store
 */
export async function assembleImage(
  session: Session,
  assembling: Assembling,
  signal: AbortSignal,
): Promise<Assembled> {
  const { emit, bytes } = countReceived(session.emit);
  const first = await assembleLayers({ ...session, emit }, assembling, signal);
  if (!('foreign' in first)) return first;
  const second = await assembleLayers(session, assembling, signal);
  if ('foreign' in second) throw second.foreign;
  return { ...second, downloadedBytes: bytes() + second.downloadedBytes };
}

async function assembleLayers(
  session: Session,
  { image, layers, originOf, manifest, noStore, claim }: Assembling,
  outerSignal: AbortSignal,
): Promise<Assembled | { readonly foreign: FetchError }> {
  const siblings = new AbortController();
  const signal = AbortSignal.any([outerSignal, siblings.signal]);
  setMaxListeners(0, signal);
  const opened = new Map<Digest, LayerHandle>();
  try {
    const topFirst = [...layers].reverse();
    for (const digest of inLockOrder(topFirst)) {
      const priority = topFirst.findIndex((layer) => layer.digest === digest);
      const layer = topFirst[priority] as Descriptor;
      const source = { image, emit: session.emit, priority, origin: originOf(layer) };
      opened.set(digest, await session.layers.open(layer, source, noStore, signal));
    }
    const missing = [...opened].flatMap(([digest, { missingBytes }]) =>
      missingBytes === undefined ? [] : [[digest, missingBytes] as const],
    );
    if (missing.length > 0) await claim(new Map(missing));
    const handles = topFirst.map(({ digest }) => opened.get(digest) as LayerHandle);
    const input = { manifest, layers: handles.map(({ files }) => files) };
    const workBytes = ASSEMBLY_WORK * layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const assembling = session.runner.run('assemble', input, { signal, workBytes });
    // After the assembler, which then has a thread almost to itself where there is more than one.
    const downloading = Promise.all([...new Set(handles)].map((handle) => handle.start()));
    const [output, results] = await firstCause([assembling, downloading]);
    const downloadedBytes = results.reduce((sum, result) => sum + result.downloadedBytes, 0);
    return { ...output, downloadedBytes };
  } catch (error) {
    throwIfAborted(outerSignal);
    if (isFetchError(error) && isForeign(error, [...opened.values()])) return { foreign: error };
    throw error;
  } finally {
    siblings.abort();
    // Whoever hears of the end finds no temporary file and no lock of this image.
    await Promise.all([...opened.values()].map((handle) => handle.release()));
  }
}

/** Whether what is wrong with the content need not be so with what the image's own source sends now. */
function isForeign({ code, exitCode }: FetchError, layers: readonly LayerHandle[]): boolean {
  const isOfContent = exitCode === 6 || exitCode === 7;
  if (code === 'ERR_DIGEST_MISMATCH' && layers.some(({ resumedBytes }) => resumedBytes() > 0)) return true;
  return isOfContent && layers.some(({ wasElsewhere }) => wasElsewhere());
}

/**
 * Every process takes the locks of layers in this order, and holds all of an image's before it downloads: so no two
 * can wait for each other.
 */
function inLockOrder(layers: readonly Descriptor[]): Digest[] {
  return [...new Set(layers.map(({ digest }) => digest))].sort();
}

/** Like Promise.all, but a failed layer is the cause when the assembler that follows it fails first. */
async function firstCause<A, B>([assembling, downloading]: [Promise<A>, Promise<B>]): Promise<[A, B]> {
  downloading.catch(() => undefined);
  try {
    return await Promise.all([assembling, downloading]);
  } catch (error) {
    if (isFetchError(error) && error.code === 'ERR_ABORTED') await downloading;
    throw error;
  }
}
