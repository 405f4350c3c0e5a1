/** The one error class of the project, its closed set of codes, and its passage between threads. */

/** Where in the work an error arose; part of every message and of the JSON results. */
export type Stage =
  | 'usage'
  | 'discover'
  | 'resolve'
  | 'download'
  | 'verify'
  | 'convert'
  | 'store'
  | 'extract'
  | 'internal';

interface CodeFacts {
  /** Process exit code of a command that ends with this error. */
  readonly exitCode: number;
  /** Whether the same request may succeed when it is simply made again. */
  readonly retryable: boolean;
  readonly summary: string;
}

/** Every code with its exit code and meaning; docs/errors.md is generated from this table. */
export const ERROR_CODES = {
  ERR_INTERNAL: { exitCode: 1, retryable: false, summary: 'a defect of this program' },
  ERR_WORKER_DIED: {
    exitCode: 1,
    retryable: false,
    summary: 'a worker thread ended in the middle of a task',
  },
  ERR_USAGE: { exitCode: 2, retryable: false, summary: 'the command line or an option is wrong' },
  ERR_CONFIG_INVALID: { exitCode: 2, retryable: false, summary: 'a configuration file is malformed' },
  ERR_UNSUPPORTED: { exitCode: 2, retryable: false, summary: 'a feature that this version does not have' },
  ERR_INSECURE_HTTP: { exitCode: 2, retryable: false, summary: 'plain HTTP without --insecure-options=http' },
  ERR_NOT_FOUND: { exitCode: 3, retryable: false, summary: 'the image, tag or file does not exist' },
  ERR_NO_PLATFORM: {
    exitCode: 3,
    retryable: false,
    summary: 'the image does not exist for the platform asked for',
  },
  ERR_NOT_IN_STORE: { exitCode: 3, retryable: false, summary: 'the store has no such image' },
  ERR_NETWORK: { exitCode: 4, retryable: true, summary: 'a connection failed, stalled or ended early' },
  ERR_HOST_AWAY: {
    exitCode: 4,
    retryable: false,
    summary: 'a host could not be reached again and again, and is not asked for a while',
  },
  ERR_TLS: { exitCode: 4, retryable: false, summary: 'the TLS handshake or the certificate check failed' },
  ERR_HTTP_STATUS: {
    exitCode: 4,
    retryable: false,
    summary: 'the server answered with an unexpected status',
  },
  ERR_SERVER: { exitCode: 4, retryable: true, summary: 'the server answered 5xx' },
  ERR_RATE_LIMITED: { exitCode: 4, retryable: true, summary: 'the server answered 429' },
  ERR_REDIRECT: {
    exitCode: 4,
    retryable: false,
    summary: 'a redirect that leads nowhere, loops or is refused',
  },
  ERR_AUTH: {
    exitCode: 5,
    retryable: false,
    summary: 'the server refused the credentials, or asks for some',
  },
  ERR_DIGEST_MISMATCH: {
    exitCode: 6,
    retryable: false,
    summary: 'content does not have the digest that names it',
  },
  ERR_SIZE_MISMATCH: {
    exitCode: 6,
    retryable: false,
    summary: 'content does not have the size announced for it',
  },
  ERR_NAME_MISMATCH: {
    exitCode: 6,
    retryable: false,
    summary: 'the image has another name or other labels than those asked for',
  },
  ERR_PLATFORM_MISMATCH: {
    exitCode: 6,
    retryable: false,
    summary: 'the image is for another platform than asked for',
  },
  ERR_SIGNATURE_REQUIRED: {
    exitCode: 6,
    retryable: false,
    summary: 'the image cannot be verified, and must be',
  },
  ERR_SIGNATURE_MISSING: {
    exitCode: 6,
    retryable: false,
    summary: 'a key is trusted for the name of the image, which has no signature',
  },
  ERR_SIGNATURE_UNTRUSTED: {
    exitCode: 6,
    retryable: false,
    summary: 'the image is signed, but by no key that is trusted for its name',
  },
  ERR_SIGNATURE_INVALID: {
    exitCode: 6,
    retryable: false,
    summary: 'a signature is malformed, not of this content, expired, or by an expired or revoked key',
  },
  ERR_KEY_INVALID: {
    exitCode: 6,
    retryable: false,
    summary: 'a public key is malformed, too weak, private, or of a kind that is not supported',
  },
  ERR_MANIFEST_INVALID: {
    exitCode: 7,
    retryable: false,
    summary: 'an image manifest or config is malformed',
  },
  ERR_DEPENDENCY_CYCLE: {
    exitCode: 7,
    retryable: false,
    summary: 'an image depends on itself through its dependencies',
  },
  ERR_MEDIA_TYPE: { exitCode: 7, retryable: false, summary: 'content of a kind that cannot be converted' },
  ERR_TAR_INVALID: { exitCode: 7, retryable: false, summary: 'a layer or ACI is not a valid tar archive' },
  ERR_UNSAFE_PATH: { exitCode: 7, retryable: false, summary: 'an entry would leave the root of the image' },
  ERR_COMPRESSION: {
    exitCode: 7,
    retryable: false,
    summary: 'compressed data is malformed or of an unknown kind',
  },
  ERR_LIMIT: { exitCode: 7, retryable: false, summary: 'content is larger than the bound set for its kind' },
  ERR_NO_SPACE: { exitCode: 8, retryable: false, summary: 'the disk or the quota is full' },
  ERR_PERMISSION: {
    exitCode: 8,
    retryable: false,
    summary: 'a local file or folder may not be read or written',
  },
  ERR_STORE_DAMAGED: {
    exitCode: 8,
    retryable: false,
    summary: 'the store has content that is missing or altered',
  },
  ERR_KEYSTORE_DAMAGED: {
    exitCode: 8,
    retryable: false,
    summary: 'a file among the trusted keys is not the key that its name says',
  },
  ERR_STORE_VERSION: { exitCode: 8, retryable: false, summary: 'the store was written by a newer version' },
  ERR_IO: { exitCode: 8, retryable: false, summary: 'a local file could not be read or written' },
  ERR_ABORTED: { exitCode: 130, retryable: false, summary: 'interrupted' },
} as const satisfies Record<string, CodeFacts>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface FetchErrorOptions {
  readonly stage: Stage;
  /** The image argument the error belongs to; added by the coordinator where the thrower does not know it. */
  readonly image?: string | undefined;
  /** One line that tells a person what to do. */
  readonly hint?: string | undefined;
  /** Seconds that the server asked to wait, in milliseconds (`Retry-After`). */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

const BRAND = Symbol.for('acifetch.FetchError');

/** What every function of this project throws for a cause outside of it; `code` and `stage` are stable. */
export class FetchError extends Error {
  override readonly name = 'FetchError';
  readonly code: ErrorCode;
  readonly stage: Stage;
  readonly image: string | undefined;
  readonly hint: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly [BRAND] = true;

  constructor(code: ErrorCode, message: string, options: FetchErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.stage = options.stage;
    this.image = options.image;
    this.hint = options.hint;
    this.retryAfterMs = options.retryAfterMs;
  }

  get exitCode(): number {
    return ERROR_CODES[this.code].exitCode;
  }

  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable;
  }
}

