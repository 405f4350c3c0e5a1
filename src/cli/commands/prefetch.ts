/** `aci prefetch`: lists of images, a line for each when it is done, and a summary. */

import { createReadStream } from 'node:fs';
import { Option } from 'clipanion';
import {
  type Engine,
  type FailedImage,
  FetchError,
  type FetchOutcome,
  type FetchRequest,
  foldImages,
  IMAGE_LIST_MAX_BYTES,
  type ListedImage,
  type LoadedSettings,
  type OptionValues,
  openCredentialSource,
  type PlannedImage,
  parseImageList,
  type Settings,
} from '../../index.js';
import {
  type BatchFacts,
  type BatchSummary,
  countOf,
  createBatchFacts,
  downloadBytesOf,
  planTotals,
  planTotalsLine,
  summaryLine,
  summaryOf,
  wholeBatch,
} from '../batch-summary.js';
import { AciCommand, withEngine } from '../command.js';
import { fetchRequests } from '../fetch-requests.js';
import { PREFETCH } from '../fetch-specs.js';
import { formatBytes } from '../format.js';
import { exitCodeOfList, outcomeRecord, platformField, shownId } from '../outcome.js';
import { abortedError, renderError, usageError } from '../render-error.js';
import { checkReport, writeReport } from '../report.js';
import { createReporter } from '../reporter/create.js';
import type { Reporter } from '../reporter/reporter.js';
import { jsonText, printable, redact } from '../text.js';

type PrefetchValues = OptionValues<typeof PREFETCH.options>;

const DEFAULT_JOBS = 8;
/** With the pauses between them that is some 25 seconds: a host may be away for a while. */
const DEFAULT_RETRIES = 6;

export class PrefetchCommand extends AciCommand {
  static override paths = [[...PREFETCH.path]];
  images = Option.Rest({ name: 'IMAGE' });

  constructor() {
    super(PREFETCH);
  }

