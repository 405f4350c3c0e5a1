/** Fetches an ACI from a URL or a file into the store. */

import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type AciManifest, labelsOf, parseAciManifest } from '../aci/manifest.js';
import { FetchError } from '../errors.js';
import { aciBlob } from '../store/layout.js';
import type { ImageRecord, RemoteRecord } from '../store/records.js';
import type { ImageFacts } from '../store/store.js';
import type { FetchAciInput, FetchAciOutput, TaskNote } from '../tasks/contract.js';
import { newBlobCounters } from '../tasks/counters.js';
import type { FileReference, ImageId, UrlReference } from '../types.js';
import { type CompleteRequest, FETCH_TASK_BYTES, type Found, type Session } from './session.js';
import { sourceOf, urlKey } from './source.js';
import { foundInStore } from './stored.js';

type FetchedAci = Extract<FetchAciOutput, { status: 'fetched' }>;

/** @throws FetchError of every kind but ERR_USAGE */
export async function fetchUrl(
  session: Session,
  reference: UrlReference,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<Found> {
  const { store } = session;
  const key = urlKey(reference);
  const { known } = await remembered(session, key, request);
  if (known !== undefined && request.pullPolicy !== 'update') return foundInStore(store, known);
  if (request.pullPolicy === 'never') {
    throw new FetchError('ERR_NOT_IN_STORE', `${sourceOf(reference)}: not in the store`, { stage: 'store' });
  }
  announce(session, reference);
  session.runner.warmUp();
  // Two processes must not append to one partial download; the second then finds what the first one stored.
  const lock = await store.lock(`url ${key}`, signal);
  try {
    const partialFile = store.layout.partialFile(key);
    if (request.noStore) await rm(partialFile, { force: true });
    const current = await remembered(session, key, request);
    const source: FetchAciInput['source'] = {
      kind: 'url',
      request: { url: reference.url, http: session.httpOptions, retries: session.retries },
      partialFile,
      validators: current.known === undefined ? {} : (current.remote ?? {}),
    };
    const { host } = new URL(reference.url);
    const fetched = await runFetchAci(session, reference, { source, host }, signal);
    const now = new Date().toISOString();
    if (fetched.output.status === 'unchanged') {
      if (current.remote === undefined || current.known === undefined) throw unexpected304(reference);
      await store.writeRemote(key, { ...current.remote, checkedAt: now }, session.lease);
      return await foundInStore(store, current.known);
    }
    const { etag, lastModified } = fetched.output;
    const found = await commitAci(session, reference, { ...fetched, output: fetched.output });
    const { id } = found;
    const record: RemoteRecord = {
      format: 1,
      source: sourceOf(reference),
      id,
      checkedAt: now,
      etag,
      lastModified,
    };
    await store.writeRemote(key, record, session.lease);
    return found;
  } finally {
    await lock.release();
  }
}

/** @throws FetchError ERR_NOT_FOUND, ERR_SIGNATURE_REQUIRED, those of exit codes 7 and 8 */
export async function fetchFile(
  session: Session,
  reference: FileReference,
  signal: AbortSignal,
): Promise<Found> {
  announce(session, reference);
  const source: FetchAciInput['source'] = { kind: 'file', path: reference.path };
  const { output, aciFile } = await runFetchAci(session, reference, { source }, signal);
  if (output.status === 'unchanged') throw new Error('a file cannot be unchanged');
  return commitAci(session, reference, { output, aciFile });
}

async function remembered(
  { store }: Session,
  key: string,
  { noStore }: CompleteRequest,
): Promise<{ remote?: RemoteRecord | undefined; known?: ImageFacts | undefined }> {
  if (noStore) return {};
  const remote = await store.readRemote(key);
  return { remote, known: remote === undefined ? undefined : await store.readWholeImage(remote.id) };
}

function announce({ insecure, emit }: Session, reference: UrlReference | FileReference): void {
  const image = sourceOf(reference);
  if (!insecure.image) {
    throw new FetchError('ERR_SIGNATURE_REQUIRED', `${image}: this version cannot verify signatures yet`, {
      stage: 'verify',
      hint: 'fetch it unverified with --insecure-options=image',
    });
  }
  emit({ event: 'image.started', image: reference.image, source: image });
  const message = 'image signature verification has been disabled';
  emit({ event: 'image.warning', image: reference.image, warning: 'unverified', message });
}

interface AciArrival<T> {
  readonly output: T;
  /** In the ingest folder. */
  readonly aciFile: string;
}

async function runFetchAci(
  session: Session,
  reference: UrlReference | FileReference,
  { source, host }: { readonly source: FetchAciInput['source']; readonly host?: string | undefined },
  signal: AbortSignal,
): Promise<AciArrival<FetchAciOutput>> {
  const { emit, runner, permits, lease } = session;
  const id = { image: reference.image, blob: sourceOf(reference) };
  const aciFile = join(lease.folder, `${randomUUID()}.aci`);
  const counters = newBlobCounters();
  const startedAt = performance.now();
  let isStarted = false;
  function onNote(note: TaskNote): void {
    if (note.note === 'retry') {
      const { attempt, delayMs, reason } = note;
      emit({ event: 'blob.retry', ...id, attempt, delayMs, reason });
    } else if (!isStarted) {
      isStarted = true;
      const { sizeBytes, resumedBytes } = note;
      const readBytes = (): number => counters.read('wireBytes');
      const isLocal = source.kind === 'file' || undefined;
      emit({ event: 'blob.started', ...id, kind: 'aci', sizeBytes, resumedBytes, readBytes, isLocal });
    }
  }
  const release = await permits.acquire({ host, memoryBytes: FETCH_TASK_BYTES }, signal);
  try {
    const output = await runner.run(
      'fetchAci',
      { source, aciFile, counters: counters.memory },
      { signal, onNote },
    );
    if (output.status === 'fetched') {
      const { downloadedBytes } = output;
      const durationMs = Math.round(performance.now() - startedAt);
      const sizeBytes = counters.read('wireBytes');
      emit({ event: 'blob.done', ...id, kind: 'aci', sizeBytes, downloadedBytes, durationMs });
    }
    return { output, aciFile };
  } catch (error) {
    if (isStarted) emit({ event: 'blob.failed', ...id, kind: 'aci' });
    await rm(aciFile, { force: true });
    throw error;
  } finally {
    release();
  }
}

async function commitAci(
  session: Session,
  reference: UrlReference | FileReference,
  { output, aciFile }: AciArrival<FetchedAci>,
): Promise<Found> {
  const { store, lease } = session;
  const id = `sha512-${output.sha512}` as ImageId;
  const { downloadedBytes } = output;
  try {
    const manifest: AciManifest = parseAciManifest(Buffer.from(output.manifest.text));
    const known = await store.readWholeImage(id);
    if (known !== undefined && downloadedBytes === 0) return await foundInStore(store, known);
    await store.commitAci(id, aciFile);
    const { offset, sizeBytes } = output.manifest;
    const record: ImageRecord = {
      format: 1,
      id,
      name: manifest.name,
      labels: labelsOf(manifest),
      sizeBytes: output.sizeBytes,
      manifest: { offset, sizeBytes },
      source: sourceOf(reference),
      importedAt: known?.importedAt ?? new Date().toISOString(),
      latest: false,
      verified: false,
      signers: [],
      blobs: [aciBlob(id)],
    };
    await store.commitImage(record, [{ blob: aciBlob(id), offset: 0, sizeBytes: output.sizeBytes }], lease);
    const { name, labels, verified, signers } = record;
    return {
      status: 'fetched',
      id,
      name,
      labels,
      verified,
      signers,
      sizeBytes: output.sizeBytes,
      downloadedBytes,
    };
  } finally {
    await rm(aciFile, { force: true });
  }
}

function unexpected304(reference: UrlReference): FetchError {
  return new FetchError('ERR_HTTP_STATUS', `${sourceOf(reference)}: 304 to a request without conditions`, {
    stage: 'download',
  });
}
