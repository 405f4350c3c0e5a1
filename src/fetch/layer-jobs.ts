/** Layers on their way: each is fetched once, however many images of a call want it, and by one process only. */

import { randomUUID } from 'node:crypto';
import { rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isFetchError, storageError } from '../errors.js';
import { layerBlob } from '../store/layout.js';
import type { LayerFiles, TaskNote } from '../tasks/contract.js';
import { type BlobCounters, newBlobCounters } from '../tasks/counters.js';
import type { Descriptor } from '../types.js';
import {
  FETCH_TASK_BYTES,
  type LayerJobs,
  type LayerResult,
  type LayerSource,
  type SessionBase,
} from './session.js';

interface Job {
  readonly controller: AbortController;
  readonly opened: Promise<OpenLayer>;
  consumers: number;
}

interface OpenLayer {
  readonly files: LayerFiles;
  readonly done: Promise<LayerResult>;
  resumedBytes(): number;
}

export function createLayerJobs(session: SessionBase): LayerJobs {
  const jobs = new Map<string, Job>();

  function start(key: string, layer: Descriptor, source: LayerSource, ignoreStore: boolean): Job {
    const controller = new AbortController();
    const opened = openLayer(session, layer, source, ignoreStore, controller.signal);
    const job: Job = { controller, opened, consumers: 0 };
    // A job that failed must not be found by the next image, which may have a better source.
    const forget = (): void => {
      if (jobs.get(key) === job) jobs.delete(key);
    };
    opened.then(({ done }) => done).catch(forget);
    jobs.set(key, job);
    return job;
  }

  function release(key: string, job: Job): void {
    job.consumers -= 1;
    if (job.consumers > 0) return;
    if (jobs.get(key) === job) jobs.delete(key);
    job.controller.abort();
  }

  return {
    async open(layer, source, ignoreStore, signal) {
      const key = `${layer.digest} ${ignoreStore}`;
      const shared = jobs.get(key);
      const job = shared ?? start(key, layer, source, ignoreStore);
      job.consumers += 1;
      let isReleased = false;
      const releaseOnce = (): void => {
        if (!isReleased) release(key, job);
        isReleased = true;
      };
      // One consumer that gives up leaves the job to the others.
      signal.addEventListener('abort', releaseOnce, { once: true });
      try {
        const { files, done, resumedBytes } = await job.opened;
        if (shared !== undefined) {
          session.emit({ event: 'blob.cached', image: source.image, blob: layer.digest, kind: 'layer' });
        }
        const own = shared === undefined ? done : done.then(() => ({ downloadedBytes: 0 }));
        own.catch(() => undefined);
        return { files, done: own, resumedBytes, release: releaseOnce };
      } catch (error) {
        releaseOnce();
        throw error;
      }
    },
  };
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
    const { tarFile, indexFile } = await newIngestFiles(session, layer);
    const counters = newBlobCounters();
    const files = layerFiles(session, layer, counters, { tarFile, indexFile });
    const fetching = fetchLayer(session, { layer, source, tarFile, indexFile, counters }, signal);
    const done = fetching.result
      .then(async (result) => {
        await store.commitLayer(layer.digest, tarFile, indexFile);
        return result;
      })
      .catch(async (error: unknown) => {
        counters.setState('failed');
        await Promise.all([rm(tarFile, { force: true }), rm(indexFile, { force: true })]);
        throw error;
      })
      .finally(() => lock.release());
    done.catch(() => undefined);
    return { files, done, resumedBytes: fetching.resumedBytes };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

interface LayerFetch {
  readonly layer: Descriptor;
  readonly source: LayerSource;
  readonly tarFile: string;
  readonly indexFile: string;
  readonly counters: BlobCounters;
}

/** Downloads with a permit, and once more with a new token when the server says that the old one has expired. */
function fetchLayer(
  session: SessionBase,
  { layer, source, tarFile, indexFile, counters }: LayerFetch,
  signal: AbortSignal,
): { result: Promise<LayerResult>; resumedBytes(): number } {
  const { emit, runner, permits, store } = session;
  const id = { image: source.image, blob: layer.digest };
  const startedAt = performance.now();
  let resumedBytes: number | undefined;

  function onNote(note: TaskNote): void {
    if (note.note === 'retry') {
      const { attempt, delayMs, reason } = note;
      emit({ event: 'blob.retry', ...id, attempt, delayMs, reason });
    } else if (resumedBytes === undefined) {
      resumedBytes = note.resumedBytes;
      const readBytes = (): number => counters.read('wireBytes');
      const { sizeBytes } = layer;
      emit({ event: 'blob.started', ...id, kind: 'layer', sizeBytes, resumedBytes, readBytes });
    }
  }

  async function attempt(): Promise<LayerResult> {
    const request = source.request();
    const { host } = new URL(request.url);
    const release = await permits.acquire({ host, memoryBytes: FETCH_TASK_BYTES }, signal);
    const input = {
      request: { ...request, http: session.httpOptions, retries: session.retries },
      digest: layer.digest,
      sizeBytes: layer.sizeBytes,
      partialFile: store.layout.partialFile(layer.digest),
      tarFile,
      indexFile,
      counters: counters.memory,
    };
    try {
      return await runner.run('fetchLayer', input, { signal, onNote });
    } finally {
      release();
    }
  }

  async function run(): Promise<LayerResult> {
    try {
      const { downloadedBytes } = await attempt().catch(async (error: unknown) => {
        if (!isFetchError(error) || error.code !== 'ERR_AUTH') throw error;
        await source.refreshAuthorization(signal);
        return attempt();
      });
      const durationMs = Math.round(performance.now() - startedAt);
      const { sizeBytes } = layer;
      emit({ event: 'blob.done', ...id, kind: 'layer', sizeBytes, downloadedBytes, durationMs });
      return { downloadedBytes };
    } catch (error) {
      emit({ event: 'blob.failed', ...id, kind: 'layer' });
      throw error;
    }
  }

  return { result: run(), resumedBytes: () => resumedBytes ?? 0 };
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
  session.emit({ event: 'blob.cached', image: source.image, blob: layer.digest, kind: 'layer' });
  const files = layerFiles(session, layer, counters);
  return { files, done: Promise.resolve({ downloadedBytes: 0 }), resumedBytes: () => 0 };
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
