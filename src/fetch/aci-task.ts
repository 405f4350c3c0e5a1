/** Runs the task that brings an ACI, and puts what it brought into the store. */

import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { labelsOf, parseAciManifest } from '../aci/manifest.js';
import { isFetchError, retold } from '../errors.js';
import { aciBlob } from '../store/layout.js';
import type { ImageRecord, SignedRecord } from '../store/records.js';
import type { ReadAciInput, TaskNote } from '../tasks/contract.js';
import { newBlobCounters } from '../tasks/counters.js';
import type { ImageId } from '../types.js';
import { type AciOutput, downloadAndRead, type OnNote, type RemoteAci } from './aci-download.js';
import { admit, checkExpected, type Expected, tellAdmission } from './admission.js';
import { type CompleteRequest, FETCH_TASK_BYTES, type Found, type Session } from './session.js';
import { foundInStore } from './stored.js';

export interface AciArrival {
  readonly output: AciOutput;
  /** In the ingest folder; the caller removes it. */
  readonly aciFile: string;
}

export interface AciSource {
  readonly source: ({ readonly kind: 'url' } & RemoteAci) | { readonly kind: 'file'; readonly path: string };
  readonly hashes: ReadAciInput['hashes'];
}

/** @throws FetchError of the tasks */
export async function runFetchAci(
  session: Session,
  { image, source: blob }: { readonly image: string; readonly source: string },
  { source, hashes }: AciSource,
  signal: AbortSignal,
): Promise<AciArrival> {
  const { emit, lease } = session;
  const id = { image, blob };
  const aciFile = join(lease.folder, `${randomUUID()}.aci`);
  const counters = newBlobCounters();
  const startedAt = performance.now();
  let isStarted = false;
  function onNote(note: TaskNote): void {
    if (note.note === 'retry') {
      const { attempt, delayMs, reason } = note;
      emit({ event: 'blob.retry', ...id, attempt, delayMs, reason });
    } else if (note.note === 'opened' && !isStarted) {
      isStarted = true;
      const { sizeBytes, resumedBytes } = note;
      const readBytes = (): number => counters.read('wireBytes');
      const isLocal = source.kind === 'file' || undefined;
      emit({ event: 'blob.started', ...id, kind: 'aci', sizeBytes, resumedBytes, readBytes, isLocal });
    }
  }
  try {
    const task = { hashes, aciFile, counters: counters.memory };
    const output =
      source.kind === 'file'
        ? await readLocal(session, { ...task, source }, signal, onNote)
        : await downloadAndRead(session, source, task, signal, onNote);
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
    throw withCredentialHint(error, source);
  }
}

async function readLocal(
  { runner, permits }: Session,
  input: ReadAciInput,
  signal: AbortSignal,
  onNote: OnNote,
): Promise<AciOutput> {
  const release = await permits.acquire({ memoryBytes: FETCH_TASK_BYTES }, signal);
  const facts = await runner.run('readAci', input, { signal, onNote }).finally(release);
  return { status: 'fetched', ...facts, downloadedBytes: 0, headers: {}, isAuthenticated: false };
}

/** Where credentials go, for who has none or wrong ones. */
function withCredentialHint(error: unknown, source: AciSource['source']): unknown {
  if (!isFetchError(error) || error.code !== 'ERR_AUTH' || source.kind === 'file') return error;
  const { host } = new URL(source.request.url);
  const hint = `credentials for ${host} go into a file of auth.d in a configuration folder: see aci config`;
  return retold(error, { hint });
}

export interface AciCommit {
  readonly image: string;
  /** In its full form and without secrets. */
  readonly source: string;
  readonly expected?: Expected | undefined;
  readonly latest: boolean;
  readonly request: CompleteRequest;
}

export interface FetchedAci {
  readonly output: Extract<AciOutput, { status: 'fetched' }>;
  readonly aciFile: string;
  readonly signed: SignedRecord;
}

/**
 * Nothing is stored of an image that is refused. Undefined, and nothing stored, when its signature needs a hash that
 * was not computed.
 * @throws FetchError ERR_SIGNATURE_*, ERR_NAME_MISMATCH, …
 */
export async function commitAci(
  session: Session,
  { image, source, expected, latest, request }: AciCommit,
  { output, aciFile, signed }: FetchedAci,
): Promise<Found | undefined> {
  const { store, lease, insecure } = session;
  const id = `sha512-${output.sha512}` as ImageId;
  const { downloadedBytes } = output;
  const manifest = parseAciManifest(Buffer.from(output.manifest.text));
  const { name, dependencies } = manifest;
  const labels = labelsOf(manifest);
  checkExpected(expected, { name, labels });
  const { requireSignature } = request;
  const admission = await admit(session, { image, name, signed, requireSignature });
  if (admission === undefined) return undefined;
  tellAdmission(session, { image, name }, admission);
  const known = await store.readWholeImage(id);
  // Without a check nothing is learned of what was checked before.
  const { verified, signers } = insecure.image && known !== undefined ? known : admission;
  // A signature that the user named is the image's own only where it was found to be.
  const isItsOwn = !insecure.image && (request.signature === undefined || verified);
  const kept = isItsOwn ? signed : (known?.signed ?? { hashes: signed.hashes });
  await store.commitAci(id, aciFile);
  const { offset, sizeBytes: manifestBytes } = output.manifest;
  const record: ImageRecord = {
    format: 1,
    id,
    name,
    labels,
    sizeBytes: output.sizeBytes,
    manifest: { offset, sizeBytes: manifestBytes },
    source,
    importedAt: known?.importedAt ?? new Date().toISOString(),
    latest,
    verified,
    signers,
    signed: kept,
    ...(dependencies !== undefined && { dependencies }),
    blobs: [aciBlob(id)],
  };
  await store.commitImage(record, [{ blob: aciBlob(id), offset: 0, sizeBytes: output.sizeBytes }], lease);
  if (known !== undefined && downloadedBytes === 0) return foundInStore(store, record);
  const { sizeBytes } = output;
  return { status: 'fetched', id, name, labels, verified, signers, sizeBytes, downloadedBytes };
}
