/** What a run of the command line gets from its process, or from a test. */

import type { Readable, Writable } from 'node:stream';
import type { Environment } from '../index.js';

export interface CliContext {
  readonly stdin: Readable;
  /** Results only. */
  readonly stdout: Writable;
  /** Everything else. */
  readonly stderr: Writable;
  /** Aborted when the user interrupts; its reason is {@link OUTPUT_CLOSED} when nobody reads stdout any more. */
  readonly signal: AbortSignal;
  /** Default: that of this process. */
  readonly environment?: Environment | undefined;
}

/** Reason of an abort that must stay silent. */
export const OUTPUT_CLOSED = Symbol('nobody reads the output');

export function isTerminal(stream: Readable | Writable): boolean {
  return 'isTTY' in stream && stream.isTTY === true;
}
