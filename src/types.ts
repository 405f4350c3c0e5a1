/** The plain data that the parts exchange: digests, descriptors, platforms, image references, results. */

import type { Writable } from 'node:stream';
import type { ErrorCode, Stage } from './errors.js';

/** `sha256:` + 64 or `sha512:` + 128 hex digits, lower case; made only by `parseDigest`. */
export type Digest = string & { readonly __digest: true };

/** `sha512-` + 128 hex digits: the SHA-512 of the uncompressed ACI; made only by `parseImageId` and the assembler. */
export type ImageId = string & { readonly __imageId: true };

/** Points at content by digest, size and media type (OCI image specification, descriptor.md). */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly platform?: Platform | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** Bytes that lie in a local file. */
export interface FileRange {
  readonly path: string;
  readonly offset: number;
  readonly sizeBytes: number;
}

/** A platform in Go's words (`linux`, `amd64`, `arm64`, …), as registries use them. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
}

export type Labels = Readonly<Record<string, string>>;

/** What an image argument on the command line means; made only by `parseReference`. */
export type ImageReference =
  | DockerReference
  | LayoutReference
  | UrlReference
  | FileReference
  | NameReference
  | IdReference;

/** What a Docker or OCI image is called; name and version of the ACI that it becomes are made of it. */
export interface ImageNaming {
  /** As it was asked for, kept in `appc.io/docker/originalname`. */
  readonly originalName: string;
  /** `HOST[:PORT]`; absent for an image on disk that names none. */
  readonly registry?: string | undefined;
  /** `library/busybox`, `team/app`. */
  readonly repository: string;
  readonly tag?: string | undefined;
  /** When the image was asked for by digest. */
  readonly digest?: Digest | undefined;
}

/** `docker://[HOST[:PORT]/]REPO[:TAG][@DIGEST]` */
export interface DockerReference extends ImageNaming {
  readonly kind: 'docker';
  /** The argument as the user gave it. */
  readonly image: string;
  /** The argument without `docker://`. */
  readonly originalName: string;
  /** `HOST[:PORT]` to connect to; `registry-1.docker.io` when none was given. */
  readonly registry: string;
  /** `library/busybox`, `team/app`. */
  readonly repository: string;
  /** `latest` when neither tag nor digest was given; absent when a digest was. */
  readonly tag?: string | undefined;
  readonly digest?: Digest | undefined;
}

/** `docker-archive:FILE[:REF]`, `oci:DIR[:REF]`, `oci-archive:FILE[:REF]`: an image on disk. */
export interface LayoutReference {
  readonly kind: 'layout';
  readonly image: string;
  readonly transport: 'docker-archive' | 'oci' | 'oci-archive';
  /** Absolute. */
  readonly path: string;
  /** Tag, name, `@DIGEST` or `@PLACE`; absent for the only image. */
  readonly ref?: string | undefined;
}

/** `https://…` or `http://…`: an ACI at a URL. */
export interface UrlReference {
  readonly kind: 'url';
  readonly image: string;
  readonly url: string;
}

/** `file:///x.aci`, `./x.aci`, `/x.aci` */
export interface FileReference {
  readonly kind: 'file';
  readonly image: string;
  /** Absolute. */
  readonly path: string;
}

/** `example.com/app[:VERSION][,label=value…]` */
export interface NameReference {
  readonly kind: 'name';
  readonly image: string;
  readonly name: string;
  readonly labels: Labels;
}

/** `sha512-HEX`, 12 digits or more. */
export interface IdReference {
  readonly kind: 'id';
  readonly image: string;
  /** `sha512-` + the digits given. */
  readonly prefix: string;
}

/** `new`: the store first. `update`: ask the remote, download only what changed. `never`: the store only. */
export type PullPolicy = 'new' | 'update' | 'never';

/** `HOST:PORT:ADDR[:PORT]` of `--resolve`: connect there instead. */
export interface ResolveOverride {
  readonly host: string;
  readonly port: number;
  readonly address: string;
  readonly addressPort: number;
}

