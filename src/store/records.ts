/** The small JSON records of the store: images, their extents, and where images came from. */

import type { AciDependency } from '../aci/manifest.js';
import { FetchError } from '../errors.js';
import type { CachedAnswer } from '../http/freshness.js';
import type { Span } from '../http/part-plan.js';
import type { KeptHash } from '../trust/signature.js';
import type { ImageId, Labels } from '../types.js';
import type { BlobName } from './layout.js';

/** One image; `lastUsedAt` is the modification time of the record's file. */
export interface ImageRecord {
  readonly format: 1;
  readonly id: ImageId;
  readonly name: string;
  readonly labels: Labels;
  /** Size of the uncompressed ACI. */
  readonly sizeBytes: number;
  /** Where the manifest's JSON lies in the ACI. */
  readonly manifest: { readonly offset: number; readonly sizeBytes: number };
  /** The image argument in its full form, without secrets. */
  readonly source: string;
  /** ISO 8601. */
  readonly importedAt: string;
  readonly latest: boolean;
  readonly verified: boolean;
  readonly signers: readonly string[];
  /** With what an ACI can be checked again, against the keys that are trusted then. */
  readonly signed?: SignedRecord | undefined;
  /** Of an ACI: what its manifest says that it needs. */
  readonly dependencies?: readonly AciDependency[] | undefined;
  /** Every blob that the extents need. */
  readonly blobs: readonly BlobName[];
}

export interface SignedRecord {
  /** The signature's file, base64; absent for an ACI without one. */
  readonly signature?: string | undefined;
  /** Over the ACI as it came. */
  readonly hashes: readonly KeptHash[];
}

/** A part of an ACI: bytes of its own, or a range of a blob. All of them in order are exactly the ACI. */
export type Extent =
  | { readonly bytes: Buffer }
  | { readonly blob: BlobName; readonly offset: number; readonly sizeBytes: number };

/** What a source answered last; lets the next fetch ask whether anything changed. */
export interface RemoteRecord {
  readonly format: 1;
  /** The image argument in its full form, without secrets. */
  readonly source: string;
  readonly id: ImageId;
  readonly checkedAt: string;
  /** Of the image manifest, for registries. */
  readonly manifestDigest?: string | undefined;
  /** What the image's manifest says that it was asked for by, for those that were converted. */
  readonly originalName?: string | undefined;
  /** How long the answer of a URL may be used, and how to ask about it then; absent when nothing may be kept. */
  readonly cached?: CachedAnswer | undefined;
  /** Whether the host of the URL told it for sure; else it is only good for a fetch that asks for no more. */
  readonly isAuthenticated?: boolean | undefined;
}

/** A SHA-512 over the first bytes of an uncompressed ACI. */
export interface HashState {
  readonly hashedBytes: number;
  /** As `Sha512.save` gives it, in base64. */
  readonly state: string;
}

/** The hash over the beginning of an unfinished download. */
export interface PartialHash extends HashState {
  /** How many of the bytes as they come had been read when the hash was at this state. */
  readonly wireBytes: number;
}

/** What an unfinished download is of; its bytes are in the file beside it. */
export interface PartialRecord {
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
  readonly totalBytes?: number | undefined;
  /** Whether every byte came from the host of the URL for sure. */
  readonly isAuthenticated?: boolean | undefined;
  /** Which parts are there; absent where all was written in order, and the size of the file tells it. */
  readonly received?: readonly Span[] | undefined;
  /** Good while nothing has been written to the bytes since `changedAtMs`, the `ctime` of their file. */
  readonly hashed?: (PartialHash & { readonly changedAtMs: number }) | undefined;
  /** Those of them that have reached the disk, as far as anybody made sure of it. */
  readonly synced?: readonly Span[] | undefined;
  /**
   * Of the machine's run in which the bytes were written. What was not synced may be anything after a power loss, and
   * without a digest nothing would show it.
   */
  readonly bootId?: string | undefined;
}