/** True for errors of this project, also those of another copy of it. */
export function isFetchError(value: unknown): value is FetchError {
  return typeof value === 'object' && value !== null && BRAND in value;
}

/** The FetchError that `value` is, or an ERR_INTERNAL around it. */
export function toFetchError(value: unknown, stage: Stage = 'internal'): FetchError {
  if (isFetchError(value)) return value;
  const message = value instanceof Error ? value.message : String(value);
  return new FetchError('ERR_INTERNAL', message, { stage, cause: value });
}

/** The same failure with another message or hint, and `error` as its cause; not of an image yet. */
export function retold(
  error: FetchError,
  changes: { readonly message?: string; readonly hint?: string },
): FetchError {
  const { code, stage } = error;
  const { message = error.message, hint = error.hint } = changes;
  return new FetchError(code, message, { stage, hint, cause: error });
}

/** `reason`: of the signal; where that is an error of this project, it says better what ended the work. */
export function abortedError(reason?: unknown): FetchError {
  if (isFetchError(reason)) return reason;
  return new FetchError('ERR_ABORTED', 'interrupted', { stage: 'internal', cause: reason });
}

/** Throws ERR_ABORTED when `signal` has been aborted. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw abortedError(signal.reason);
}

/** `work`, or ERR_ABORTED as soon as `signal` is aborted; the work itself goes on. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  throwIfAborted(signal);
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(abortedError(signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** An error as plain data: what crosses between threads, where a class would arrive as a bare Error. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly stage: Stage;
  readonly image?: string | undefined;
  readonly hint?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly stack?: string | undefined;
  readonly causes: readonly string[];
}

export function toWire(error: unknown): WireError {
  const known = toFetchError(error);
  return {
    code: known.code,
    message: known.message,
    stage: known.stage,
    image: known.image,
    hint: known.hint,
    retryAfterMs: known.retryAfterMs,
    stack: known.stack,
    causes: causeLines(known),
  };
}

export function fromWire(wire: WireError): FetchError {
  const cause = wire.causes.reduceRight<Error | undefined>(
    (inner, line) => new Error(line, inner === undefined ? undefined : { cause: inner }),
    undefined,
  );
  const error = new FetchError(wire.code, wire.message, { ...wire, cause });
  if (wire.stack !== undefined) error.stack = `${wire.stack}\n    (in a worker)`;
  return error;
}

/** The messages of the causes below `error`, outermost first. */
export function causeLines(error: Error): string[] {
  const lines: string[] = [];
  for (let cause = error.cause; cause !== undefined && cause !== null && lines.length < 8; ) {
    lines.push(cause instanceof Error ? cause.message : String(cause));
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return lines;
}

const STORAGE_CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'ERR_NO_SPACE',
  EDQUOT: 'ERR_NO_SPACE',
  EFBIG: 'ERR_NO_SPACE',
  EACCES: 'ERR_PERMISSION',
  EPERM: 'ERR_PERMISSION',
  EROFS: 'ERR_PERMISSION',
};

/** A local file system error as a FetchError of exit code 8; other values pass through {@link toFetchError}. */
export function storageError(value: unknown, what: string, stage: Stage = 'store'): FetchError {
  if (isFetchError(value)) return value;
  const errno = errnoOf(value);
  if (errno === undefined) return toFetchError(value, stage);
  const code = STORAGE_CODES[errno] ?? 'ERR_IO';
  const reason = value instanceof Error ? value.message : String(value);
  return new FetchError(code, `${what}: ${reason}`, { stage, cause: value });
}

/** The `code` of a Node system error (`ENOENT`, …), if `value` is one. */
export function errnoOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('code' in value) || !('syscall' in value))
    return undefined;
  return typeof value.code === 'string' ? value.code : undefined;
}

/** Marks a `switch` as complete for the compiler. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value ${JSON.stringify(value)}`);
}
