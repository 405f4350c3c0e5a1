/** `aci fetch`: images side by side, their IDs in order. */

import { Option } from 'clipanion';
import {
  type Engine,
  type FetchOutcome,
  type LoadedSettings,
  openCredentialSource,
  type Settings,
} from '../../index.js';
import { AciCommand, withEngine } from '../command.js';
import { fetchRequests } from '../fetch-requests.js';
import { FETCH } from '../fetch-specs.js';
import { exitCodeOfAll, exitCodeOfOutcome, orderedLines, outcomeRecord, shownId } from '../outcome.js';
import { abortedError, renderError } from '../render-error.js';
import { createReporter } from '../reporter/create.js';
import type { Reporter } from '../reporter/reporter.js';
import { jsonText } from '../text.js';

export class FetchCommand extends AciCommand {
  static override paths = [[...FETCH.path]];
  images = Option.Rest({ name: 'IMAGE' });

  constructor() {
    super(FETCH);
  }

  async run({ settings, layers }: LoadedSettings): Promise<number> {
    const values = this.values(FETCH.options, layers);
    const { signal, stderr, environment, signatures } = this.context;
    const images = this.images.map((image, place) => ({ image, signature: signatures.get(place) }));
    const requests = fetchRequests(images, values, 'fetch');
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
      if (settings.json) write(jsonText(outcomeRecord(outcome)));
      else if (outcome.status !== 'failed') writeInOrder(index, shownId(outcome.id, full));
      else if (count > 1) writeInOrder(index, '');
    };
  }
}
