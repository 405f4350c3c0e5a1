/** The worker protocol: every task with its input and output, and the messages beside them. */

import type { Credential } from '../auth/credentials.js';
import type { WireError } from '../errors.js';
import type { CacheHeaders, Validators } from '../http/freshness.js';
import type { HttpOptions } from '../http/options.js';
import type { ExtentPart } from '../store/parts.js';
import type { Extent, PartialHash } from '../store/records.js';
import type { ContentHashRequest, KeptHash } from '../trust/signature.js';
import type { Digest, FileRange } from '../types.js';

/** Task name to input and output. All of it is plain data; blob bytes stay in files. */
export interface Tasks {
  fetchLayer: { input: FetchLayerInput; output: FetchLayerOutput };
  downloadAci: { input: DownloadAciInput; output: DownloadAciOutput };
  readAci: { input: ReadAciInput; output: ReadAciOutput };
  assemble: { input: AssembleInput; output: AssembleOutput };
  extract: { input: ExtractInput; output: ExtractOutput };
  inflate: { input: InflateInput; output: InflateOutput };
}

export type TaskName = keyof Tasks;

/** A request that a worker makes by itself, again if it must. */
export interface BlobRequest {
  readonly url: string;
  /** Sent to the origin of `url` only. */
  readonly authorization?: string | undefined;
  /** Sent to the origin of `url` only, over https only, and signed anew by every try. */
  readonly credential?: Credential | undefined;
  readonly http: HttpOptions;
  /** Further tries after the first. */
  readonly retries: number;
}

/** Reads a layer, checks it, and writes it converted into two files of the ingest folder. */
export interface FetchLayerInput {
  readonly source: RegistryLayer | LocalLayer;
  readonly digest: Digest;
  /** Of the layer as it comes, compressed or not. */
  readonly sizeBytes: number;
  /** Smaller numbers are inflated first where a thread has several layers. */
  readonly priority: number;
  /** Exist, and may hold what an attempt before this one wrote: the same bytes. */
  readonly tarFile: string;
  readonly indexFile: string;
  /** See `blobCounters`. */
  readonly counters: SharedArrayBuffer;
}

export interface RegistryLayer {
  readonly kind: 'registry';
  readonly request: BlobRequest;
  /** The bytes as they arrive; what is there already is used first. */
  readonly partialFile: string;
}

export interface LocalLayer {
  readonly kind: 'file';
  readonly file: FileRange;
  /** What the digest is of: the layer as it comes, or what it holds when it is inflated (a `diff_id`). */
  readonly digestOf: 'blob' | 'content';
}

export interface FetchLayerOutput {
  readonly downloadedBytes: number;
  readonly resumedBytes: number;
}

/** Downloads an ACI, as it comes, into a file that a `readAci` task follows. */
export interface DownloadAciInput {
  readonly request: BlobRequest;
  /** The bytes as they arrive; what is there already, and still of the same, is not asked for again. */
  readonly partialFile: string;
  /** Of the stored image; the server may answer that it has not changed. */
  readonly validators: Validators;
  /** See `blobCounters`. */
  readonly counters: SharedArrayBuffer;
}

export type DownloadAciOutput = (
  | { readonly status: 'unchanged' }
  | { readonly status: 'downloaded'; readonly downloadedBytes: number }
) & {
  readonly headers: CacheHeaders;
  /** Whether all of it came from the host of the URL for sure. */
  readonly isAuthenticated: boolean;
};

/** Reads an ACI, inflates and hashes it, and writes it plain into an ingest file. */
export interface ReadAciInput {
  /** `growing`: the partial file of a `downloadAci` task with the same counters. A plain ACI is moved, not copied. */
  readonly source: { readonly kind: 'growing' | 'file'; readonly path: string };
  /** Computed over the bytes as they come, for signatures. */
  readonly hashes: readonly ContentHashRequest[];
  readonly aciFile: string;
  readonly counters: SharedArrayBuffer;
  /** Of an earlier attempt at the same content: what it hashed is not hashed again. */
  readonly hashed?: PartialHash | undefined;
}

