/** The facts that the engine emits while it works; the command line renders them, the library hands them out. */

import type { FailedImage, FetchedImage } from './types.js';

/** A blob on its way; `blob` is its digest, or for an ACI its URL without secrets. */
export type EngineEvent =
  /** Meta discovery of a name begins. */
  | { readonly event: 'image.searching'; readonly image: string }
  | { readonly event: 'image.started'; readonly image: string; readonly source: string }
  | {
      readonly event: 'image.warning';
      readonly image: string;
      readonly warning: WarningCode;
      readonly message: string;
    }
  | {
      readonly event: 'blob.started';
      readonly image: string;
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
      readonly image: string;
      readonly blob: string;
      readonly attempt: number;
      readonly delayMs: number;
      readonly reason: string;
    }
  /** A request for a manifest, a config or a discovery page is made again. */
  | {
      readonly event: 'image.retry';
      readonly image: string;
      readonly attempt: number;
      readonly delayMs: number;
      readonly reason: string;
    }
  | {
      readonly event: 'blob.done';
      readonly image: string;
      readonly blob: string;
      readonly kind: BlobKind;
      readonly sizeBytes: number;
      readonly downloadedBytes: number;
      readonly durationMs: number;
    }
  /** What the image is made of is known, before any of it is fetched; of Docker and OCI images. */
  | {
      readonly event: 'image.resolved';
      readonly image: string;
      readonly blobs: readonly { readonly blob: string; readonly sizeBytes: number }[];
    }
  /** The store had it, or another image of the same call fetched it. */
  | {
      readonly event: 'blob.cached';
      readonly image: string;
      readonly blob: string;
      readonly kind: BlobKind;
      readonly sizeBytes: number;
    }
  /**
   * Somebody waits for this host (`HOST[:PORT]`), which is left alone for so long: it asked for it, or could not be reached
   * several times in a row. Told once for each time.
   */
  | {
      readonly event: 'host.held';
      readonly host: string;
      readonly delayMs: number;
      readonly isUnreachable: boolean;
    }
  | { readonly event: 'blob.failed'; readonly image: string; readonly blob: string; readonly kind: BlobKind }
  /** A signature was had from this URL or file; told when it is needed, after the image. */
  | { readonly event: 'signature.fetched'; readonly image: string; readonly source: string }
  | { readonly event: 'signature.verified'; readonly image: string; readonly signers: readonly string[] }
  /** A key that meta discovery found is trusted from now on. */
  | {
      readonly event: 'key.trusted';
      readonly image: string;
      readonly prefix: string;
      readonly fingerprint: string;
    }
  | { readonly event: 'image.done'; readonly image: string; readonly result: FetchedImage }
  | { readonly event: 'image.failed'; readonly image: string; readonly result: FailedImage };

export type BlobKind = 'layer' | 'aci';

/**
 * `unverified`: signature verification is off for this image, or nobody is trusted for it. `platform`: it is for another one than this
 * host's. `damaged`: its record in the store is not what was written there.
 */
export type WarningCode = 'unverified' | 'platform' | 'damaged';

/** Must not throw and is not awaited. */
export type EventSink = (event: EngineEvent) => void;
