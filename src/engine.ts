/** The engine: the one place where store, pool, network and fetchers are put together. */

import { setMaxListeners } from 'node:events';
import { availableParallelism } from 'node:os';
import type { CredentialSource } from './config/credential-source.js';
import { abortedError, FetchError, isFetchError } from './errors.js';
import type { EventSink } from './events.js';
import { atOnce, runBatch, type TakeTurn } from './fetch/batch.js';
import { createDependencyFetcher } from './fetch/dependencies.js';
import type { ExportTarget } from './fetch/export-image.js';
import type { ExtractOptions, ExtractReport } from './fetch/extract-image.js';
import { createKeyring, type Keyring, type TrustDirs } from './fetch/keyring.js';
import { createLayerJobs } from './fetch/layer-jobs.js';
import { openNetwork } from './fetch/network.js';
import { type Among, fetchOne, planOne } from './fetch/one-image.js';
import { eventsOf, outcomeOf, resultOf } from './fetch/outcome.js';
import type { Session } from './fetch/session.js';
import { remoteHost } from './fetch/source.js';
import { createRoom, freeBytes } from './fetch/space.js';
import { completeId, findImage, storedImageOf } from './fetch/stored.js';
import { createUses } from './fetch/uses.js';
import { DEFAULT_RETRIES } from './http/retry.js';
import { parseReference } from './reference/parse.js';
import type { Lease } from './store/lease.js';
import { partsOf, readParts, sliceParts } from './store/parts.js';
import { type ImageFacts, openStore } from './store/store.js';
import { createLazyRunner } from './tasks/runner.js';
import type {
  FailedImage,
  FetchedImage,
  FetchOutcome,
  FetchRequest,
  ImageId,
  InsecureOptions,
  PlannedImage,
  ResolveOverride,
  StoredImage,
} from './types.js';

export interface EngineOptions extends TrustDirs {
  /** Folder of the store; made when it does not exist. */
  readonly storeDir: string;
  /** Worker threads, 1 or more. Default: the usable cores. */
  readonly workers?: number | undefined;
  /** Checks to leave out. Default: none. */
  readonly insecure?: Partial<InsecureOptions> | undefined;
  /** Where credentials come from; closed with the engine. Default: everything is asked for anonymously. */
  readonly credentials?: CredentialSource | undefined;
  /** Trust the keys of a name that meta discovery finds over HTTPS. Default false. */
  readonly trustKeysFromHttps?: boolean | undefined;
  /** What a request without `requireSignature` has. Default false. */
  readonly requireSignature?: boolean | undefined;
  /** Connect to these addresses instead. Default: none. */
  readonly resolve?: readonly ResolveOverride[] | undefined;
  /** Images of one call that are worked on side by side; each may have several downloads. Default 4. */
  readonly jobs?: number | undefined;
  /** Connections in all. Default 16. */
  readonly connections?: number | undefined;
  /** Connections to one host. Default 8. */
  readonly connectionsPerHost?: number | undefined;
  /** An answer that does not begin, or brings nothing, for this long is given up and asked for again. Default 30,000. */
  readonly stallTimeoutMs?: number | undefined;
  /** Further tries of a request that fails. Default 3. */
  readonly retries?: number | undefined;
  /** Bytes per second, over all connections. Default: no limit. */
  readonly limitRate?: number | undefined;
  /** An image that takes longer than this fails. Default: no limit. */
  readonly timeoutMs?: number | undefined;
  /**
   * Nothing is written into the store, or to an `output`, that would leave less than this free there, or does; what
   * the store has is answered with all the same. Default 0.
   */
  readonly minFreeBytes?: number | undefined;
  /** Receives every fact while the engine works. Default: none. */
  readonly onEvent?: EventSink | undefined;
}

