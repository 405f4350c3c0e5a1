/** What a fetch would download, without downloading it. */

import { access } from 'node:fs/promises';
import { discoverImage } from '../discovery/discover.js';
import { assertNever, FetchError, storageError } from '../errors.js';
import type { HttpResponse } from '../http/client.js';
import { statusError } from '../http/errors.js';
import { conditionalHeaders, isFresh } from '../http/freshness.js';
import { redactUrl } from '../http/redact.js';
import { withRetry } from '../http/retry.js';
import { hostPlatform } from '../registry/platform.js';
import { partialBytes } from '../store/partial-record.js';
import type { DockerReference, ImageReference, NameReference, PlannedBlob, UrlReference } from '../types.js';
import { remembered } from './aci-record.js';
import { dockerUnsigned } from './convert-image.js';
import { registrySource } from './docker.js';
import { foundByName, platformLabels } from './name.js';
import { type CompleteRequest, retryTeller, type Session } from './session.js';
import { convertedKey, urlKey } from './source.js';
import { findImage } from './stored.js';

/**
 * The blobs of the image, none for one that the store has and that has not changed, or that is on disk. What an ACI
 * depends on is only known when it is here. @throws FetchError of every kind but ERR_USAGE
 */
export async function planImage(
  session: Session,
  reference: ImageReference,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<readonly PlannedBlob[]> {
  switch (reference.kind) {
    case 'docker':
      return planDocker(session, reference, request, signal);
    case 'url':
      return planUrl(session, reference, request, signal);
    case 'name':
      return planName(session, reference, request, signal);
    case 'id':
      await findImage(session.store, reference);
      return [];
    case 'layout':
    case 'file':
      await access(reference.path).catch((error: unknown) => {
        throw storageError(error, `cannot read ${reference.path}`);
      });
      return [];
    default:
      return assertNever(reference);
  }
}

async function planDocker(
  session: Session,
  reference: DockerReference,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<readonly PlannedBlob[]> {
  const { store } = session;
  const platform = request.platform ?? hostPlatform();
  const remote = request.noStore ? undefined : await store.readRemote(convertedKey(reference, platform));
  const known = remote === undefined ? undefined : await store.readWholeImage(remote.id);
  if (known !== undefined && request.pullPolicy !== 'update') return [];
  mustBeRemote(request, reference.image);
  if (!session.insecure.image || request.requireSignature) throw dockerUnsigned();
  const resolved = await registrySource(session, reference).resolve(platform, signal);
  if (known !== undefined && remote?.manifestDigest === resolved.digest) return [];
  return Promise.all(
    resolved.layers.map(async ({ digest, sizeBytes }): Promise<PlannedBlob> => {
      const isStored = !request.noStore && (await store.hasLayer(digest));
      const partial = request.noStore ? 0 : await partialBytes(store.layout.partialFile(digest));
      return { blob: digest, sizeBytes, storedBytes: isStored ? sizeBytes : Math.min(partial, sizeBytes) };
    }),
  );
}

async function planName(
  session: Session,
  { image, name, labels }: NameReference,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<readonly PlannedBlob[]> {
  const expected = { name, labels, defaults: platformLabels(request.platform) };
  if ((await foundByName(session, { image, expected }, request, signal)) !== undefined) return [];
  mustBeRemote(request, image);
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
  // The others stand in for the first one, with the same image.
  const url = endpoints[0]?.aciUrl ?? '';
  return planUrl(session, { kind: 'url', image, url }, request, signal);
}

async function planUrl(
  session: Session,
  reference: UrlReference,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<readonly PlannedBlob[]> {
  const { store } = session;
  const { url } = reference;
  const { remote, known } = await remembered(session, reference, request);
  const cached = known === undefined ? undefined : remote?.cached;
  if (known !== undefined && (request.pullPolicy !== 'update' || (cached && isFresh(cached, Date.now())))) {
    return [];
  }
  mustBeRemote(request, reference.image);
  const { retries } = session;
  const response = await withRetry(() => ask(session, url, conditionalHeaders(cached ?? {}), signal), {
    signal,
    retries,
    onRetry: retryTeller(session, reference.image),
  });
  if (response.status === 304) return [];
  const length = Number(response.headers['content-length'] ?? Number.NaN);
  const sizeBytes = Number.isSafeInteger(length) ? length : undefined;
  const partial = request.noStore ? 0 : await partialBytes(store.layout.partialFile(urlKey(reference)));
  return [{ blob: redactUrl(url), sizeBytes, storedBytes: Math.min(partial, sizeBytes ?? partial) }];
}

/** A plan for what the fetch would refuse at once would be none. */
function mustBeRemote({ pullPolicy }: CompleteRequest, image: string): void {
  if (pullPolicy !== 'never') return;
  throw new FetchError('ERR_NOT_IN_STORE', `${image}: not in the store`, { stage: 'store' });
}

/** By HEAD, or by a GET whose body nobody reads where a server does not know HEAD. */
async function ask(
  { http, credentials }: Session,
  url: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<HttpResponse> {
  const credential = credentials?.forUrl(url)?.credential;
  for (const method of ['HEAD', 'GET'] as const) {
    const response = await http.request(url, { method, headers, credential, stage: 'resolve' }, signal);
    await response.discard();
    if (response.status === 200 || response.status === 304) return response;
    if (method === 'GET' || ![400, 403, 404, 405, 501].includes(response.status)) {
      throw statusError(response, redactUrl(url), 'resolve');
    }
  }
  throw new Error('neither HEAD nor GET');
}
