/** `aci trust`: keys are found, shown, asked about, and written to the keystore. */

import { Option } from 'clipanion';
import {
  createKeyring,
  engineOptionsFrom,
  FetchError,
  type FoundKey,
  type OptionValues,
  type ResolvedSettings,
  type Settings,
  type TrustPlace,
} from '../../index.js';
import { AciCommand } from '../command.js';
import { isTerminal } from '../context.js';
import { createQuestioner, decideReview, keyLines, REVIEW_HINT, type ReviewDecision } from '../key-review.js';
import { usageError } from '../render-error.js';
import { TRUST } from '../specs.js';
import { printable, redact } from '../text.js';

type TrustValues = OptionValues<typeof TRUST.options>;

interface Review {
  readonly found: FoundKey;
  readonly decision: ReviewDecision;
}

interface TrustResult {
  readonly found: FoundKey;
  readonly status: 'trusted' | 'declined' | 'refused';
  /** The file of a key that is trusted now. */
  readonly path?: string | undefined;
}

export class TrustCommand extends AciCommand {
  static override paths = [[...TRUST.path]];
  keys = Option.Rest({ name: 'PUBKEY' });

  constructor() {
    super(TRUST);
  }

  async run({ settings }: ResolvedSettings): Promise<number> {
    const values = this.values(TRUST.options);
    const place = trustPlace(values, this.keys);
    const keyring = createKeyring(engineOptionsFrom(settings));
    const request = {
      prefix: values.prefix,
      locations: this.keys.length === 0 ? undefined : this.keys,
      // Where the flag is not given, --insecure-options decides.
      insecureHttp: values.insecureAllowHttp || undefined,
    };
    const found = await keyring.findKeys(request, this.context.signal);
    const reviews = found.map((each) => ({ found: each, decision: this.#decide(each, values, settings) }));
    // Everybody is asked about before anything is written, so that an interruption changes nothing.
    const answers = await this.#answers(reviews, values.prefix, settings);
    const results: TrustResult[] = [];
    for (const [index, { found: each, decision }] of reviews.entries()) {
      const isTrusted = answers[index] === true;
      const path = isTrusted ? await keyring.trustKey(each.key, place) : undefined;
      const status = isTrusted ? 'trusted' : decision === 'refuse' ? 'refused' : 'declined';
      this.#tell({ found: each, status, path }, decision, place, settings);
      results.push({ found: each, status, path });
    }
    if (settings.json) this.printJson(results.map((result) => trustRecord(result, place)));
    if (results.every(({ status }) => status === 'refused')) throw noneUsable(results);
    return 0;
  }

  #decide({ key, isFromHttpsDiscovery }: FoundKey, values: TrustValues, settings: Settings): ReviewDecision {
    const { stdin, stderr } = this.context;
    return decideReview({
      problem: key.problem,
      skipReview: values.skipFingerprintReview,
      trustKeysFromHttps: settings.trustKeysFromHttps,
      isFromHttpsDiscovery,
      hasTerminal: isTerminal(stdin) && isTerminal(stderr),
    });
  }

  /** Shows the keys and asks where that is to be; true for each key that is to be trusted. */
  async #answers(
    reviews: readonly Review[],
    prefix: string | undefined,
    settings: Settings,
  ): Promise<boolean[]> {
    const { stdin, stderr, signal } = this.context;
    const show = (found: FoundKey) => stderr.write(`${keyLines(found, prefix).join('\n')}\n`);
    if (reviews.some(({ decision }) => decision === 'cannot-ask')) {
      for (const { found } of reviews) show(found);
      throw usageError('a key is not trusted without a review, and there is no terminal for it', REVIEW_HINT);
    }
    const isAsked = reviews.some(({ decision }) => decision === 'ask');
    const questioner = isAsked ? createQuestioner(stdin, stderr, signal) : undefined;
    try {
      const answers: boolean[] = [];
      for (const { found, decision } of reviews) {
        if (!settings.quiet || decision === 'ask') show(found);
        const isAccepted = decision === 'ask' ? await questioner?.isTrusted() : decision === 'trust';
        answers.push(isAccepted === true);
      }
      return answers;
    } finally {
      questioner?.close();
    }
  }

  #tell(
    { found, status, path }: TrustResult,
    decision: ReviewDecision,
    place: TrustPlace,
    settings: Settings,
  ): void {
    const { fingerprint, problem } = found.key;
    const named = `the key ${fingerprint} of "${found.location}"`;
    const forWhat = 'prefix' in place ? `for prefix "${place.prefix}"` : 'for every image name';
    if (status === 'declined') this.inform(settings, `not trusting ${named}`);
    if (status === 'refused') this.inform(settings, `warning: not trusting ${named}: ${problem}`);
    if (status !== 'trusted') return;
    const how = decision === 'ask' ? 'after' : 'without';
    this.inform(settings, `trusting ${named} ${forWhat} ${how} fingerprint review`);
    this.inform(settings, `added key ${forWhat} at "${path}"`);
    if (!settings.json) this.print(fingerprint);
  }
}

/** Throws ERR_USAGE for options that do not go together. */
export function trustPlace({ prefix, root }: TrustValues, keys: readonly string[]): TrustPlace {
  const help = 'try: aci help trust';
  if (prefix !== undefined && root) throw usageError('--prefix and --root exclude each other', help);
  if (prefix !== undefined) return { prefix };
  if (!root) throw usageError('trust needs --prefix PREFIX or --root', help);
  if (keys.length === 0) throw usageError('trust --root needs a PUBKEY: nothing is discovered for it', help);
  return { root };
}

function trustRecord({ found, status, path }: TrustResult, place: TrustPlace) {
  const { fingerprint, userIds, problem } = found.key;
  return {
    fingerprint,
    prefix: 'prefix' in place ? place.prefix : null,
    userIds,
    location: redact(found.location),
    status,
    path: path ?? null,
    ...(problem === undefined ? {} : { problem }),
  };
}

function noneUsable(results: readonly TrustResult[]): FetchError {
  const reasons = results.map(
    ({ found: { key, location } }) => `${key.fingerprint} of ${printable(location)} (${key.problem})`,
  );
  const message = `no key that could verify anything: ${reasons.join(', ')}`;
  const hint = 'ask the publisher for a key that is in use';
  return new FetchError('ERR_KEY_INVALID', message, { stage: 'verify', hint });
}
