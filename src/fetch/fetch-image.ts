/** Fetches one image, whatever kind of argument names it. */

import { assertNever, FetchError } from '../errors.js';
import type { IdReference, ImageReference } from '../types.js';
import type { CompleteRequest, Found, Session } from './session.js';
import { findImage, foundInStore } from './stored.js';

/** Resolves when the image is in the store. The code for each kind is loaded when it is needed. */
export async function fetchImage(
  session: Session,
  reference: ImageReference,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<Found> {
  refuseSignature(reference, request);
  switch (reference.kind) {
    case 'docker':
      return (await import('./docker.js')).fetchDocker(session, reference, request, signal);
    case 'layout':
      return (await import('./layout.js')).fetchLayout(session, reference, request, signal);
    case 'url':
      return (await import('./aci.js')).fetchUrl(session, reference, request, signal);
    case 'file':
      return (await import('./aci.js')).fetchFile(session, reference, request, signal);
    case 'id':
      return fetchById(session, reference, request, signal);
    case 'name':
      return (await import('./name.js')).fetchByName(session, reference, request, signal);
    default:
      return assertNever(reference);
  }
}

/** @throws FetchError ERR_USAGE for a signature of what has none of its own */
export function refuseSignature(reference: ImageReference, { signature }: CompleteRequest): void {
  if (signature === undefined || isAci(reference)) return;
  throw new FetchError('ERR_USAGE', `${reference.image}: only ACIs have detached signatures`, {
    stage: 'usage',
  });
}

/** The digits of an ID vouch for the content; only who demands a signature has it checked. */
export async function fetchById(
  session: Session,
  reference: IdReference,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<Found> {
  const known = await findImage(session.store, reference);
  if (!request.requireSignature) return foundInStore(session.store, known);
  const { image } = reference;
  const { foundIfAdmitted } = await import('./aci-record.js');
  const found = await foundIfAdmitted(session, { image }, known, { ...request, pullPolicy: 'never' }, signal);
  if (found !== undefined) return found;
  throw new FetchError(
    'ERR_SIGNATURE_REQUIRED',
    `${image}: its signature cannot be checked from the store alone`,
    {
      stage: 'verify',
    },
  );
}

/** Whether it names an ACI that is to be had somewhere. */
function isAci({ kind }: ImageReference): boolean {
  return kind === 'name' || kind === 'url' || kind === 'file';
}
