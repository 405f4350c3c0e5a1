/** Fetches a Docker or OCI image from its registry. */

import { createRegistry } from '../registry/client.js';
import type { DockerReference } from '../types.js';
import { type ConvertibleSource, convertImage } from './convert-image.js';
import { type CompleteRequest, type Found, retryTeller, type Session } from './session.js';

/** @throws FetchError of every kind but ERR_USAGE */
export function fetchDocker(
  session: Session,
  reference: DockerReference,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<Found> {
  return convertImage(session, reference, request, async () => registrySource(session, reference), signal);
}

/** Asks the registry when it is first used. */
export function registrySource(session: Session, reference: DockerReference): ConvertibleSource {
  const registry = createRegistry(session.http, reference, {
    insecureHttp: session.insecure.http,
    tokenHttp: session.tokenHttp,
    retries: session.retries,
    onRetry: retryTeller(session, reference.image),
    credential: async (signal) =>
      session.credentials?.forRegistry(reference.registry, reference.repository, signal),
  });
  return {
    ...registry,
    hasManifests: true,
    namingOf: () => reference,
    originOf: (layer) => ({
      kind: 'registry',
      request: () => registry.blobRequest(layer),
      renewIfStale: registry.renewIfStale,
      refreshAuthorization: registry.refreshAuthorization,
    }),
  };
}
