/** Layers on their way: each is fetched once, however many images of a call want it, and by one process only. */

import { randomUUID } from 'node:crypto';
import { rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError } from '../errors.js';
import type { EngineEvent } from '../events.js';
import { removeIfFull } from '../store/files.js';
import { layerBlob } from '../store/layout.js';
import { partialBytes } from '../store/partial-record.js';
import type { LayerFiles } from '../tasks/contract.js';
import { type BlobCounters, newBlobCounters } from '../tasks/counters.js';
import type { Descriptor } from '../types.js';
import { fetchLayer } from './layer-fetch.js';
import { partialPlace } from './partial-place.js';
import type {
  LayerHandle,
  LayerJobs,
  LayerOrigin,
  LayerResult,
  LayerSource,
  SessionBase,
} from './session.js';

interface Job {
  readonly controller: AbortController;
  readonly opened: Promise<OpenLayer>;
  consumers: number;
  running: Promise<LayerResult> | undefined;
  /** Whether an image has its bytes in its result. */
  isCounted: boolean;
}

interface OpenLayer {
  readonly files: LayerFiles;
  /** Called once. */
  run(): Promise<LayerResult>;
  /** Called instead of `run` when nobody wants the layer any more. */
  discard(): Promise<void>;
  resumedBytes(): number;
  readonly missingBytes: LayerHandle['missingBytes'];
  /** Another place where it can be had. */
  offer(origin: LayerOrigin): void;
  wasElsewhere(origin: LayerOrigin): boolean;
}

export function createLayerJobs(session: SessionBase): LayerJobs {
  const jobs = new Map<string, Job>();

  function open(key: string, layer: Descriptor, source: LayerSource, ignoreStore: boolean): Job {
    const controller = new AbortController();
    const opened = openLayer(session, layer, source, ignoreStore, controller.signal);
    const job: Job = { controller, opened, consumers: 0, running: undefined, isCounted: false };
    jobs.set(key, job);
    return job;
  }

  function start(key: string, job: Job, layer: OpenLayer): Promise<LayerResult> {
    job.running ??= layer.run().catch((error: unknown) => {
      // A job that failed must not be found by the next image, which may have a better source.
      if (jobs.get(key) === job) jobs.delete(key);
      throw error;
    });
    return job.running;
  }

  async function release(key: string, job: Job): Promise<void> {
    job.consumers -= 1;
    if (job.consumers > 0) return;
    if (jobs.get(key) === job) jobs.delete(key);
    job.controller.abort();
    // Opening may still be under way; it reports its failure to those who wait for it.
    const ended = job.running ?? job.opened.then((layer) => layer.discard());
    await ended.catch(() => undefined);
  }

  return {
    async open(layer, source, ignoreStore, signal) {
      // Who states another size is not to decide about the layer of those who do not.
      const key = `${layer.digest} ${layer.sizeBytes} ${ignoreStore} ${placeOf(source.origin)}`;
      const shared = jobs.get(key);
      const job = shared ?? open(key, layer, source, ignoreStore);
      job.consumers += 1;
      let released: Promise<void> | undefined;
      const releaseOnce = (): Promise<void> => {
        released ??= release(key, job);
        return released;
      };
      // One consumer that gives up leaves the job to the others.
      signal.addEventListener('abort', () => void releaseOnce(), { once: true });
      try {
        const opened = await job.opened;
        if (shared !== undefined) {
          opened.offer(source.origin);
          source.emit(cachedEvent(layer, source));
        }
        return {
          files: opened.files,
          async start() {
            const { downloadedBytes } = await start(key, job, opened);
            // Bytes count once: for the first image that has not given up meanwhile.
            if (job.isCounted || released !== undefined) return { downloadedBytes: 0 };
            job.isCounted = true;
            return { downloadedBytes };
          },
          resumedBytes: opened.resumedBytes,
          missingBytes: opened.missingBytes,
          wasElsewhere: () => opened.wasElsewhere(source.origin),
          release: releaseOnce,
        };
      } catch (error) {
        await releaseOnce();
        throw error;
      }
    },
  };
}

/** What a damaged file has must not be the end of an image from elsewhere: its job waits for the lock of the layer. */
function placeOf(origin: LayerOrigin): string {
  return origin.kind === 'file' ? `${origin.file.path} ${origin.file.offset}` : 'registry';
}

