/** Fetches a Docker or OCI image from wherever it is and converts it to one ACI while it arrives. */

import { MAX_ACI_MANIFEST_BYTES } from '../aci/inspect.js';
import { type AciManifest, labelsOf } from '../aci/manifest.js';
import { stringifyAciManifest } from '../aci/manifest-json.js';
import { convertDockerConfig, readDockerConfigFacts } from '../convert/docker-config.js';
import { FetchError } from '../errors.js';
import { formatPlatform } from '../reference/platform.js';
import { hostPlatform } from '../registry/platform.js';
import type { ImageSource, ResolvedImage } from '../registry/source.js';
import { blobsOf, type Extent, type ImageRecord, type RemoteRecord } from '../store/records.js';
import type {
  Descriptor,
  DockerReference,
  ImageId,
  ImageNaming,
  Labels,
  LayoutReference,
  Platform,
} from '../types.js';
import { type Assembled, assembleImage } from './assemble-image.js';
import { inTurn } from './batch.js';
import { readConverted, storeAnswers, unchangedImage } from './converted.js';
import type { CompleteRequest, Found, LayerOrigin, Session } from './session.js';
import { convertedKey, remoteHost, sourceOf } from './source.js';
import { foundInStore } from './stored.js';

/** Where an image is had from: a registry, or a layout on disk. */
export interface ConvertibleSource<Image extends ResolvedImage = ResolvedImage> extends ImageSource<Image> {
  /** Whether `digest` of an image is that of a manifest, as registries have them. */
  readonly hasManifests: boolean;
  namingOf(image: Image): ImageNaming;
  originOf(layer: Descriptor): LayerOrigin;
}

interface Asking {
  /** The argument. */
  readonly image: string;
  readonly platform: Platform;
  readonly request: CompleteRequest;
}

interface Converting extends Asking {
  /** In its full form and without secrets. */
  readonly source: string;
  /** What the source's last answer is remembered under. */
  readonly key: string;
}

/**
 * `open` is called when the source has to be asked.
 * @throws FetchError of every kind but ERR_USAGE, and what `open` throws
 */
export async function convertImage<Image extends ResolvedImage>(
  session: Session,
  reference: DockerReference | LayoutReference,
  request: CompleteRequest,
  open: () => Promise<ConvertibleSource<Image>>,
  signal: AbortSignal,
): Promise<Found> {
  const { store, insecure, emit } = session;
  const { image } = reference;
  const platform = request.platform ?? hostPlatform();
  const key = convertedKey(reference, platform);
  const converting: Converting = { image, source: sourceOf(reference), key, platform, request };
  const converted = await readConverted(store, key, request);
  const { remote, known } = converted;
  const facts = { image, platform, isKnown: known !== undefined, insecureImage: insecure.image };
  const isAnswered = storeAnswers({ ...request, ...facts });
  if (isAnswered && known !== undefined) return foundInStore(store, known);
  emit({ event: 'image.started', image, source: converting.source });
  emit({
    event: 'image.warning',
    image,
    warning: 'unverified',
    message: 'image signature verification has been disabled',
  });

  if (known === undefined) session.runner.warmUp();
  const source = await open();
  const resolved = await source.resolve(platform, signal);
  const naming = source.namingOf(resolved);
  const unchanged = unchangedImage(converted, resolved, naming);
  if (remote !== undefined && unchanged !== undefined) {
    await store.writeRemote(key, { ...remote, checkedAt: new Date().toISOString() }, session.lease);
    return foundInStore(store, unchanged);
  }
  const blobs = resolved.layers.map(({ digest: blob, sizeBytes }) => ({ blob, sizeBytes }));
  emit({ event: 'image.resolved', image, blobs });
  const sizeBytes = resolved.layers.reduce((sum, layer) => sum + layer.sizeBytes, 0);
  const turn = { host: remoteHost(reference), sizeBytes };
  return inTurn(request.takeTurn, turn, signal, () =>
    fetchResolved(session, converting, source, resolved, signal),
  );
}

async function fetchResolved<Image extends ResolvedImage>(
  session: Session,
  converting: Converting,
  source: ConvertibleSource<Image>,
  resolved: Image,
  signal: AbortSignal,
): Promise<Found> {
  const { image, request } = converting;
  const naming = source.namingOf(resolved);
  const { manifest, text, configBytes } = await manifestOf(session, converting, source, resolved, signal);
  const { layers } = resolved;
  const { originOf } = source;
  const { noStore } = request;
  const assembled = await session.room.during(signal, (roomy, claim) =>
    assembleImage(session, { image, layers, originOf, manifest: text, noStore, claim }, roomy),
  );
  const found = {
    id: `sha512-${assembled.sha512}` as ImageId,
    name: manifest.name,
    labels: labelsOf(manifest),
    sizeBytes: assembled.sizeBytes,
  };
  await commit(session, { converting, naming, resolved, assembled, found });
  const downloadedBytes = assembled.downloadedBytes + configBytes;
  return { status: 'fetched', ...found, verified: false, signers: [], downloadedBytes };
}

/**
 * The manifest of the ACI, made of a config that fits; `configBytes` were downloaded for it.
 * @throws FetchError ERR_PLATFORM_MISMATCH, ERR_MANIFEST_INVALID, ERR_LIMIT, and those of the source
 */
export async function manifestOf<Image extends ResolvedImage>(
  session: Session,
  asking: Asking,
  source: ConvertibleSource<Image>,
  resolved: Image,
  signal: AbortSignal,
): Promise<{ readonly manifest: AciManifest; readonly text: string; readonly configBytes: number }> {
  const config = await source.readConfig(resolved, signal);
  checkConfig(session, asking, resolved, config);
  const manifest = convertDockerConfig({
    config,
    naming: source.namingOf(resolved),
    manifestDigest: source.hasManifests ? resolved.digest : undefined,
    topLayerDigest: resolved.layers.at(-1)?.digest,
  });
  const text = stringifyAciManifest(manifest);
  if (Buffer.byteLength(text) > MAX_ACI_MANIFEST_BYTES) {
    const problem = `the image config makes an ACI manifest of more than ${MAX_ACI_MANIFEST_BYTES} bytes`;
    throw new FetchError('ERR_LIMIT', `${asking.image}: ${problem}`, { stage: 'convert' });
  }
  return { manifest, text, configBytes: 'bytes' in resolved.config ? 0 : config.length };
}

/** What the config says must fit what was asked for and what the manifest lists. */
function checkConfig(
  { emit }: Session,
  { image, request, platform: wanted }: Asking,
  resolved: ResolvedImage,
  config: Uint8Array,
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

interface Commit {
  readonly converting: Converting;
  readonly naming: ImageNaming;
  readonly resolved: ResolvedImage;
  readonly assembled: Assembled;
  readonly found: { id: ImageId; name: string; labels: Labels; sizeBytes: number };
}

async function commit(
  session: Session,
  { converting: { source, key }, naming, resolved, assembled, found }: Commit,
): Promise<void> {
  const { store, lease } = session;
  const extents: Extent[] = assembled.extents.map((extent) =>
    'bytes' in extent ? { bytes: Buffer.from(extent.bytes) } : extent,
  );
  const now = new Date().toISOString();
  const record: ImageRecord = {
    format: 1,
    ...found,
    manifest: assembled.manifest,
    source,
    importedAt: (await store.readWholeImage(found.id))?.importedAt ?? now,
    latest: naming.tag === 'latest',
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
    originalName: naming.originalName,
  };
  await store.writeRemote(key, remote, lease);
}
