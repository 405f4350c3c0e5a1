/** Fetches a Docker or OCI image from its registry and converts it to one ACI while it arrives. */

import { setMaxListeners } from 'node:events';
import { labelsOf } from '../aci/manifest.js';
import { stringifyAciManifest } from '../aci/manifest-json.js';
import { convertDockerConfig, readDockerConfigFacts } from '../convert/docker-config.js';
import { FetchError, isFetchError, throwIfAborted } from '../errors.js';
import { formatPlatform } from '../reference/platform.js';
import { createRegistry, type Registry } from '../registry/client.js';
import { hostPlatform } from '../registry/platform.js';
import type { ResolvedImage } from '../registry/source.js';
import { blobsOf, type Extent, type ImageRecord, type RemoteRecord } from '../store/records.js';
import type { AssembleOutput } from '../tasks/contract.js';
import type { Descriptor, Digest, DockerReference, ImageId, Labels, Platform } from '../types.js';
import type { CompleteRequest, Found, LayerHandle, Session } from './session.js';
import { dockerKey, sourceOf } from './source.js';
import { foundInStore } from './stored.js';

/**
 * Layers are asked for top layer first, the order in which the ACI is hashed.
 * @throws FetchError of every kind but ERR_USAGE
 */
export async function fetchDocker(
  session: Session,
  reference: DockerReference,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<Found> {
  const { store, insecure, emit } = session;
  const { image } = reference;
  const platform = request.platform ?? hostPlatform();
  const key = dockerKey(reference, platform);
  const remote = request.noStore ? undefined : await store.readRemote(key);
  const known = remote === undefined ? undefined : await store.readWholeImage(remote.id);
  if (known !== undefined && request.pullPolicy !== 'update') return foundInStore(store, known);
  if (request.pullPolicy === 'never') {
    throw new FetchError('ERR_NOT_IN_STORE', `${image}: not in the store`, { stage: 'store' });
  }
  if (!insecure.image) {
    throw new FetchError(
      'ERR_SIGNATURE_REQUIRED',
      'signature verification for docker images is not supported (try --insecure-options=image)',
      { stage: 'verify' },
    );
  }
  emit({ event: 'image.started', image, source: sourceOf(reference) });
  emit({
    event: 'image.warning',
    image,
    warning: 'unverified',
    message: 'image signature verification has been disabled',
  });

  if (known === undefined) session.runner.warmUp();
  const registry = createRegistry(session.http, reference, {
    insecureHttp: insecure.http,
    retries: session.retries,
  });
  const resolved = await registry.resolve(platform, signal);
  if (known !== undefined && remote?.manifestDigest === resolved.digest) {
    await store.writeRemote(key, { ...remote, checkedAt: new Date().toISOString() }, session.lease);
    return foundInStore(store, known);
  }
  const config = await registry.readConfig(resolved, signal);
  checkConfig(session, reference, request, resolved, config, platform);
  const manifest = convertDockerConfig({
    config,
    reference,
    manifestDigest: resolved.digest,
    topLayerDigest: resolved.layers.at(-1)?.digest,
  });
  const text = stringifyAciManifest(manifest);
  const assembled = await assembleOnce(
    session,
    { image, registry, resolved, text, noStore: request.noStore },
    signal,
  );
  const found = {
    id: `sha512-${assembled.sha512}` as ImageId,
    name: manifest.name,
    labels: labelsOf(manifest),
    sizeBytes: assembled.sizeBytes,
  };
  await commit(session, { reference, key, resolved, assembled, found });
  const configBytes = 'bytes' in resolved.config ? 0 : config.length;
  const downloadedBytes = assembled.downloadedBytes + configBytes;
  return { status: 'fetched', ...found, verified: false, signers: [], downloadedBytes };
}

/** What the config says must fit what was asked for and what the manifest lists. */
function checkConfig(
  { emit }: Session,
  { image }: DockerReference,
  request: CompleteRequest,
  resolved: ResolvedImage,
  config: Uint8Array,
  wanted: Platform,
): void {
  const facts = readDockerConfigFacts(config);
  if (resolved.hasDiffIds && facts.diffIds.length !== resolved.layers.length) {
    const problem = `the config names ${facts.diffIds.length} layers, the manifest ${resolved.layers.length}`;
    throw new FetchError('ERR_MANIFEST_INVALID', `${image}: ${problem}`, { stage: 'convert' });
  }
  const { os, architecture } = facts.platform;
  if (os === wanted.os && architecture === wanted.architecture) return;
  const message = `the image is for ${formatPlatform(facts.platform)}, not for ${formatPlatform(wanted)}`;
  // An image without an index has only one platform, which nobody chose.
  if (request.platform === undefined && resolved.rootDigest === resolved.digest) {
    emit({ event: 'image.warning', image, warning: 'platform', message });
    return;
  }
  throw new FetchError('ERR_PLATFORM_MISMATCH', `${image}: ${message}`, { stage: 'verify' });
}

interface Assembling {
  readonly image: string;
  readonly registry: Registry;
  readonly resolved: ResolvedImage;
  readonly text: string;
  readonly noStore: boolean;
}

type Assembled = AssembleOutput & { readonly downloadedBytes: number };

/** Again from the first byte where the rest of an interrupted download turned out to be bad. */
async function assembleOnce(
  session: Session,
  assembling: Assembling,
  signal: AbortSignal,
): Promise<Assembled> {
  const first = await assembleLayers(session, assembling, signal);
  if (!('staleResume' in first)) return first;
  const second = await assembleLayers(session, assembling, signal);
  if ('staleResume' in second) throw second.staleResume;
  return second;
}

async function assembleLayers(
  session: Session,
  { image, registry, resolved, text, noStore }: Assembling,
  outerSignal: AbortSignal,
): Promise<Assembled | { readonly staleResume: FetchError }> {
  const siblings = new AbortController();
  const signal = AbortSignal.any([outerSignal, siblings.signal]);
  setMaxListeners(0, signal);
  const opened = new Map<Digest, LayerHandle>();
  try {
    const topFirst = [...resolved.layers].reverse();
    for (const digest of inLockOrder(topFirst)) {
      const priority = topFirst.findIndex((layer) => layer.digest === digest);
      const layer = topFirst[priority] as Descriptor;
      const source = {
        image,
        priority,
        request: () => registry.blobRequest(layer),
        refreshAuthorization: (refreshSignal: AbortSignal) => registry.refreshAuthorization(refreshSignal),
      };
      opened.set(digest, await session.layers.open(layer, source, noStore, signal));
    }
    const handles = topFirst.map(({ digest }) => opened.get(digest) as LayerHandle);
    const layers = handles.map(({ files }) => files);
    const assembling = session.runner.run('assemble', { manifest: text, layers }, { signal });
    // After the assembler, which then has a thread to itself where there is more than one.
    const downloading = Promise.all([...new Set(handles)].map((handle) => handle.start()));
    const [output, results] = await firstCause([assembling, downloading]);
    const downloadedBytes = results.reduce((sum, result) => sum + result.downloadedBytes, 0);
    return { ...output, downloadedBytes };
  } catch (error) {
    throwIfAborted(outerSignal);
    const resumed = [...opened.values()].some((handle) => handle.resumedBytes() > 0);
    if (isFetchError(error) && error.code === 'ERR_DIGEST_MISMATCH' && resumed) return { staleResume: error };
    throw error;
  } finally {
    siblings.abort();
    // Whoever hears of the end finds no temporary file and no lock of this image.
    await Promise.all([...opened.values()].map((handle) => handle.release()));
  }
}

/**
 * Every process takes the locks of layers in this order, and holds all of an image's before it downloads: so no two
 * can wait for each other.
 */
function inLockOrder(layers: readonly Descriptor[]): Digest[] {
  return [...new Set(layers.map(({ digest }) => digest))].sort();
}

/** Like Promise.all, but a failed layer is the cause when the assembler that follows it fails first. */
async function firstCause<A, B>([assembling, downloading]: [Promise<A>, Promise<B>]): Promise<[A, B]> {
  downloading.catch(() => undefined);
  try {
    return await Promise.all([assembling, downloading]);
  } catch (error) {
    if (isFetchError(error) && error.code === 'ERR_ABORTED') await downloading;
    throw error;
  }
}

interface Commit {
  readonly reference: DockerReference;
  readonly key: string;
  readonly resolved: ResolvedImage;
  readonly assembled: Assembled;
  readonly found: { id: ImageId; name: string; labels: Labels; sizeBytes: number };
}

async function commit(
  session: Session,
  { reference, key, resolved, assembled, found }: Commit,
): Promise<void> {
  const { store, lease } = session;
  const extents: Extent[] = assembled.extents.map((extent) =>
    'bytes' in extent ? { bytes: Buffer.from(extent.bytes) } : extent,
  );
  const source = sourceOf(reference);
  const now = new Date().toISOString();
  const record: ImageRecord = {
    format: 1,
    ...found,
    manifest: assembled.manifest,
    source,
    importedAt: (await store.readWholeImage(found.id))?.importedAt ?? now,
    latest: reference.tag === 'latest',
    verified: false,
    signers: [],
    blobs: blobsOf(extents),
  };
  await store.commitImage(record, extents, lease);
  const remote: RemoteRecord = {
    format: 1,
    source,
    id: found.id,
    checkedAt: now,
    manifestDigest: resolved.digest,
  };
  await store.writeRemote(key, remote, lease);
}
