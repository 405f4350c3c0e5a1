/** A repository of a registry (OCI distribution specification, Docker registry v2): what an image consists of. */

import type { CredentialLookup } from '../auth/credentials.js';
import { FetchError, isFetchError } from '../errors.js';
import type { HttpClient } from '../http/client.js';
import { type Retry, withRetry } from '../http/retry.js';
import { isDigest } from '../reference/digest.js';
import type { Descriptor, Digest, DockerReference, Platform } from '../types.js';
import { readBlobSize } from './blob-size.js';
import { createConnection } from './connection.js';
import {
  checkAnnouncedSize,
  checkDigest,
  digestOf,
  type ExpectedContent,
  readSized,
  readVerified,
} from './content.js';
import { MANIFEST_ACCEPT } from './manifest.js';
import { chooseImage, MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES } from './resolve.js';
import { SCHEMA1_LAYER_TYPE } from './schema1.js';
import { signedContent } from './signed-manifest.js';
import type { ImageSource, ResolvedImage } from './source.js';

/** Under way at once. */
const SIZE_REQUESTS = 4;

export interface RegistryOptions {
  /** Plain HTTP where the registry cannot be had over TLS. The HTTP client must allow it as well. */
  readonly insecureHttp: boolean;
  /** For tokens. Default: as everything else. */
  readonly tokenHttp?: HttpClient | undefined;
  /** Of each small request. Default 3. */
  readonly retries?: number | undefined;
  readonly onRetry?: ((retry: Retry) => void) | undefined;
  /** Called once, when the registry asks for a credential. Default: anonymous. */
  readonly credential?: CredentialLookup | undefined;
}

export interface BlobRequest {
  readonly url: string;
  /** For the origin of `url` only. */
  readonly authorization?: string | undefined;
}

export interface Registry extends ImageSource {
  /**
   * Reads the manifest, through indexes where there are any; every document has the digest and size that name
   * it. Of a manifest of schema 1 it asks for the sizes of the layers as well. Rejects with ERR_NOT_FOUND, ERR_AUTH,
   * ERR_NO_PLATFORM, ERR_DIGEST_MISMATCH, ERR_SIZE_MISMATCH, ERR_LIMIT (4 MiB), ERR_MANIFEST_INVALID, ERR_MEDIA_TYPE,
   * or an error of the connection.
   */
  resolve(platform: Platform, signal: AbortSignal): Promise<ResolvedImage>;
  /** Of 8 MiB at most, checked against its descriptor. Rejects as {@link resolve} does. */
  readConfig(image: Pick<ResolvedImage, 'config'>, signal: AbortSignal): Promise<Buffer>;
  /** What a worker needs to download a blob; meaningful after {@link resolve}. */
  blobRequest(descriptor: Pick<Descriptor, 'digest'>): BlobRequest;
  /** Sees to it that the token of {@link blobRequest} holds for a while. */
  renewIfStale(signal: AbortSignal): Promise<void>;
  /**
   * Gets a new token after a blob was answered with 401; ask for {@link blobRequest} again afterwards.
   * @param refused the `authorization` of that request: when another one has brought a new token already, that will do
   */
  refreshAuthorization(signal: AbortSignal, refused?: string): Promise<void>;
}