/** @throws FetchError ERR_STORE_DAMAGED */
export function parseImageRecord(text: string, path: string): ImageRecord {
  const record = parseObject(text, path) as Partial<ImageRecord>;
  const complete =
    record.format === 1 &&
    typeof record.id === 'string' &&
    typeof record.name === 'string' &&
    typeof record.labels === 'object' &&
    record.labels !== null &&
    typeof record.sizeBytes === 'number' &&
    typeof record.manifest?.offset === 'number' &&
    typeof record.importedAt === 'string' &&
    Array.isArray(record.blobs);
  if (!complete) throw damaged(path);
  return record as ImageRecord;
}

/** @throws FetchError ERR_STORE_DAMAGED */
export function parseRemoteRecord(text: string, path: string): RemoteRecord {
  const record = parseObject(text, path) as Partial<RemoteRecord>;
  if (record.format !== 1 || typeof record.id !== 'string' || typeof record.source !== 'string')
    throw damaged(path);
  return record as RemoteRecord;
}

/** Undefined for anything that is not one: a download can always begin again. */
export function parsePartialRecord(text: string): PartialRecord | undefined {
  try {
    const record = JSON.parse(text) as Partial<PartialRecord> | null;
    if (typeof record !== 'object' || record === null) return undefined;
    const isWhole = [record.received, record.synced].every((spans) => spans === undefined || areSpans(spans));
    const { hashed } = record;
    const isHashed =
      isOffset(hashed?.hashedBytes) && isOffset(hashed.wireBytes) && typeof hashed.state === 'string';
    return isWhole ? { ...record, hashed: isHashed ? hashed : undefined } : undefined;
  } catch {
    return undefined;
  }
}

function areSpans(value: unknown): value is Span[] {
  if (!Array.isArray(value)) return false;
  return value.every(({ start, end }: Partial<Span>) => isOffset(start) && isOffset(end) && start <= end);
}

function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Literal bytes as base64, ranges as `[blob, offset, size]` with the blob's place in the list. */
export function formatExtents(extents: readonly Extent[]): string {
  const blobs = blobsOf(extents);
  const places = new Map(blobs.map((blob, place) => [blob, place]));
  const items = extents.map((extent) =>
    'bytes' in extent
      ? extent.bytes.toString('base64')
      : [places.get(extent.blob) as number, extent.offset, extent.sizeBytes],
  );
  return JSON.stringify({ format: 1, blobs, extents: items });
}

/** @throws FetchError ERR_STORE_DAMAGED */
export function parseExtents(text: string, path: string): Extent[] {
  const { blobs, extents } = parseObject(text, path) as { blobs?: BlobName[]; extents?: unknown[] };
  if (!Array.isArray(blobs) || !Array.isArray(extents)) throw damaged(path);
  return extents.map((item) => {
    if (typeof item === 'string') return { bytes: Buffer.from(item, 'base64') };
    if (!Array.isArray(item)) throw damaged(path);
    const [place, offset, sizeBytes] = item as number[];
    const blob = blobs[place ?? -1];
    if (blob === undefined || offset === undefined || sizeBytes === undefined) throw damaged(path);
    return { blob, offset, sizeBytes };
  });
}

/** The blobs of the extents, each once, in the order of their first use. */
export function blobsOf(extents: readonly Extent[]): BlobName[] {
  return [...new Set(extents.flatMap((extent) => ('blob' in extent ? [extent.blob] : [])))];
}

function parseObject(text: string, path: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch (cause) {
    throw damaged(path, cause);
  }
  throw damaged(path);
}

function damaged(path: string, cause?: unknown): FetchError {
  return new FetchError('ERR_STORE_DAMAGED', `the store is damaged: ${path} is not what was written there`, {
    stage: 'store',
    hint: 'remove the image with: aci image rm, and fetch it again',
    cause,
  });
}
