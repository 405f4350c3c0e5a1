/** No progress: informational lines alone, or with `quiet` not even them. */

import { crowdOf, informationalLines } from './lines.js';
import type { Reporter, ReporterOptions } from './reporter.js';

export function createNoneReporter(options: ReporterOptions & { readonly quiet: boolean }): Reporter {
  const { stream, several, batch, quiet } = options;
  const lineOf = informationalLines(crowdOf(several, batch));
  return {
    onEvent: (event) => {
      const line = quiet ? undefined : lineOf(event);
      if (line !== undefined) stream.write(`${line}\n`);
    },
    error: (text) => stream.write(`${text}\n`),
    aside: (write) => write(),
    close: () => undefined,
  };
}
