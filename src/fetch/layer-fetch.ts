/** Fetches one layer with a permit, from whichever of the places that have it answers. */

import { type FetchError, isFetchError } from '../errors.js';
import type { FetchLayerInput, TaskNote } from '../tasks/contract.js';
import type { BlobCounters } from '../tasks/counters.js';
import type { Descriptor } from '../types.js';
import { takeConnections } from './connections.js';
import {
  FETCH_TASK_BYTES,
  type LayerOrigin,
  type LayerResult,
  type LayerSource,
  type RegistryOrigin,
  type SessionBase,
} from './session.js';

export interface LayerFetch {
  readonly layer: Descriptor;
  readonly source: LayerSource;
  readonly partialFile: string;
  readonly tarFile: string;
  readonly indexFile: string;
  readonly counters: BlobCounters;
}

export interface LayerFetching {
  run(): Promise<LayerResult>;
  /** What an interrupted download had left. */
  resumedBytes(): number;
  /** Another place where it can be had: asked when the first one fails, or is to be left alone. */
  offer(origin: LayerOrigin): void;
  /** Whether another host than that of `origin` was asked: what was wrong there need not be wrong here. */
  wasElsewhere(origin: LayerOrigin): boolean;
}

/** Whether the host of a download is still left alone is looked at so often, where it could come from another one. */
const LOOK_MS = 500;

