/** What a fetch would download, without downloading it and without a trace in the store. */

import { createHash } from 'node:crypto';
import { access, constants } from 'node:fs/promises';
import { assertNever, errnoOf, FetchError, storageError } from '../errors.js';
import { requestKey } from '../events.js';
import type { HttpResponse } from '../http/client.js';
import { statusError } from '../http/errors.js';
import { conditionalHeaders } from '../http/freshness.js';
import { redactUrl } from '../http/redact.js';
import { withRetry } from '../http/retry.js';
import { hostPlatform } from '../registry/platform.js';
import type { ResolvedImage } from '../registry/source.js';
import { partialBytes } from '../store/partial-record.js';
import type {
  DockerReference,
  FileReference,
  ImageReference,
  LayoutReference,
  NameReference,
  PlannedBlob,
  PlannedImage,
  Platform,
  UrlReference,
} from '../types.js';
import { foundAtUrl } from './aci.js';
import { type Asked, remembered } from './aci-record.js';
import { manifestOf } from './convert-image.js';
import { type Converted, readConverted, storeAnswers, unchangedImage } from './converted.js';
import { registrySource } from './docker.js';
import { fetchById, refuseSignature } from './fetch-image.js';
import { endpointsOf, expectedOf, foundByName, ofFirstEndpoint } from './name.js';
import { neededLayers } from './needed-layers.js';
import { type CompleteRequest, retryTeller, type Session } from './session.js';
import { readSignatureAt } from './signature-file.js';
import { convertedKey, urlKey } from './source.js';

type Plan = Pick<PlannedImage, 'cached' | 'blobs'>;

/**
 * What the store would answer with, or the blobs of the image, none for one that is on disk. What an ACI depends on is
 * only known when it is here. @throws FetchError of every kind, as the fetch would before it downloads
 */
export async function planImage(
  session: Session,
  reference: ImageReference,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<Plan> {
  refuseSignature(reference, request);
  const looking = withoutTraces(session);
  switch (reference.kind) {
    case 'docker':
      return planDocker(looking, reference, request, signal);
    case 'url':
      return planUrl(looking, reference, request, signal);
    case 'name':
      return planName(looking, reference, request, signal);
    case 'id':
      return cachedPlan(await fetchById(looking, reference, request, signal));
    case 'layout':
      return planLayout(looking, reference, request);
    case 'file':
      await readNamedSignature(looking, request, signal);
      return planFile(reference);
    default:
      return assertNever(reference);
  }
}

/** The same session on a store that takes no notes: only who fetches an image uses it. */
function withoutTraces(session: Session): Session {
  const nothing = async (): Promise<void> => {};
  const store = { ...session.store, touchImage: nothing, updateImage: nothing, writeRemote: nothing };
  return { ...session, store };
}

function cachedPlan({ id, sizeBytes }: NonNullable<PlannedImage['cached']>): Plan {
  return { cached: { id, sizeBytes }, blobs: [] };
}

async function planDocker(
  session: Session,
  reference: DockerReference,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<Plan> {
  const { store } = session;
  const platform = request.platform ?? hostPlatform();
  const converted = await readConverted(store, convertedKey(reference, platform), request);
  const answer = storedAnswer(session, reference, platform, converted, request);
  if (answer !== undefined) return answer;
  const source = registrySource(session, reference);
  const resolved = await source.resolve(platform, signal);
  const unchanged = unchangedImage(converted, resolved, reference);
  if (unchanged !== undefined) return cachedPlan(unchanged);
  // What does not fit is refused here as by the fetch, for which the config has to be read.
  await manifestOf(session, { image: reference.image, platform, request }, source, resolved, signal);
  const layers = await neededLayers(store, resolved.layers, request.noStore);
  return {
    blobs: [
      ...plannedConfig(resolved, request),
      ...layers.map(({ digest, sizeBytes, storedBytes }) => ({
        blob: digest,
        key: digest,
        sizeBytes,
        storedBytes,
      })),
    ],
  };
}

/** No two images share it: each reads its own, and the store keeps none. */
function plannedConfig({ config }: ResolvedImage, request: CompleteRequest): PlannedBlob[] {
  if ('bytes' in config) return [];
  const { digest: blob, sizeBytes } = config;
  return [{ blob, key: `${blob} ${requestKey(request)}`, sizeBytes, storedBytes: 0 }];
}

async function planLayout(
  session: Session,
  reference: LayoutReference,
  request: CompleteRequest,
): Promise<Plan> {
  const platform = request.platform ?? hostPlatform();
  const converted = await readConverted(session.store, convertedKey(reference, platform), request);
  return storedAnswer(session, reference, platform, converted, request) ?? planFile(reference);
}

/** Undefined where the source has to be asked. */
function storedAnswer(
  { insecure }: Session,
  { image }: ImageReference,
  platform: Platform,
  { known }: Converted,
  request: CompleteRequest,
): Plan | undefined {
  const facts = { image, platform, isKnown: known !== undefined, insecureImage: insecure.image };
  const isAnswered = storeAnswers({ ...request, ...facts });
  return isAnswered && known !== undefined ? cachedPlan(known) : undefined;
}

async function planFile({ path }: FileReference | LayoutReference): Promise<Plan> {
  await access(path, constants.R_OK).catch((error: unknown) => {
    if (!['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) {
      throw storageError(error, `cannot read ${path}`);
    }
    throw new FetchError('ERR_NOT_FOUND', `${path}: no such file`, { stage: 'resolve' });
  });
  return { blobs: [] };
}

async function planName(
  session: Session,
  reference: NameReference,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<Plan> {
  const found = await foundByName(session, reference, request, signal);
  if (found !== undefined) return cachedPlan(found);
  const { image } = reference;
  const expected = expectedOf(reference, request);
  const endpoints = await endpointsOf(session, reference, request, signal);
  return ofFirstEndpoint(endpoints, ({ aciUrl: url }) =>
    planUrl(session, { image, url, expected }, request, signal),
  );
}

async function planUrl(
  session: Session,
  { image, url, expected }: Asked & Pick<UrlReference, 'url'>,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<Plan> {
  const { store, retries } = session;
  const found = await foundAtUrl(session, { image, url, expected }, request, signal);
  if (found !== undefined) return cachedPlan(found);
  await readNamedSignature(session, request, signal);
  const reference = { kind: 'url', image, url } as const;
  const { remote, known } = await remembered(session, reference, request);
  const validators = known === undefined ? {} : (remote?.cached ?? {});
  const response = await withRetry(() => ask(session, url, conditionalHeaders(validators), signal), {
    signal,
    retries,
    onRetry: retryTeller(session, image),
  });
  if (response.status === 304 && known !== undefined) return cachedPlan(known);
  const length = Number(response.headers['content-length'] ?? Number.NaN);
  const sizeBytes = Number.isSafeInteger(length) ? length : undefined;
  const partial = request.noStore ? 0 : await partialBytes(store.layout.partialFile(urlKey(reference)));
  const storedBytes = Math.min(partial, sizeBytes ?? partial);
  const key = createHash('sha256').update(urlKey(reference)).digest('hex');
  return { blobs: [{ blob: redactUrl(url), key, sizeBytes, storedBytes }] };
}

/** It fails where the fetch would, which reads the signature first. */
async function readNamedSignature(
  { insecure }: Session,
  { signature: path }: CompleteRequest,
  signal: AbortSignal,
): Promise<void> {
  if (path !== undefined && !insecure.image) await readSignatureAt({ path, isOptional: false }, signal);
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