export interface Engine extends Keyring {
  /** Fetches one image. Rejects with a FetchError when it fails. */
  fetch(request: FetchRequest, signal?: AbortSignal): Promise<FetchedImage>;
  /** Fetches images side by side; one outcome for each request, in their order. Rejects only when aborted. */
  fetchAll(requests: readonly FetchRequest[], options?: FetchAllOptions): Promise<FetchOutcome[]>;
  /**
   * What `fetchAll` would download, one answer for each request, in their order; what failed to be found out is a
   * failed image. Blobs that several images need are told of with each.
   */
  planAll(
    requests: readonly FetchRequest[],
    options?: PlanAllOptions,
  ): Promise<(PlannedImage | FailedImage)[]>;
  /** Bytes that may be written where the store is. */
  freeBytes(): Promise<number>;
  /** Every image of the store, newest import first; a damaged one is left out with an `image.warning`. */
  listImages(): Promise<StoredImage[]>;
  /** The image manifest exactly as it stands in the ACI. `image`: an ID, a name, or what it was fetched by. */
  catManifest(image: string): Promise<string>;
  /** Writes the uncompressed ACI; its SHA-512 is checked on the way. */
  exportImage(image: string, target: ExportTarget, signal?: AbortSignal): Promise<ImageId>;
  /** Unpacks manifest and rootfs into a folder. */
  extractImage(image: string, options: ExtractOptions, signal?: AbortSignal): Promise<ExtractReport>;
  /** Drops an image, and every blob that no other image needs unless something is at work on the store. */
  removeImage(image: string): Promise<ImageId>;
  /** Ends the workers and connections; the process can exit after it. */
  close(): Promise<void>;
}

export interface FetchAllOptions {
  readonly signal?: AbortSignal | undefined;
  /** The first failure ends all the others. Default false. */
  readonly failFast?: boolean | undefined;
  /** Called when an image is done, with its place in the list. */
  readonly onOutcome?: ((outcome: FetchOutcome, index: number) => void) | undefined;
}

export interface PlanAllOptions extends Pick<FetchAllOptions, 'signal'> {
  /** Called when an image has been looked at, with its place in the list. */
  readonly onOutcome?: ((outcome: PlannedImage | FailedImage, index: number) => void) | undefined;
}

export type { ExportTarget, ExtractOptions, ExtractReport };

const DEFAULT_JOBS = 4;
/** Small requests, most of whose time is waiting. */
const PLANS_AT_ONCE = 16;

const NO_INSECURE: InsecureOptions = { http: false, image: false, tls: false, pubkey: false };

