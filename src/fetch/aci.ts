/** Fetches an ACI from a URL or a file into the store, if its signature and its name allow it. */

import { rm } from 'node:fs/promises';
import { FetchError } from '../errors.js';
import type { EventSink } from '../events.js';
import { cachedAnswerOf, isFresh, refresh } from '../http/freshness.js';
import { removeIfFull } from '../store/files.js';
import type { RemoteRecord } from '../store/records.js';
import type { ImageFacts } from '../store/store.js';
import { hashesToKeep } from '../trust/check.js';
import type { ContentHashRequest } from '../trust/signature.js';
import { DEFERRED_HASHES } from '../trust/signature.js';
import type { FileReference, UrlReference } from '../types.js';
import {
  type Asked,
  foundIfAdmitted,
  foundUnchanged,
  type Remembered,
  remembered,
  signedRecord,
} from './aci-record.js';
import { type AciArrival, commitAci, runFetchAci } from './aci-task.js';
import { admit } from './admission.js';
import { inTurn } from './batch.js';
import { partialPlace } from './partial-place.js';
import type { CompleteRequest, Found, Session } from './session.js';
import {
  readDeferredSignature,
  readSignatureFile,
  type SignatureFile,
  type SignaturePlace,
  signatureUrlOf,
} from './signature-file.js';
import { remoteHost, sourceOf, urlKey } from './source.js';
import type { ClaimRoom } from './space.js';

/** Where an ACI is, and what it must be. */
export interface AciOrigin extends Asked {
  readonly url: string;
  readonly signature: SignaturePlace;
  /** It was asked for without a version. */
  readonly latest: boolean;
}

