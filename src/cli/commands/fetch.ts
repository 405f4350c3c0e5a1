/** `aci fetch`: images side by side, their IDs in order. */

import { Option } from 'clipanion';
import {
  type Engine,
  type FetchOutcome,
  type FetchRequest,
  type LoadedSettings,
  type OptionValues,
  openCredentialSource,
  type PullPolicy,
  parsePlatform,
  type Settings,
} from '../../index.js';
import { AciCommand, withEngine } from '../command.js';
import { exitCodeOfAll, exitCodeOfOutcome, orderedLines, outcomeRecord, shownId } from '../outcome.js';
import { abortedError, renderError, usageError } from '../render-error.js';
import { createReporter } from '../reporter/create.js';
import type { Reporter } from '../reporter/reporter.js';
import { FETCH } from '../specs.js';

type FetchValues = OptionValues<typeof FETCH.options>;

export class FetchCommand extends AciCommand {
  static override paths = [[...FETCH.path]];
  images = Option.Rest({ name: 'IMAGE' });

  constructor() {
    super(FETCH);
  }

  async run({ settings, layers }: LoadedSettings): Promise<number> {
    const values = this.values(FETCH.options, layers);
    const { signal, stderr, environment, signatures } = this.context;
    const requests = fetchRequests(this.images, values, signatures);
    const reporter = createReporter({ settings, environment, stream: stderr, several: requests.length > 1 });
    try {
      const onWarning = (warning: string): void => reporter.aside(() => this.inform(settings, warning));
      const credentials = await openCredentialSource({ settings, environment, onWarning });
      const onOutcome = this.#outcomeWriter(settings, values.full, requests.length, reporter);
      const fetchAll = (engine: Engine) => engine.fetchAll(requests, { signal, onOutcome });
      const outcomes = await withEngine(settings, reporter.onEvent, fetchAll, credentials);
      if (signal.aborted) throw abortedError(signal.reason);
      return exitCodeOfAll(outcomes.map(exitCodeOfOutcome));
    } finally {
      reporter.close();
    }
  }

  #outcomeWriter(
    settings: Settings,
    full: boolean,
    count: number,
    reporter: Reporter,
  ): (outcome: FetchOutcome, index: number) => void {
    const { signal } = this.context;
    const write = (line: string) => reporter.aside(() => this.print(line));
    const writeInOrder = orderedLines(write);
    return (outcome, index) => {
      // Images that end because of an interruption are told of by one line at the end.
      if (signal.aborted && outcome.status === 'failed') return;
      if (outcome.status === 'failed') {
        reporter.error(renderError(outcome.cause, { debug: settings.debug, image: outcome.image }));
      }
      if (settings.json) write(JSON.stringify(outcomeRecord(outcome)));
      else if (outcome.status !== 'failed') writeInOrder(index, shownId(outcome.id, full));
      else if (count > 1) writeInOrder(index, '');
    };
  }
}

/** One request for each image argument. Throws ERR_USAGE for options that do not go together. */
export function fetchRequests(
  images: readonly string[],
  values: FetchValues,
  signatures: ReadonlyMap<number, string>,
): FetchRequest[] {
  if (images.length === 0) throw usageError('fetch needs an image', 'try: aci help fetch');
  if (values.output !== undefined && images.length > 1) {
    throw usageError('--output takes one image only', 'try: aci help fetch');
  }
  const pullPolicy = pullPolicyOf(values);
  const platform = values.platform === undefined ? undefined : parsePlatform(values.platform);
  const { noStore, output, requireSignature, noDeps: noDependencies } = values;
  const shared = { pullPolicy, noStore, platform, output, requireSignature, noDependencies };
  return images.map((image, place) => ({ image, signature: signatures.get(place), ...shared }));
}

function pullPolicyOf({ pullPolicy, storeOnly, noStore }: FetchValues): PullPolicy {
  if (storeOnly && pullPolicy !== undefined && pullPolicy !== 'never') {
    throw usageError(
      `--store-only and --pull-policy=${pullPolicy} exclude each other`,
      'try: aci help fetch',
    );
  }
  const policy = storeOnly ? 'never' : (pullPolicy ?? 'update');
  if (noStore && policy === 'never') {
    const other = storeOnly ? '--store-only' : '--pull-policy=never';
    throw usageError(`--no-store and ${other} exclude each other`, 'try: aci help fetch');
  }
  return policy;
}