async function openLayer(
  session: SessionBase,
  layer: Descriptor,
  source: LayerSource,
  ignoreStore: boolean,
  signal: AbortSignal,
): Promise<OpenLayer> {
  const { store } = session;
  if (!ignoreStore && (await store.hasLayer(layer.digest))) return storedLayer(session, layer, source);
  const lock = await store.lock(`layer ${layer.digest}`, signal);
  try {
    // Another process may have brought it while we waited.
    if (!ignoreStore && (await store.hasLayer(layer.digest))) {
      await lock.release();
      return await storedLayer(session, layer, source);
    }
    const partialFile = await partialPlace(session, layer.digest, ignoreStore);
    const { tarFile, indexFile } = await newIngestFiles(session, layer);
    const counters = newBlobCounters();
    const fetching = fetchLayer(
      { ...session, emit: source.emit },
      { layer, source, partialFile, tarFile, indexFile, counters },
      signal,
    );
    const discard = async (): Promise<void> => {
      await Promise.all([rm(tarFile, { force: true }), rm(indexFile, { force: true })]);
      await lock.release();
    };
    async function run(): Promise<LayerResult> {
      try {
        const result = await fetching.run();
        await store.commitLayer(layer.digest, tarFile, indexFile);
        return result;
      } catch (error) {
        counters.setState('failed');
        await removeIfFull(partialFile, error);
        throw error;
      } finally {
        await discard();
      }
    }
    const files = layerFiles(session, layer, counters, { tarFile, indexFile });
    const storedBytes = await partialBytes(partialFile);
    const { resumedBytes, offer, wasElsewhere } = fetching;
    const toReceive = source.origin.kind === 'file' ? 0 : layer.sizeBytes;
    /** What is received lies beside what it becomes, which is hardly ever less. */
    const missingBytes = (): number =>
      Math.max(0, toReceive - Math.max(storedBytes, counters.read('wireBytes'))) +
      Math.max(0, layer.sizeBytes - counters.read('tarBytes'));
    return { files, run, discard, resumedBytes, missingBytes, offer, wasElsewhere };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function storedLayer(session: SessionBase, layer: Descriptor, source: LayerSource): Promise<OpenLayer> {
  const { layout } = session.store;
  const counters = newBlobCounters();
  const [tar, index] = await Promise.all(
    [layout.blobFile(layerBlob(layer.digest)), layout.indexFile(layer.digest)].map((path) => stat(path)),
  ).catch((error: unknown) => {
    throw storageError(error, `cannot read layer ${layer.digest}`);
  });
  counters.set('tarBytes', tar?.size ?? 0);
  counters.set('indexBytes', index?.size ?? 0);
  counters.setState('complete');
  source.emit(cachedEvent(layer, source));
  const files = layerFiles(session, layer, counters);
  return {
    files,
    run: async () => ({ downloadedBytes: 0 }),
    discard: async () => {},
    resumedBytes: () => 0,
    missingBytes: undefined,
    offer: () => {},
    wasElsewhere: () => false,
  };
}

function cachedEvent({ digest: blob, sizeBytes }: Descriptor, { image }: LayerSource): EngineEvent {
  return { event: 'blob.cached', image, blob, kind: 'layer', sizeBytes };
}

async function newIngestFiles(session: SessionBase, layer: Descriptor) {
  const name = join(session.lease.folder, randomUUID());
  const [tarFile, indexFile] = [`${name}.layer`, `${name}.index`];
  try {
    await Promise.all([tarFile, indexFile].map((path) => writeFile(path, '', { flag: 'wx' })));
  } catch (error) {
    throw storageError(error, `cannot store layer ${layer.digest}`);
  }
  return { tarFile, indexFile };
}

function layerFiles(
  session: SessionBase,
  { digest }: Descriptor,
  counters: BlobCounters,
  ingest?: { tarFile: string; indexFile: string },
): LayerFiles {
  const { layout } = session.store;
  const tarFiles = [layout.blobFile(layerBlob(digest))];
  const indexFiles = [layout.indexFile(digest)];
  if (ingest !== undefined) {
    tarFiles.unshift(ingest.tarFile);
    indexFiles.unshift(ingest.indexFile);
  }
  return { digest, tarFiles, indexFiles, counters: counters.memory };
}
