/** The options of HTTP clients, and those that hold where nobody says otherwise. */

import type { ResolveOverride } from '../types.js';
import type { PaceOptions } from './pace.js';

/** Plain data, so that a worker can be given the options of the main thread and make its own client. */
export interface HttpOptions {
  /** Allow `http://`, also as the target of a redirect. */
  readonly insecureHttp: boolean;
  /** Leave out the check of certificates. */
  readonly insecureTls: boolean;
  /** Connect there instead; the Host header and the certificate's name stay those of the URL. */
  readonly resolve: readonly ResolveOverride[];
  /** Connections to one origin; further requests wait for one to become free. */
  readonly connections: number;
  /** Until a connection stands, the TLS handshake included. */
  readonly connectTimeoutMs: number;
  /** From the request to the end of the answer's headers. */
  readonly headersTimeoutMs: number;
  /** Without a byte of the body while somebody reads it. */
  readonly stallTimeoutMs: number;
  readonly userAgent: string;
  /** Shared with the other clients of an engine. Default: no limit, and no host is held. */
  readonly pace?: PaceOptions | undefined;
}

export const DEFAULT_HTTP_OPTIONS: HttpOptions = {
  insecureHttp: false,
  insecureTls: false,
  resolve: [],
  connections: 6,
  connectTimeoutMs: 10_000,
  headersTimeoutMs: 30_000,
  stallTimeoutMs: 30_000,
  userAgent: 'acifetch',
};

/**
 * Whether anybody on the way may answer for `url` with these options: then what was learned so before is no worse.
 * Pure.
 */
export function takesUnauthenticated(
  url: string,
  { insecureTls }: Pick<HttpOptions, 'insecureTls'>,
): boolean {
  return insecureTls || new URL(url).protocol !== 'https:';
}
