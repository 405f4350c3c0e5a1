/** Which reporter a run gets. */

import type { Environment, Settings } from '../../index.js';
import { isTerminal } from '../context.js';
import { createBatchReporter } from './batch.js';
import { createJsonReporter } from './json.js';
import { createNoneReporter } from './none.js';
import { createPlainReporter } from './plain.js';
import type { Reporter, ReporterOptions } from './reporter.js';
import { createTtyReporter } from './tty.js';

export type ReporterKind = 'tty' | 'plain' | 'json' | 'none';

export interface ReporterSurroundings {
  readonly isTerminal: boolean;
  readonly variables: Readonly<Record<string, string | undefined>>;
}

/**
 * `--quiet` beats `--progress`; `auto` is bars on a terminal that can show them and that no CI system reads,
 * else lines.
 */
export function reporterKind(
  { progress, quiet }: Pick<Settings, 'progress' | 'quiet'>,
  { isTerminal, variables }: ReporterSurroundings,
): ReporterKind {
  if (quiet) return 'none';
  if (progress !== 'auto') return progress;
  const inCi = !['', 'false', '0'].includes(variables['CI'] ?? '');
  return isTerminal && variables['TERM'] !== 'dumb' && !inCi ? 'tty' : 'plain';
}

export interface CreateReporterOptions extends ReporterOptions {
  readonly settings: Settings;
  readonly environment: Environment;
}

export function createReporter(options: CreateReporterOptions): Reporter {
  const { settings, environment, stream, several, batch } = options;
  const { variables } = environment;
  switch (reporterKind(settings, { isTerminal: isTerminal(stream), variables })) {
    case 'tty':
      return createTtyReporter({ stream, several, batch });
    case 'json':
      return createJsonReporter({ stream, several });
    case 'plain':
      if (batch !== undefined) return createBatchReporter({ stream, images: batch });
      return createPlainReporter({ stream, several });
    case 'none':
      return createNoneReporter({ stream, several, batch, quiet: settings.quiet });
  }
}