/** Access to the repository of `reference`. Tokens and the scheme found are kept for as long as the value lives. */
export function createRegistry(
  http: HttpClient,
  reference: DockerReference,
  options: RegistryOptions,
): Registry {
  const connection = createConnection(http, reference, options);
  const { repository } = reference;
  const name = nameOf(reference);
  const blobPath = (digest: Digest): string => `${repository}/blobs/${digest}`;

  const retrying = <T>(signal: AbortSignal, run: () => Promise<T>): Promise<T> =>
    withRetry(run, { signal, retries: options.retries, onRetry: options.onRetry });

  async function readManifest(tagOrDigest: string, expected: ExpectedContent, signal: AbortSignal) {
    checkAnnouncedSize(expected);
    const { what } = expected;
    return retrying(signal, async () => {
      const response = await connection.get(
        `${repository}/manifests/${tagOrDigest}`,
        { accept: MANIFEST_ACCEPT, what },
        signal,
      );
      const bytes = signedContent(await readSized(response.body, expected));
      if (expected.digest !== undefined) checkDigest(bytes, expected.digest, what);
      checkDigestHeader(bytes, response.headers['docker-content-digest'], what);
      return { bytes, mediaType: response.headers['content-type'] };
    });
  }

  async function readRoot(signal: AbortSignal) {
    const tagOrDigest = reference.digest ?? reference.tag ?? 'latest';
    const expected = { digest: reference.digest, maxBytes: MAX_MANIFEST_BYTES, what: name };
    try {
      return await readManifest(tagOrDigest, expected, signal);
    } catch (error) {
      if (!isFetchError(error) || error.code !== 'ERR_NOT_FOUND') throw error;
      const problem = reference.digest === undefined ? 'no such image or tag' : 'no such image or digest';
      throw new FetchError('ERR_NOT_FOUND', `${name}: ${problem}`, { stage: 'resolve', cause: error });
    }
  }

  async function resolve(platform: Platform, signal: AbortSignal): Promise<ResolvedImage> {
    const root = await readRoot(signal);
    const { digest, manifest } = await chooseImage(root, { platform, name }, (entry) => {
      const { digest: wanted, sizeBytes } = entry;
      const what = `the manifest ${wanted} of ${name}`;
      const expected = { digest: wanted, sizeBytes, maxBytes: MAX_MANIFEST_BYTES, what };
      return readManifest(wanted, expected, signal);
    });
    const rootDigest = digestOf(root.bytes);
    if (manifest.kind === 'schema1') {
      const layers = await describeLayers(manifest.layerDigests, signal);
      return { digest, rootDigest, config: { bytes: manifest.config }, hasDiffIds: false, layers };
    }
    const { config, layers } = manifest;
    return { digest, rootDigest, config, hasDiffIds: true, layers };
  }

  /** For manifests of schema 1, which name digests only. */
  async function describeLayers(digests: readonly Digest[], signal: AbortSignal): Promise<Descriptor[]> {
    const sizes = new Map<Digest, number>();
    const waiting = [...new Set(digests)];
    const siblings = new AbortController();
    const anySignal = AbortSignal.any([signal, siblings.signal]);
    async function askInTurn(): Promise<void> {
      for (let digest = waiting.pop(); digest !== undefined; digest = waiting.pop()) {
        const [path, what] = [blobPath(digest), `layer ${digest} of ${name}`];
        const size = await retrying(anySignal, () => readBlobSize(connection, path, what, anySignal));
        sizes.set(digest, size);
      }
    }
    try {
      await Promise.all(Array.from({ length: SIZE_REQUESTS }, askInTurn));
    } finally {
      siblings.abort();
    }
    return digests.map((digest) => {
      const sizeBytes = sizes.get(digest) as number;
      return { mediaType: SCHEMA1_LAYER_TYPE, digest, sizeBytes };
    });
  }

  async function readConfig({ config }: Pick<ResolvedImage, 'config'>, signal: AbortSignal): Promise<Buffer> {
    if ('bytes' in config) return config.bytes;
    const { digest, sizeBytes } = config;
    const what = `the config of ${name}`;
    const expected = { digest, sizeBytes, maxBytes: MAX_CONFIG_BYTES, what };
    checkAnnouncedSize(expected);
    return retrying(signal, async () => {
      const response = await connection.get(blobPath(digest), { what }, signal);
      return readVerified(response.body, expected);
    });
  }

  return {
    resolve,
    readConfig,
    blobRequest: ({ digest }) => ({
      url: connection.urlOf(blobPath(digest)),
      authorization: connection.authorization(),
    }),
    renewIfStale: (signal) => retrying(signal, () => connection.renewIfStale(signal)),
    refreshAuthorization: (signal, refused) =>
      retrying(signal, () => connection.reauthorize(refused, signal)),
  };
}

/** `docker://HOST/REPO:TAG` or `docker://HOST/REPO@DIGEST`, with the defaults filled in. */
function nameOf({ registry, repository, tag, digest }: DockerReference): string {
  const suffix = digest === undefined ? `:${tag ?? 'latest'}` : `@${digest}`;
  return `docker://${registry}/${repository}${suffix}`;
}

/** A registry that announces another digest than that of what it sends is not to be believed either way. */
function checkDigestHeader(bytes: Uint8Array, header: string | undefined, what: string): void {
  if (header === undefined) return;
  if (!isDigest(header)) {
    const message = `${what} came with a Docker-Content-Digest that is no digest`;
    throw new FetchError('ERR_DIGEST_MISMATCH', message, { stage: 'verify' });
  }
  checkDigest(bytes, header, what);
}