/** @throws FetchError of every kind but ERR_USAGE */
export function fetchUrl(
  session: Session,
  { image, url }: UrlReference,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<Found> {
  const signature = placeOf(request, { kind: 'url', url: signatureUrlOf(url) });
  return fetchRemoteAci(session, { image, url, signature, latest: false }, request, signal);
}

/** @throws FetchError ERR_NOT_FOUND, ERR_SIGNATURE_*, those of exit codes 7 and 8 */
export async function fetchFile(
  session: Session,
  { image, path }: FileReference,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<Found> {
  const source = `file://${path}`;
  tellStart(session, image, source);
  const place = placeOf(request, { kind: 'file', path: `${path}.asc`, isOptional: true });
  const signature = await readUnlessInsecure(session, place, signal);
  const hashes = await hashesFor(signature);
  const input = { source: { kind: 'file', path }, hashes } as const;
  const arrival = await inTurn(request.takeTurn, { host: '' }, signal, () =>
    session.room.during(signal, (roomy, claim) =>
      runInRoom(session, claim, (told) => runFetchAci(told, { image, source }, input, roomy)),
    ),
  );
  if (arrival.output.status === 'unchanged') throw new Error('a file cannot be unchanged');
  tellSignature(session, image, place, signature);
  const { output, aciFile } = arrival;
  try {
    const signed = signedRecord(signature, output.hashes);
    const commit = { image, source, request, latest: false };
    return (await commitAci(session, commit, { output, aciFile, signed })) ?? missingHash(source);
  } finally {
    await rm(aciFile, { force: true });
  }
}

/** From its URL, or from the store when it is the same there. @throws FetchError of every kind but ERR_USAGE */
export async function fetchRemoteAci(
  session: Session,
  origin: AciOrigin,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<Found> {
  const { image, url } = origin;
  const reference = { kind: 'url', image, url } as const;
  const key = urlKey(reference);
  const source = sourceOf(reference);
  const found = await foundAtUrl(session, origin, request, signal);
  if (found !== undefined) return found;
  tellStart(session, image, source);
  session.runner.warmUp();
  const turn = { host: remoteHost(reference) };
  const keyed = { ...origin, key, source };
  return inTurn(request.takeTurn, turn, signal, () => fetchLocked(session, keyed, request, signal));
}

async function fetchLocked(
  session: Session,
  origin: Keyed,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<Found> {
  const { store } = session;
  const { image, url, key } = origin;
  const reference = { kind: 'url', image, url } as const;
  // Two processes must not append to one partial download; the second then finds what the first one stored.
  const lock = await store.lock(`url ${key}`, signal);
  try {
    const partialFile = await partialPlace(session, key, request.noStore);
    const current = await remembered(session, reference, request);
    return await session.room.during(signal, async (roomy, claim) => {
      const downloading = { ...origin, partialFile, claim, ...current };
      try {
        return await download(session, downloading, request, roomy);
      } catch (error) {
        await removeIfFull(partialFile, error);
        throw error;
      }
    });
  } finally {
    await lock.release();
  }
}

/**
 * In the store, where it may answer without the server.
 * @throws FetchError where it has to and cannot: ERR_NOT_IN_STORE, ERR_SIGNATURE_*
 */
export async function foundAtUrl(
  session: Session,
  asked: Asked & Pick<AciOrigin, 'url'>,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<Found | undefined> {
  const { image, url } = asked;
  const reference = { kind: 'url', image, url } as const;
  const { remote, known } = await remembered(session, reference, request);
  const mayAnswer = request.pullPolicy !== 'update' || (remote?.cached && isFresh(remote.cached, Date.now()));
  if (known !== undefined && mayAnswer) {
    const found = await foundIfAdmitted(session, asked, known, request, signal);
    if (found !== undefined) return found;
  }
  if (request.pullPolicy === 'never') throw notInStore(sourceOf(reference), known);
  return undefined;
}

interface Keyed extends AciOrigin {
  readonly key: string;
  readonly source: string;
}

interface Downloading extends Keyed, Remembered {
  readonly partialFile: string;
  readonly claim: ClaimRoom;
  /** What was learned of it before, so that a server cannot defer it again. Default: it is asked for. */
  readonly signatureFile?: SignatureFile | undefined;
}

async function download(
  session: Session,
  downloading: Downloading,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<Found> {
  const { store } = session;
  const { image, url, key, source, partialFile, claim, known, remote } = downloading;
  const early =
    downloading.signatureFile ?? (await readUnlessInsecure(session, downloading.signature, signal));
  await refuseEarly(session, downloading, early, request);
  const credential = session.credentials?.forUrl(url)?.credential;
  const input = {
    source: {
      kind: 'url',
      request: { url, credential, http: session.httpOptions, retries: session.retries },
      partialFile,
      validators: known === undefined ? {} : (remote?.cached ?? {}),
    },
    hashes: await hashesFor(early),
  } as const;
  // What the store has may be unchanged, and then nothing is written.
  if (known === undefined) await claim();
  const { output, aciFile } = await runInRoom(session, claim, (told) =>
    runFetchAci(told, { image, source }, input, signal),
  );
  try {
    const now = Date.now();
    const { isAuthenticated } = output;
    const signature = await completeSignature(session, downloading, early, signal);
    tellSignature(session, image, downloading.signature, signature);
    const again = { ...downloading, known: undefined, signatureFile: signature };
    if (output.status === 'unchanged') {
      if (remote?.cached === undefined || known === undefined) throw unexpected304(source);
      const cached = refresh(remote.cached, output.headers, now);
      await store.writeRemote(
        key,
        { ...remote, checkedAt: new Date(now).toISOString(), cached, isAuthenticated },
        session.lease,
      );
      const found = await foundUnchanged(session, downloading, { known, signature }, request);
      // What was kept of it does not tell whether this signature is of it: all of it has to come again.
      return found ?? (await download(session, again, request, signal));
    }
    const signed = signedRecord(signature, output.hashes);
    const found = await commitAci(session, { ...downloading, request }, { output, aciFile, signed });
    // A signature that came after the image, and whose hash nobody had guessed.
    if (found === undefined)
      return early === 'deferred' ? await download(session, again, request, signal) : missingHash(source);
    const cached = cachedAnswerOf(output.headers, now);
    const record: RemoteRecord = {
      format: 1,
      source,
      id: found.id,
      checkedAt: new Date(now).toISOString(),
      ...(cached !== undefined && { cached, isAuthenticated }),
    };
    await store.writeRemote(key, record, session.lease);
    return found;
  } finally {
    await rm(aciFile, { force: true });
  }
}

/** Claims the room when the download begins: only then it is known that, and mostly how much, there is to write. */
async function runInRoom(
  session: Session,
  claim: ClaimRoom,
  run: (session: Session) => Promise<AciArrival>,
): Promise<AciArrival> {
  let claimed: Promise<void> = Promise.resolve();
  const emit: EventSink = (event) => {
    if (event.event === 'blob.started') {
      const { blob, sizeBytes = 0, readBytes } = event;
      claimed = claim(new Map([[blob, () => sizeBytes - readBytes()]]));
      // Its failure aborts the download too.
      claimed.catch(() => undefined);
    }
    session.emit(event);
  };
  const arrival = await run({ ...session, emit });
  try {
    await claimed;
    return arrival;
  } catch (error) {
    await rm(arrival.aciFile, { force: true });
    throw error;
  }
}

/** Nothing of an image need be downloaded that would be refused whatever it is. */
async function refuseEarly(
  session: Session,
  { image, expected }: AciOrigin,
  signature: SignatureFile | undefined,
  { requireSignature }: CompleteRequest,
): Promise<void> {
  if (expected === undefined || signature === 'deferred') return;
  const signed = signedRecord(signature, []);
  await admit(session, { image, name: expected.name, signed, requireSignature });
}

function placeOf({ signature }: CompleteRequest, beside: SignaturePlace): SignaturePlace {
  return signature === undefined ? beside : { kind: 'file', path: signature, isOptional: false };
}

/** Undefined when signatures are not looked at. */
async function readUnlessInsecure(
  session: Session,
  place: SignaturePlace,
  signal: AbortSignal,
): Promise<SignatureFile | undefined> {
  return session.insecure.image ? undefined : readSignatureFile(session, place, signal);
}

async function completeSignature(
  session: Session,
  { signature: place }: AciOrigin,
  early: SignatureFile | undefined,
  signal: AbortSignal,
): Promise<Exclude<SignatureFile, 'deferred'> | undefined> {
  if (early !== 'deferred') return early;
  return place.kind === 'url' ? readDeferredSignature(session, place.url, signal) : 'absent';
}

async function hashesFor(signature: SignatureFile | undefined): Promise<readonly ContentHashRequest[]> {
  if (signature === 'deferred') return DEFERRED_HASHES;
  return signature === undefined || signature === 'absent' ? [] : hashesToKeep(signature.bytes);
}

function tellStart({ insecure, emit }: Session, image: string, source: string): void {
  emit({ event: 'image.started', image, source });
  if (!insecure.image) return;
  const message = 'image signature verification has been disabled';
  emit({ event: 'image.warning', image, warning: 'unverified', message });
}

function tellSignature(
  { emit }: Session,
  image: string,
  place: SignaturePlace,
  signature: SignatureFile | undefined,
): void {
  if (typeof signature !== 'object') return;
  const source =
    place.kind === 'url' ? sourceOf({ kind: 'url', image, url: place.url }) : `file://${place.path}`;
  emit({ event: 'signature.fetched', image, source });
}

function notInStore(source: string, known: ImageFacts | undefined): FetchError {
  if (known === undefined) {
    return new FetchError('ERR_NOT_IN_STORE', `${source}: not in the store`, { stage: 'store' });
  }
  return new FetchError(
    'ERR_SIGNATURE_REQUIRED',
    `${source}: its signature cannot be checked from the store alone`,
    {
      stage: 'verify',
      hint: 'fetch it again with --pull-policy=update',
    },
  );
}

/** The hashes that a signature at hand needs are computed with the content. */
function missingHash(source: string): never {
  throw new Error(`${source}: a hash that its signature needs was not computed`);
}

function unexpected304(source: string): FetchError {
  return new FetchError('ERR_HTTP_STATUS', `${source}: 304 to a request without conditions`, {
    stage: 'download',
  });
}