/** The checks that the user switched off with `--insecure-options`. */
export interface InsecureOptions {
  readonly http: boolean;
  readonly image: boolean;
  readonly tls: boolean;
  readonly pubkey: boolean;
}

/** One image to fetch. */
export interface FetchRequest {
  /** The argument in any of the forms of the command line. */
  readonly image: string;
  /** Default `update`. */
  readonly pullPolicy?: PullPolicy | undefined;
  /** Ignore what the store has: every byte comes from the remote again. Default false. */
  readonly noStore?: boolean | undefined;
  /** For indexes and manifest lists, and for names without `os` and `arch`; default this host's. */
  readonly platform?: Platform | undefined;
  /** File with the detached signature, in place of the one beside the image. */
  readonly signature?: string | undefined;
  /** An ACI that no trusted key verifies is an error. Default: what the engine was made with. */
  readonly requireSignature?: boolean | undefined;
  /** Leave the dependencies alone. Default false. */
  readonly noDependencies?: boolean | undefined;
  /**
   * Also write the ACI, uncompressed: to a file, which is replaced when all of it is there, or to a stream, which is
   * not ended. Its SHA-512 is checked on the way; a stream has most of the bytes before that can fail.
   */
  readonly output?: string | Writable | undefined;
}

/** What became of one {@link FetchRequest}; a batch never rejects for one bad image. */
export type FetchOutcome = FetchedImage | FailedImage;

export interface FetchedImage {
  readonly image: string;
  /** The one that was asked for; absent where none was. */
  readonly platform?: Platform | undefined;
  readonly status: 'fetched' | 'cached';
  readonly id: ImageId;
  readonly name: string;
  readonly labels: Labels;
  /** Whether a trusted key vouches for it. */
  readonly verified: boolean;
  readonly signers: readonly string[];
  /** Size of the uncompressed ACI. */
  readonly sizeBytes: number;
  /** Bytes of blobs that came over the network for this image and its dependencies. */
  readonly downloadedBytes: number;
  readonly durationMs: number;
  /** Of the image and of those that it depends on, each once. */
  readonly dependencies: readonly ImageId[];
}

export interface FailedImage {
  readonly image: string;
  /** The one that was asked for; absent where none was. */
  readonly platform?: Platform | undefined;
  readonly status: 'failed';
  readonly downloadedBytes: number;
  readonly durationMs: number;
  readonly error: ImageFailure;
  /** The error itself, for callers in the same process. */
  readonly cause: Error;
}

export interface ImageFailure {
  readonly code: ErrorCode;
  readonly stage: Stage;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** What a fetch of an image would download. */
export interface PlannedImage {
  readonly image: string;
  /** The one that was asked for; absent where none was. */
  readonly platform?: Platform | undefined;
  readonly status: 'planned';
  /** What the store would answer with; absent for what would be fetched. */
  readonly cached?: Pick<FetchedImage, 'id' | 'sizeBytes'> | undefined;
  /** What it needs and the store does not have as an image, each once; empty where nothing would be downloaded. */
  readonly blobs: readonly PlannedBlob[];
}

export interface PlannedBlob {
  /** The digest of a layer or config; for an ACI where it comes from, without secrets. */
  readonly blob: string;
  /** Tells downloads apart: two URLs may differ only in what `blob` leaves out, and each image reads its own config. */
  readonly key: string;
  /** Undefined when the server does not tell. */
  readonly sizeBytes: number | undefined;
  /** How much of it is there already. */
  readonly storedBytes: number;
}

/** An image of the store, as `aci image list` shows it. */
export interface StoredImage {
  readonly id: ImageId;
  readonly name: string;
  readonly labels: Labels;
  readonly importedAt: Date;
  readonly lastUsedAt: Date;
  readonly sizeBytes: number;
  /** True when it was asked for without a version, as rkt has it. */
  readonly latest: boolean;
  readonly verified: boolean;
  /** Where it came from: the image argument in its full form. */
  readonly source: string;
}