  async run({ settings, layers }: LoadedSettings): Promise<number> {
    const values = this.values(PREFETCH.options, layers);
    const requests = fetchRequests(await this.#listed(values), values, 'prefetch');
    if (values.report !== undefined) await checkReport(values.report);
    const { stderr, environment } = this.context;
    const reporter = createReporter({
      settings,
      environment,
      stream: stderr,
      several: true,
      batch: requests.length,
    });
    try {
      const onWarning = (warning: string): void => reporter.aside(() => this.inform(settings, warning));
      const credentials = await openCredentialSource({ settings, environment, onWarning });
      const facts = createBatchFacts();
      const run = async (engine: Engine): Promise<number> =>
        values.dryRun
          ? this.#plan(engine, requests, { settings, values, reporter })
          : this.#fetch(engine, requests, { settings, values, reporter, facts });
      return await withEngine(
        settings,
        (event) => {
          facts.onEvent(event);
          reporter.onEvent(event);
        },
        run,
        credentials,
        limitsOf(values),
      );
    } finally {
      reporter.close();
    }
  }

  /** The images of the lists and of the arguments, each once, all of them readable. */
  async #listed({ file }: PrefetchValues): Promise<ListedImage[]> {
    const cwd = process.cwd();
    const listed: ListedImage[] = [];
    for (const path of file) listed.push(...parseImageList(await this.#readList(path), listName(path), cwd));
    const { signatures } = this.context;
    const named = this.images.map((image, place) => ({ image, signature: signatures.get(place) }));
    if (file.length > 0 && listed.length + named.length === 0) {
      throw usageError(`no image in ${file.map(listName).join(', ')}`, 'try: aci help prefetch');
    }
    return foldImages([...listed, ...named], cwd);
  }

  async #readList(path: string): Promise<string> {
    const stream = path === '-' ? this.context.stdin : createReadStream(path);
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        chunks.push(chunk);
        sizeBytes += chunk.length;
        if (sizeBytes > IMAGE_LIST_MAX_BYTES) throw new Error(`more than ${IMAGE_LIST_MAX_BYTES} bytes`);
      }
    } catch (cause) {
      throw usageError(`${listName(path)} cannot be read: ${(cause as Error).message}`);
    }
    return Buffer.concat(chunks).toString('utf8');
  }

  async #fetch(
    engine: Engine,
    requests: readonly FetchRequest[],
    { settings, values, reporter, facts }: FetchRun,
  ): Promise<number> {
    const { signal } = this.context;
    const startedAt = performance.now();
    const write = (line: string): void => reporter.aside(() => this.print(line));
    const onOutcome = (outcome: FetchOutcome): void => {
      if (signal.aborted && outcome.status === 'failed') return;
      // With --fail-fast all that is left ends so: the line on stdout and the summary tell it.
      if (outcome.status === 'failed' && outcome.error.code !== 'ERR_ABORTED') {
        reporter.error(renderError(outcome.cause, { debug: settings.debug, image: outcome.image }));
      }
      write(settings.json ? jsonText(outcomeRecord(outcome)) : resultLine(outcome, values.full));
    };
    const done = new Map<number, FetchOutcome>();
    const keep = (outcome: FetchOutcome, place: number): void => {
      done.set(place, outcome);
      onOutcome(outcome);
    };
    try {
      await engine.fetchAll(requests, { signal, failFast: values.failFast, onOutcome: keep });
    } finally {
      const outcomes = wholeBatch(requests, done, facts.endOf);
      const durationMs = performance.now() - startedAt;
      const summary = summaryOf(outcomes, { sharedBytes: facts.sharedBytes(), durationMs });
      // Those that were interrupted are told of by one line.
      this.#tellSummary(settings, reporter, summary, [...done.values()]);
      const report = { summary, images: outcomes.map(outcomeRecord) };
      await this.#writeReport(report, { settings, values, reporter });
    }
    if (signal.aborted) throw abortedError(signal.reason);
    return exitCodeOfList([...done.values()]);
  }

  #tellSummary(
    settings: Settings,
    reporter: Reporter,
    summary: BatchSummary,
    outcomes: readonly FetchOutcome[],
  ): void {
    if (reporter.record !== undefined) {
      if (!settings.quiet) reporter.record('summary', { ...summary });
      return;
    }
    reporter.aside(() => {
      this.inform(settings, summaryLine(summary));
      for (const outcome of outcomes) {
        if (outcome.status !== 'failed') continue;
        this.inform(settings, `failed: ${redact(outcome.image)} (${outcome.error.code})`);
      }
    });
  }

  async #writeReport(report: unknown, { settings, values, reporter }: PlanRun): Promise<void> {
    if (values.report === undefined) return;
    await writeReport(values.report, report).catch((error: unknown) => {
      // An interruption stays what the command ends with.
      if (!this.context.signal.aborted) throw error;
      reporter.error(renderError(error, { debug: settings.debug }));
    });
  }

  async #plan(
    engine: Engine,
    requests: readonly FetchRequest[],
    { settings, values, reporter }: PlanRun,
  ): Promise<number> {
    const { signal } = this.context;
    const done = new Map<number, Plan>();
    const tellStatus = (): void => reporter.status?.(`${done.size} of ${countOf(requests.length)} looked at`);
    const onOutcome = (plan: Plan, place: number): void => {
      done.set(place, plan);
      if (plan.status === 'failed') {
        reporter.error(renderError(plan.cause, { debug: settings.debug, image: plan.image }));
      }
      const line = settings.json ? jsonText(planRecord(plan)) : planLine(plan, values.full);
      reporter.aside(() => this.print(line));
      tellStatus();
    };
    tellStatus();
    const planning = engine.planAll(requests, { signal, onOutcome });
    // After an interruption there is still to say what is known.
    await Promise.allSettled([planning]);
    const plans = wholeBatch(requests, done);
    const planned = plans.filter((plan) => plan.status === 'planned');
    const totals = planTotals(planned);
    const free = (await engine.freeBytes()) - (values.minFree ?? 0);
    reporter.aside(() => this.inform(settings, planTotalsLine(planned.length, totals, free)));
    const report = { summary: { ...totals, freeBytes: free }, images: plans.map(planRecord) };
    await this.#writeReport(report, { settings, values, reporter });
    await planning;
    if (totals.downloadBytes > 0 && totals.downloadBytes > free) {
      throw new FetchError('ERR_NO_SPACE', 'the images do not fit the disk', { stage: 'store' });
    }
    return exitCodeOfList(plans);
  }
}

interface PlanRun {
  readonly settings: Settings;
  readonly values: PrefetchValues;
  readonly reporter: Reporter;
}
interface FetchRun extends PlanRun {
  readonly facts: BatchFacts;
}

function limitsOf(values: PrefetchValues) {
  const { jobs = DEFAULT_JOBS, connections, connectionsPerHost, limitRate } = values;
  const { retries = DEFAULT_RETRIES } = values;
  const { timeout: timeoutMs, stallTimeout: stallTimeoutMs, minFree: minFreeBytes } = values;
  return {
    jobs,
    connections,
    connectionsPerHost,
    limitRate,
    retries,
    timeoutMs,
    stallTimeoutMs,
    minFreeBytes,
  };
}

function listName(path: string): string {
  return path === '-' ? 'standard input' : path;
}

/** `fetched`, `cached` or `failed`, the ID or `-`, and the image, with tabs between. */
function resultLine(outcome: FetchOutcome, full: boolean): string {
  const id = outcome.status === 'failed' ? '-' : shownId(outcome.id, full);
  return [outcome.status, id, printable(outcome.image)].join('\t');
}

type Plan = PlannedImage | FailedImage;

/** The bytes to download, or `failed`, and the image. */
function planLine(plan: Plan, full: boolean): string {
  const image = printable(plan.image);
  if (plan.status === 'failed') return `failed\t${image}`;
  const bytes = downloadBytesOf(plan);
  return `${full ? bytes : formatBytes(bytes)}\t${image}`;
}

function planRecord(plan: Plan): unknown {
  if (plan.status === 'failed') return outcomeRecord(plan);
  const { image, status, cached } = plan;
  const blobs = plan.blobs.map(({ key: _, ...blob }) => blob);
  return {
    image: redact(image),
    ...platformField(plan),
    status,
    cached,
    blobs,
    downloadBytes: downloadBytesOf(plan),
  };
}
