/** Fetches an image by its name: from the store, or from where meta discovery says that it is. */

import { appcPlatformOf } from '../convert/appc-names.js';
import { discoverImage, type Endpoint } from '../discovery/discover.js';
import { ERROR_CODES, FetchError, isFetchError } from '../errors.js';
import { hostPlatform } from '../registry/platform.js';
import { isPrefix, keysFor } from '../trust/keystore.js';
import type { Labels, NameReference, Platform } from '../types.js';
import { fetchRemoteAci } from './aci.js';
import { foundIfAdmitted } from './aci-record.js';
import { type Expected, mismatchOf } from './admission.js';
import { trustDiscoveredKeys } from './discovered-keys.js';
import { type CompleteRequest, type Found, retryTeller, type Session } from './session.js';
import { findImage } from './stored.js';

/** @throws FetchError of every kind */
export async function fetchByName(
  session: Session,
  reference: NameReference,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<Found> {
  const { image, name, labels } = reference;
  const expected = expectedOf(reference, request);
  const found = await foundByName(session, reference, request, signal);
  if (found !== undefined) return found;
  session.emit({ event: 'image.searching', image });
  const endpoints = await endpointsOf(session, reference, request, signal);
  if (await wantsKeys(session, name)) await trustDiscoveredKeys(session, { image, name }, signal);
  const latest = labels['version'] === undefined;
  return ofFirstEndpoint(endpoints, ({ aciUrl: url, signatureUrl }) => {
    const signature =
      request.signature === undefined
        ? ({ kind: 'url', url: signatureUrl } as const)
        : ({ kind: 'file', path: request.signature, isOptional: false } as const);
    return fetchRemoteAci(session, { image, url, signature, expected, latest }, request, signal);
  });
}

export function expectedOf({ name, labels }: NameReference, { platform }: CompleteRequest): Expected {
  return { name, labels, defaults: platformLabels(platform) };
}

/** What meta discovery has for the name, at least one, to be tried in their order. */
export async function endpointsOf(
  session: Session,
  reference: NameReference,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<readonly Endpoint[]> {
  const { image, name, labels } = reference;
  const options = {
    insecureHttp: session.insecure.http,
    defaultLabels: platformLabels(request.platform),
    retries: session.retries,
    onRetry: retryTeller(session, image),
  };
  return (await discoverImage(session.http, { name, labels }, options, signal)).endpoints;
}

/** What `run` makes of the first endpoint that is as it should be. @throws what the first one failed with */
export async function ofFirstEndpoint<T>(
  endpoints: readonly Endpoint[],
  run: (endpoint: Endpoint) => Promise<T>,
): Promise<T> {
  let failure: unknown;
  for (const endpoint of endpoints) {
    try {
      return await run(endpoint);
    } catch (error) {
      // The first endpoint is what the publisher means; the others stand in for it.
      failure ??= error;
      if (!isOfEndpoint(error)) throw error;
    }
  }
  throw failure;
}

/** The newest import of the store that fits, if the policy lets it answer. @throws FetchError where it has to and cannot */
export async function foundByName(
  session: Session,
  reference: NameReference,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<Found | undefined> {
  if (request.pullPolicy === 'update') return undefined;
  const { store } = session;
  const { image } = reference;
  const expected = expectedOf(reference, request);
  for (const named of request.noStore ? [] : await store.imagesNamed(expected.name)) {
    if (mismatchOf(expected, named) !== undefined) continue;
    const known = await store.readWholeImage(named.id);
    if (known === undefined) continue;
    const found = await foundIfAdmitted(session, { image, expected }, known, request, signal);
    if (found !== undefined) return found;
  }
  return request.pullPolicy === 'never' ? notInStore(session, reference) : undefined;
}

async function notInStore({ store }: Session, reference: NameReference): Promise<never> {
  await findImage(store, reference);
  throw new FetchError('ERR_NOT_IN_STORE', `${reference.image}: the store has it for another platform only`, {
    stage: 'store',
  });
}

/** `os` and `arch` in the words of appc; none where it has no words for this host. */
function platformLabels(platform: Platform = hostPlatform()): Labels {
  try {
    return { ...appcPlatformOf(platform) };
  } catch (error) {
    if (isFetchError(error)) return {};
    throw error;
  }
}

/** Not for a name that no key can be trusted for. */
async function wantsKeys(session: Session, name: string): Promise<boolean> {
  if (!session.trustKeysFromHttps || session.insecure.image || !isPrefix(name)) return false;
  return (await keysFor(name, session.configDirs)).length === 0;
}

/** Not found, network, credentials, verification, malformed: another endpoint may be better. */
function isOfEndpoint(error: unknown): boolean {
  if (!isFetchError(error)) return false;
  const { exitCode } = ERROR_CODES[error.code];
  return exitCode >= 3 && exitCode <= 7;
}