/**
 * Opens (and where needed makes) the store and returns the engine on it. Workers and connections come with the
 * first fetch.
 * @throws FetchError ERR_USAGE, ERR_STORE_VERSION, and the others of exit code 8
 */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const workers = options.workers ?? availableParallelism();
  if (!Number.isSafeInteger(workers) || workers < 1) {
    throw new FetchError('ERR_USAGE', `workers: ${workers} is not a number from 1 up`, { stage: 'usage' });
  }
  const { jobs = DEFAULT_JOBS, minFreeBytes = 0 } = options;
  const store = await openStore(options.storeDir);
  const closing = new AbortController();
  const uses = createUses();
  const emit: EventSink = options.onEvent ?? (() => {});
  const insecure = { ...NO_INSECURE, ...options.insecure };
  const network = openNetwork(options, insecure, emit);
  let lease: Promise<Lease> | undefined;
  const runner = createLazyRunner(async () => (await import('./tasks/pool.js')).createPool(workers));
  let session: Promise<Session> | undefined;

  function signalWith(signal: AbortSignal | undefined): AbortSignal {
    const either = AbortSignal.any([closing.signal, ...(signal === undefined ? [] : [signal])]);
    // Every layer and every task of an image listens; that is no leak.
    setMaxListeners(0, either);
    return either;
  }
  const leased = (): Promise<Lease> => {
    lease ??= store.lease(closing.signal);
    return lease;
  };

  async function openSession(): Promise<Session> {
    const heldLease = await leased();
    const shared = {
      store,
      lease: heldLease,
      runner,
      ...network,
      insecure,
      credentials: options.credentials,
      configDirs: options.configDirs ?? [],
      trustDir: options.trustDir,
      trustKeysFromHttps: options.trustKeysFromHttps ?? false,
      emit,
    };
    const base = { ...shared, retries: options.retries ?? DEFAULT_RETRIES };
    return {
      ...base,
      layers: createLayerJobs(base),
      room: createRoom(store.layout.root, minFreeBytes),
      minFreeBytes,
    };
  }

  const opened = (): Promise<Session> => {
    session ??= openSession();
    return session;
  };

  async function fetchWithin(
    request: FetchRequest,
    among: Among,
    signal: AbortSignal | undefined,
  ): Promise<FetchedImage> {
    try {
      return await uses.during(() => fetchOne(opened, request, { ...options, ...among }, signalWith(signal)));
    } catch (error) {
      // A worker that was told to end does not know why.
      throw signal?.aborted ? abortedError(isFetchError(signal.reason) ? signal.reason : error) : error;
    }
  }

  /** Empty too for what turns out to be no image. */
  function hostOf({ image }: FetchRequest): string {
    try {
      return remoteHost(parseReference(image, process.cwd()));
    } catch {
      return '';
    }
  }

  const named = (image: string): Promise<ImageFacts> =>
    findImage(store, parseReference(image, process.cwd()));

  return {
    ...createKeyring(options, closing.signal),
    fetch(request, signal) {
      const tell = eventsOf(request, emit);
      const alone = { fetchDependency: createDependencyFetcher(), takeTurn: atOnce, tell };
      return fetchWithin(request, alone, signal);
    },
    fetchAll(requests, batch = {}) {
      const fetchDependency = createDependencyFetcher();
      const run = (request: FetchRequest, signal: AbortSignal, takeTurn: TakeTurn): Promise<FetchOutcome> => {
        const fetch = (tell: EventSink) => fetchWithin(request, { fetchDependency, takeTurn, tell }, signal);
        return outcomeOf(request, fetch, emit);
      };
      return runBatch(requests, { ...batch, jobs, hostOf, holds: network, run });
    },
    planAll: (requests, plan = {}) =>
      runBatch<PlannedImage | FailedImage>(requests, {
        ...plan,
        jobs: PLANS_AT_ONCE,
        hostOf,
        run: (request, either) =>
          resultOf(request, () => planOne(opened, request, options, signalWith(either))),
      }),
    freeBytes: () => freeBytes(options.storeDir),
    async listImages() {
      const { images, damaged } = await store.listImages();
      for (const id of damaged) {
        const message = `image ${id} is damaged: remove it with: aci image rm ${id}`;
        emit({ event: 'image.warning', image: id, warning: 'damaged', message });
      }
      return images.map(storedImageOf);
    },
    async catManifest(image) {
      const { id, manifest } = await named(image);
      const parts = partsOf(await store.readExtents(id), store.layout);
      const chunks: Buffer[] = [];
      for await (const chunk of readParts(sliceParts(parts, manifest.offset, manifest.sizeBytes)))
        chunks.push(chunk);
      return Buffer.concat(chunks).toString('utf8');
    },
    async exportImage(image, target, signal) {
      await leased();
      return uses.during(async () => {
        const facts = await named(image);
        const { exportImage } = await import('./fetch/export-image.js');
        await exportImage(store, facts, target, signalWith(signal));
        await store.touchImage(facts.id);
        return facts.id;
      });
    },
    async extractImage(image, extractOptions, signal) {
      await leased();
      return uses.during(async () => {
        const facts = await named(image);
        const { extractImage } = await import('./fetch/extract-image.js');
        const report = await extractImage(store, runner, facts, extractOptions, signalWith(signal));
        await store.touchImage(facts.id);
        return report;
      });
    },
    async removeImage(image) {
      const reference = parseReference(image, process.cwd());
      const id = reference.kind === 'id' ? await completeId(store, reference) : undefined;
      const found = id ?? (await findImage(store, reference)).id;
      await store.removeImage(found);
      await uses.sweepIfIdle(() => store.sweepBlobs(closing.signal));
      return found;
    },
    async close() {
      closing.abort();
      options.credentials?.close();
      const [open, openLease] = await Promise.allSettled([session, lease]);
      await runner.close();
      if (open.status === 'fulfilled') await open.value?.http.close();
      if (openLease.status === 'fulfilled') await openLease.value?.release();
    },
  };
}
