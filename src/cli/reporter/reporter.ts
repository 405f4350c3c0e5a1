/** What every reporter is: a sink for the engine's events that writes lines, bars or JSON to stderr. */

import type { Writable } from 'node:stream';
import type { EventSink } from '../../index.js';

export interface Reporter {
  readonly onEvent: EventSink;
  /** Text for the person, one line or more, ready to be shown. */
  error(text: string): void;
  /** Only where lines are records: a fact of the command's own. */
  record?(event: string, facts: Readonly<Record<string, unknown>>): void;
  /** How far all are, in place of the total that the events give; only where one is shown. */
  status?(text: string): void;
  /** Runs `write`, which may write to the same terminal, with nothing of the reporter in the way. */
  aside(write: () => void): void;
  /** Ends timers and leaves the terminal as it was; the reporter is not used after it. */
  close(): void;
}

export interface ReporterOptions {
  readonly stream: Writable;
  /** Several images are fetched, so lines say which one they are about. */
  readonly several: boolean;
  /** How many there are, where the whole of them is what counts. Default: each is told of. */
  readonly batch?: number | undefined;
}
