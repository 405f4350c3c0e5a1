/** The facts that the engine emits while it works; the command line renders them, the library hands them out. */

import type { FailedImage, FetchedImage, Platform } from './types.js';

/** Whose fact it is. */
export interface EventSubject {
  /** The argument as it was given; of an image that another one depends on, its name. */
  readonly image: string;
  /** The argument that such an image is fetched for; of several, the one that asked first. */
  readonly dependencyOf?: string | undefined;
  /** As in the request, for a list may have an image for several platforms. */
  readonly platform?: Platform | undefined;
  /** As in the request. */
  readonly signature?: string | undefined;
}

/** The same for a request and for all that is told of it. */
export function requestKey({ image, dependencyOf = image, platform, signature }: EventSubject): string {
  return JSON.stringify([dependencyOf, platform, signature]);
}

/** `blob` is the digest of what is on its way, or for an ACI its URL without secrets. */
type ImageFact =
  /** Meta discovery of a name begins. */
  | { readonly event: 'image.searching' }
  | { readonly event: 'image.started'; readonly source: string }
  | { readonly event: 'image.warning'; readonly warning: WarningCode; readonly message: string }
  | {
      readonly event: 'blob.started';
      readonly blob: string;
      readonly kind: BlobKind;
      /** Absent when the server does not tell. */
      readonly sizeBytes?: number | undefined;
      /** What an earlier, interrupted download left and need not come again. */
      readonly resumedBytes: number;
      /** It is read from a local file: nothing of it comes over the network. */
      readonly isLocal?: true | undefined;
      /** How many bytes are here now; sampled by reporters, left out of JSON. */
      readonly readBytes: () => number;
    }
  | {
      readonly event: 'blob.retry';
      readonly blob: string;
      readonly attempt: number;
      readonly delayMs: number;
      readonly reason: string;
    }
  /** A request for a manifest, a config or a discovery page is made again. */
  | {
      readonly event: 'image.retry';
      readonly attempt: number;
      readonly delayMs: number;
      readonly reason: string;
    }
  | {
      readonly event: 'blob.done';
      readonly blob: string;
      readonly kind: BlobKind;
      readonly sizeBytes: number;
      readonly downloadedBytes: number;
      readonly durationMs: number;
    }
  /** What the image is made of is known, before any of it is fetched; of Docker and OCI images. */
  | {
      readonly event: 'image.resolved';
      readonly blobs: readonly { readonly blob: string; readonly sizeBytes: number }[];
    }
  /** The store had it, or another image of the same call fetched it. */
  | {
      readonly event: 'blob.cached';
      readonly blob: string;
      readonly kind: BlobKind;
      readonly sizeBytes: number;
    }
  | { readonly event: 'blob.failed'; readonly blob: string; readonly kind: BlobKind }
  /** A signature was had from this URL or file; told when it is needed, after the image. */
  | { readonly event: 'signature.fetched'; readonly source: string }
  | { readonly event: 'signature.verified'; readonly signers: readonly string[] }
  /** A key that meta discovery found is trusted from now on. */
  | { readonly event: 'key.trusted'; readonly prefix: string; readonly fingerprint: string }
  | { readonly event: 'image.done'; readonly result: FetchedImage }
  | { readonly event: 'image.failed'; readonly result: FailedImage };

export type EngineEvent =
  | (EventSubject & ImageFact)
  /**
   * Somebody waits for this host (`HOST[:PORT]`), which is left alone for so long: it asked for it, or could not be reached
   * several times in a row. Told once for each time.
   */
  | {
      readonly event: 'host.held';
      readonly host: string;
      readonly delayMs: number;
      readonly isUnreachable: boolean;
    };

export type BlobKind = 'layer' | 'aci';

/**
 * `unverified`: signature verification is off for this image, or nobody is trusted for it. `platform`: it is for another one than this
 * host's. `damaged`: its record in the store is not what was written there.
 */
export type WarningCode = 'unverified' | 'platform' | 'damaged';

/** Must not throw and is not awaited. */
export type EventSink = (event: EngineEvent) => void;