export interface ReadAciOutput {
  readonly sha512: string;
  readonly sizeBytes: number;
  readonly manifest: { readonly text: string; readonly offset: number; readonly sizeBytes: number };
  /** What was asked for, and where the ACI is not compressed its SHA-512 in any case, which is that of its ID. */
  readonly hashes: readonly KeptHash[];
}

/** A layer that is stored or being written; the assembler follows it through the counters. */
export interface LayerFiles {
  readonly digest: Digest;
  /** Where each file may be, in the order to look: a layer that is committed moves from ingest to its place. */
  readonly tarFiles: readonly string[];
  readonly indexFiles: readonly string[];
  readonly counters: SharedArrayBuffer;
}

/** Puts an ACI together out of its manifest and its layers, and hashes it on the way. */
export interface AssembleInput {
  readonly manifest: string;
  /** Top layer first. */
  readonly layers: readonly LayerFiles[];
}

export interface AssembleOutput {
  readonly sha512: string;
  readonly sizeBytes: number;
  readonly manifest: { readonly offset: number; readonly sizeBytes: number };
  readonly extents: readonly WireExtent[];
}

/** An extent as it crosses threads, where a Buffer would arrive as a bare Uint8Array. */
export type WireExtent = Exclude<Extent, { bytes: Buffer }> | { readonly bytes: Uint8Array };

export interface ExtractInput {
  readonly parts: readonly ExtentPart[];
  /** `sha512-` + 128 hex digits: what the parts must hash to. */
  readonly id: string;
  /** Exists and is empty. */
  readonly directory: string;
  readonly rootfsOnly: boolean;
}

export interface ExtractOutput {
  readonly notKept: readonly string[];
}

/** Writes what a compressed file holds to an ingest file, which it makes. */
export interface InflateInput {
  readonly path: string;
  readonly plainFile: string;
}

export interface InflateOutput {
  readonly sizeBytes: number;
}

/** A fact that a running task tells the coordinator. */
export type TaskNote =
  | {
      readonly note: 'opened';
      readonly sizeBytes: number | undefined;
      /** What an attempt before this one had brought. */
      readonly resumedBytes: number;
      /** Of `downloadAci`: what of that is there without a gap from the beginning on. */
      readonly prefixBytes?: number | undefined;
    }
  | { readonly note: 'retry'; readonly attempt: number; readonly delayMs: number; readonly reason: string }
  /**
   * One more connection is wanted (1), or one of those that were granted is not needed any more (-1). `isFirst`: the one
   * that the task began with is not needed for a while, for this host is waited for, or wanted again.
   */
  | {
      readonly note: 'connection';
      readonly change: 1 | -1;
      readonly isFirst?: true | undefined;
      readonly host?: string | undefined;
    }
  /** How far a `readAci` task that did not end had come, with the content of this generation. */
  | { readonly note: 'hashed'; readonly hashed: PartialHash; readonly generation: number };

export interface TaskContext {
  readonly signal: AbortSignal;
  note(note: TaskNote): void;
}

/** Knows nothing of threads, so that it runs on any. */
export type TaskHandler<K extends TaskName> = (
  input: Tasks[K]['input'],
  context: TaskContext,
) => Promise<Tasks[K]['output']>;

export type TaskHandlers = { readonly [K in TaskName]: TaskHandler<K> };

/** To a worker: the only message, which ends the task. */
export interface CancelMessage {
  readonly cancel: true;
}

/** From a worker, once: it has loaded, and may be ended from now on. */
export interface LoadedMessage {
  readonly loaded: true;
}

/** From a worker: the result, and which thread it was. A class thrown across threads arrives as a bare Error. */
export type TaskEnvelope<T> = { readonly thread: number } & (
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: WireError }
);
