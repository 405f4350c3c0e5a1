/** What a command is called by, takes and says of itself, as plain data. */

import type { OptionSpec } from '../index.js';

export interface CommandSpec {
  /** The words that call it. */
  readonly path: readonly string[];
  /** Its arguments as usage lines show them. */
  readonly usage: string;
  /** One sentence without a full stop. */
  readonly summary: string;
  readonly details?: string | undefined;
  readonly options: readonly OptionSpec[];
  readonly examples?: readonly string[] | undefined;
}