export function fetchLayer(
  session: SessionBase,
  { layer, source, partialFile, tarFile, indexFile, counters }: LayerFetch,
  signal: AbortSignal,
): LayerFetching {
  const { emit, runner, permits, holdOf } = session;
  const id = { image: source.image, blob: layer.digest };
  let origins: readonly LayerOrigin[] = [source.origin];
  /** What is waited for in place of a registry: the host that it redirects to, or it itself. */
  const behind = new Map<string | undefined, string>();
  const asked = new Set<LayerOrigin>();
  let resumedBytes: number | undefined;

  function onNote(note: TaskNote): void {
    if (note.note === 'retry') {
      const { attempt, delayMs, reason } = note;
      emit({ event: 'blob.retry', ...id, attempt, delayMs, reason });
    } else if (note.note === 'opened' && resumedBytes === undefined) {
      resumedBytes = note.resumedBytes;
      const readBytes = (): number => counters.read('wireBytes');
      const { sizeBytes } = layer;
      const isLocal = source.origin.kind === 'file' || undefined;
      emit({ event: 'blob.started', ...id, kind: 'layer', sizeBytes, resumedBytes, readBytes, isLocal });
    }
  }

  /** `place` is called when the task may begin: only then the token is the one to send. */
  async function runTask(
    origin: LayerOrigin,
    place: () => FetchLayerInput['source'],
    ends: AbortSignal,
  ): Promise<LayerResult> {
    const wanted = { host: hostOf(origin), memoryBytes: FETCH_TASK_BYTES, sizeBytes: layer.sizeBytes };
    const connections = await takeConnections(permits, wanted, ends);
    try {
      // The token may have grown old while the layer waited for its turn.
      if (origin.kind === 'registry') await origin.renewIfStale(ends);
      const input = {
        source: place(),
        digest: layer.digest,
        sizeBytes: layer.sizeBytes,
        priority: source.priority,
        tarFile,
        indexFile,
        counters: counters.memory,
      };
      return await runner.run('fetchLayer', input, {
        signal: ends,
        workBytes: layer.sizeBytes,
        onNote(note) {
          if (note.note !== 'connection') return onNote(note);
          if (note.host !== undefined) behind.set(hostOf(origin), note.host);
          else if (note.isFirst) behind.delete(hostOf(origin));
          connections.onNote(note, counters);
        },
      });
    } finally {
      connections.end();
    }
  }

  /** Goes on with a new token as often as one has brought something and then expired. */
  async function fetchFromRegistry(origin: RegistryOrigin, ends: AbortSignal): Promise<LayerResult> {
    let shown: string | undefined;
    function place(): FetchLayerInput['source'] {
      const request = { ...origin.request(), http: session.httpOptions, retries: session.retries };
      shown = request.authorization;
      return { kind: 'registry', request, partialFile };
    }
    for (let soFarBytes = -1; ; ) {
      try {
        return await runTask(origin, place, ends);
      } catch (error) {
        const wireBytes = counters.read('wireBytes');
        const isRefused = isFetchError(error) && error.code === 'ERR_AUTH';
        if (!isRefused || wireBytes <= soFarBytes) throw error;
        soFarBytes = wireBytes;
        await origin.refreshAuthorization(ends, shown);
      }
    }
  }

  const mayAnswer = (origin: LayerOrigin): boolean =>
    [hostOf(origin), behind.get(hostOf(origin))].every(
      (host) => host === undefined || holdOf(host) === undefined,
    );

  /** Until it is here, or `origin` is to be left alone while another one is not. */
  async function fetchFrom(origin: LayerOrigin): Promise<LayerResult | 'change'> {
    if (origin.kind === 'file') return runTask(origin, () => origin, signal);
    const changing = new AbortController();
    const timer = setInterval(() => {
      if (!mayAnswer(origin) && origins.some(mayAnswer)) changing.abort();
    }, LOOK_MS);
    try {
      return await fetchFromRegistry(origin, AbortSignal.any([signal, changing.signal]));
    } catch (error) {
      if (changing.signal.aborted && !signal.aborted) return 'change';
      throw error;
    } finally {
      clearInterval(timer);
    }
  }

  async function fetchFromAny(): Promise<LayerResult> {
    for (let failure: unknown; ; ) {
      const origin = origins.find(mayAnswer) ?? origins[0];
      if (origin === undefined) throw failure;
      asked.add(origin);
      try {
        const result = await fetchFrom(origin);
        if (result !== 'change') return result;
      } catch (error) {
        if (signal.aborted || !isOfOrigin(error)) throw error;
        // What the first place says is what the image meets; the others stand in for it.
        if (failure === undefined || origin === source.origin) failure = error;
        // What another repository of a host has is no nearer when the host is away.
        const isGone = error.exitCode === 4 ? isOfHost(origin) : (other: LayerOrigin) => other === origin;
        origins = origins.filter((other) => !isGone(other));
      }
    }
  }

  return {
    async run() {
      const startedAt = performance.now();
      try {
        const result = await fetchFromAny();
        // What attempts before the last one brought came too.
        const freshBytes = source.origin.kind === 'file' ? 0 : layer.sizeBytes - (resumedBytes ?? 0);
        const downloadedBytes = Math.max(result.downloadedBytes, freshBytes);
        const durationMs = Math.round(performance.now() - startedAt);
        const { sizeBytes } = layer;
        emit({ event: 'blob.done', ...id, kind: 'layer', sizeBytes, downloadedBytes, durationMs });
        return { downloadedBytes };
      } catch (error) {
        emit({ event: 'blob.failed', ...id, kind: 'layer' });
        throw error;
      }
    },
    resumedBytes: () => resumedBytes ?? 0,
    offer(origin) {
      if (!origins.some((known) => placeOf(known) === placeOf(origin))) origins = [...origins, origin];
    },
    wasElsewhere: (origin) => ![...asked].every(isOfHost(origin)),
  };
}

function hostOf(origin: LayerOrigin): string | undefined {
  return origin.kind === 'file' ? undefined : new URL(origin.request().url).host;
}

/** The file or the URL. */
function placeOf(origin: LayerOrigin): string {
  return origin.kind === 'file' ? origin.file.path : origin.request().url;
}

const isOfHost =
  (origin: LayerOrigin) =>
  (other: LayerOrigin): boolean =>
    hostOf(other) === hostOf(origin);

/** Not found, network, credentials: another place may be better. */
function isOfOrigin(error: unknown): error is FetchError {
  return isFetchError(error) && error.exitCode >= 3 && error.exitCode <= 5;
}
