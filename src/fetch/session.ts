/** What the fetchers of one engine share. */

import type { CredentialSource } from '../config/credential-source.js';
import type { EventSink } from '../events.js';
import type { HttpClient } from '../http/client.js';
import type { Clock } from '../http/clock.js';
import type { HttpOptions } from '../http/options.js';
import type { Hold } from '../http/pace.js';
import type { Retry } from '../http/retry.js';
import type { BlobRequest } from '../registry/client.js';
import type { Lease } from '../store/lease.js';
import type { Store } from '../store/store.js';
import type { LayerFiles, LocalLayer } from '../tasks/contract.js';
import type { LazyRunner } from '../tasks/runner.js';
import type { Descriptor, FetchedImage, FetchRequest, InsecureOptions, PullPolicy } from '../types.js';
import type { TakeTurn } from './batch.js';
import type { Permits } from './permits.js';
import type { MissingBytes, Room } from './space.js';

export interface SessionBase {
  readonly store: Store;
  readonly lease: Lease;
  readonly runner: LazyRunner;
  /** For the small requests of the main thread; workers make their own of `httpOptions`. */
  readonly http: HttpClient;
  readonly httpOptions: HttpOptions;
  readonly insecure: InsecureOptions;
  /** Undefined: everything is asked for anonymously. */
  readonly credentials: CredentialSource | undefined;
  /** Folders whose `trustedkeys` are read, later ones override. */
  readonly configDirs: readonly string[];
  /** The one of them that keys are written to. */
  readonly trustDir: string | undefined;
  /** Trust the keys of a name that discovery finds. */
  readonly trustKeysFromHttps: boolean;
  /** Further tries of every request. */
  readonly retries: number;
  /** For tokens: without permits, for a task asks for one while it holds its own. */
  readonly tokenHttp: HttpClient;
  readonly permits: Permits;
  /** How a host (`HOST[:PORT]`) is held now, if it is to be left alone. */
  readonly holdOf: (host: string) => Hold | undefined;
  readonly emit: EventSink;
}

export interface Session extends SessionBase {
  readonly layers: LayerJobs;
  /** Of the store. */
  readonly room: Room;
  /** What is left free where something else is written. 0: nobody looks. */
  readonly minFreeBytes: number;
}

/** Where a layer can be had. */
export type LayerOrigin = RegistryOrigin | LocalLayer;

export interface RegistryOrigin {
  readonly kind: 'registry';
  /** Where it is; asked again after `refreshAuthorization`. */
  request(): BlobRequest;
  /** Sees to it that the `authorization` of the request holds for a while. */
  renewIfStale(signal: AbortSignal): Promise<void>;
  /** Brings another `authorization` than the one that was refused. */
  refreshAuthorization(signal: AbortSignal, refused?: string): Promise<void>;
}

export interface LayerSource {
  readonly image: string;
  /** Where is told what becomes of the layer: of a job that several images want, to the first of them. */
  readonly emit: EventSink;
  /** Layers with smaller numbers are needed first. */
  readonly priority: number;
  readonly origin: LayerOrigin;
}

export interface LayerHandle {
  readonly files: LayerFiles;
  /** Begins the download, if nobody has; resolves when the layer is in the store. */
  start(): Promise<LayerResult>;
  /** What an interrupted download had left. */
  resumedBytes(): number;
  /** Whether some of it was asked for where another image has it. */
  wasElsewhere(): boolean;
  /** Undefined for a layer that the store has: nothing of it is written. */
  readonly missingBytes: MissingBytes | undefined;
  /** Ends the download too when nobody else wants it; resolves when nothing of it is at work any more. */
  release(): Promise<void>;
}

export interface LayerResult {
  readonly downloadedBytes: number;
}

export interface LayerJobs {
  /** `ignoreStore`: fetch it even if it is there. Waits while another process fetches the same layer. */
  open(
    layer: Descriptor,
    source: LayerSource,
    ignoreStore: boolean,
    signal: AbortSignal,
  ): Promise<LayerHandle>;
}

/** A request with its defaults filled in. */
export interface CompleteRequest extends FetchRequest {
  readonly pullPolicy: PullPolicy;
  readonly noStore: boolean;
  readonly requireSignature: boolean;
  /** What its bytes wait for; the time of it does not count for the image. */
  readonly takeTurn: TakeTurn;
  /** Runs a wait for the turn of something else that it needs. */
  readonly uncounted: Clock['without'];
}

/** What a fetcher found: the image is in the store now. */
export type Found = Omit<FetchedImage, 'image' | 'platform' | 'durationMs' | 'dependencies'>;

/** Memory that a task which downloads and inflates holds at most: its buffers, and those of the codec. */
export const FETCH_TASK_BYTES = 6 * 1024 * 1024;

/** What tells of requests that are made again for an image. */
export function retryTeller({ emit }: Pick<Session, 'emit'>, image: string): (retry: Retry) => void {
  return ({ attempt, delayMs, error }) =>
    emit({ event: 'image.retry', image, attempt, delayMs, reason: error.message });
}
