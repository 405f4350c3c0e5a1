/** Fetches one image, whatever kind of argument names it. */

import { assertNever, FetchError } from '../errors.js';
import type { ImageReference, NameReference } from '../types.js';
import { fetchFile, fetchUrl } from './aci.js';
import { fetchDocker } from './docker.js';
import { fetchLayout } from './layout.js';
import type { CompleteRequest, Found, Session } from './session.js';
import { findByName, findImage, foundInStore } from './stored.js';

/** Resolves when the image is in the store. */
export async function fetchImage(
  session: Session,
  reference: ImageReference,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<Found> {
  switch (reference.kind) {
    case 'docker':
      return fetchDocker(session, reference, request, signal);
    case 'layout':
      return fetchLayout(session, reference, request, signal);
    case 'url':
      return fetchUrl(session, reference, request, signal);
    case 'file':
      return fetchFile(session, reference, signal);
    case 'id':
      return foundInStore(session.store, await findImage(session.store, reference));
    case 'name':
      return fetchByName(session, reference, request);
    default:
      return assertNever(reference);
  }
}

async function fetchByName(
  { store }: Session,
  reference: NameReference,
  { pullPolicy, noStore }: CompleteRequest,
): Promise<Found> {
  if (pullPolicy === 'never') return foundInStore(store, await findImage(store, reference));
  const known =
    noStore || pullPolicy === 'update' ? undefined : findByName((await store.listImages()).images, reference);
  if (known !== undefined) return foundInStore(store, known);
  throw new FetchError(
    'ERR_UNSUPPORTED',
    `${reference.image}: this version cannot discover images by name yet`,
    {
      stage: 'resolve',
      hint: 'name the URL of the image, or use one of the store with --pull-policy=new',
    },
  );
}
