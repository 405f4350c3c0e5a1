/** Fetches an image by its name: from the store, or from where meta discovery says that it is. */

import { appcPlatformOf } from '../convert/appc-names.js';
import { discoverImage } from '../discovery/discover.js';
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
  const expected: Expected = { name, labels, defaults: platformLabels(request.platform) };
  const found = await foundByName(session, { image, expected }, request, signal);
  if (found !== undefined) return found;
  if (request.pullPolicy === 'never') return notInStore(session, reference);

  session.emit({ event: 'image.searching', image });
  const { endpoints } = await discoverImage(
    session.http,
    { name, labels },
    {
      insecureHttp: session.insecure.http,
      defaultLabels: expected.defaults,
      retries: session.retries,
      onRetry: retryTeller(session, image),
    },
    signal,
  );
  if (await wantsKeys(session, name)) await trustDiscoveredKeys(session, { image, name }, signal);
  const latest = labels['version'] === undefined;
  let failure: unknown;
  for (const { aciUrl, signatureUrl } of endpoints) {
    const signature =
      request.signature === undefined
        ? ({ kind: 'url', url: signatureUrl } as const)
        : ({ kind: 'file', path: request.signature, isOptional: false } as const);
    try {
      return await fetchRemoteAci(
        session,
        { image, url: aciUrl, signature, expected, latest },
        request,
        signal,
      );
    } catch (error) {
      // The first endpoint is what the publisher means; the others stand in for it.
      failure ??= error;
      if (!isOfEndpoint(error)) throw error;
    }
  }
  throw failure;
}

/** The newest import of the store that fits, if the policy lets it answer. */
export async function foundByName(
  session: Session,
  { image, expected }: { readonly image: string; readonly expected: Expected },
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<Found | undefined> {
  if (request.noStore || request.pullPolicy === 'update') return undefined;
  const { store } = session;
  for (const named of await store.imagesNamed(expected.name)) {
    if (mismatchOf(expected, named) !== undefined) continue;
    const known = await store.readWholeImage(named.id);
    if (known === undefined) continue;
    const found = await foundIfAdmitted(session, { image, expected }, known, request, signal);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function notInStore({ store }: Session, reference: NameReference): Promise<never> {
  await findImage(store, reference);
  throw new FetchError('ERR_NOT_IN_STORE', `${reference.image}: the store has it for another platform only`, {
    stage: 'store',
  });
}

/** `os` and `arch` in the words of appc; none where it has no words for this host. */
export function platformLabels(platform: Platform = hostPlatform()): Labels {
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
