/** Lines about many images, for logs and continuous integration: how far all are, now and then, and what goes wrong. */

import { informationalLines } from './lines.js';
import type { Reporter, ReporterOptions } from './reporter.js';
import { createTotal, totalLine } from './total.js';

const INTERVAL_MS = 5000;

export interface BatchReporterOptions extends Omit<ReporterOptions, 'several'> {
  readonly images: number;
  /** A clock in milliseconds. Default: performance.now. */
  readonly now?: (() => number) | undefined;
  /** Default 5000. */
  readonly intervalMs?: number | undefined;
}

export function createBatchReporter(options: BatchReporterOptions): Reporter {
  const { stream, images, now = () => performance.now(), intervalMs = INTERVAL_MS } = options;
  const lineOf = informationalLines('batch');
  const total = createTotal(images);
  const print = (line: string) => stream.write(`${line}\n`);
  let status: string | undefined;
  let told = '';

  function tell(): void {
    const state = total.look(now());
    const line = `aci: ${status ?? totalLine(state)}`;
    const fact = status ?? `${state.doneBytes} ${state.doneImages} ${state.failedImages}`;
    if (fact !== told) print(line);
    told = fact;
  }

  const timer = setInterval(tell, intervalMs);
  timer.unref();

  return {
    onEvent(event) {
      total.onEvent(event);
      const line = lineOf(event);
      if (line !== undefined) print(line);
    },
    error: print,
    status: (text) => {
      status = text;
    },
    aside: (write) => write(),
    close: () => clearInterval(timer),
  };
}
