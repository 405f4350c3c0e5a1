/** What became of images, as stdout and the exit code tell it. */

import { ERROR_CODES, type FetchOutcome, formatPlatform, type ImageId, type PlannedImage } from '../index.js';
import { oneLine, printable, redact } from './text.js';

/** Exit code when some images of several failed. */
export const EXIT_SOME_FAILED = 9;

const SHORT_DIGITS = 32;
const PREFIX = 'sha512-';

/** The ID as `aci fetch` prints it: whole, or `sha512-` and 32 digits. */
export function shownId(id: ImageId, full: boolean): string {
  return full ? id : id.slice(0, PREFIX.length + SHORT_DIGITS);
}

/** 0 when all is well; one image: the code of its cause; several: 9 when any failed. */
export function exitCodeOfAll(codes: readonly number[]): number {
  if (codes.every((code) => code === 0)) return 0;
  return codes.length === 1 ? (codes[0] ?? 0) : EXIT_SOME_FAILED;
}

/** Of a list: as {@link exitCodeOfAll}, but a full disk is told of whatever else failed, for it is not the images' fault. */
export function exitCodeOfList(outcomes: readonly (FetchOutcome | PlannedImage)[]): number {
  const isFull = outcomes.some(
    (outcome) => outcome.status === 'failed' && outcome.error.code === 'ERR_NO_SPACE',
  );
  return isFull ? ERROR_CODES.ERR_NO_SPACE.exitCode : exitCodeOfAll(outcomes.map(exitCodeOfOutcome));
}

export function exitCodeOfOutcome(outcome: FetchOutcome | PlannedImage): number {
  return outcome.status === 'failed' ? ERROR_CODES[outcome.error.code].exitCode : 0;
}

/** Only where one was asked for, for a list may have an image for several. */
export function platformField({
  platform,
}: Pick<FetchOutcome, 'platform'>): { readonly platform: string } | Record<string, never> {
  return platform === undefined ? {} : { platform: formatPlatform(platform) };
}

/** An outcome as one JSON object of `fetch --json`; the fields stand in the order of the specification. */
export function outcomeRecord(outcome: FetchOutcome): Readonly<Record<string, unknown>> {
  const what = { image: redact(outcome.image), ...platformField(outcome) };
  const { status, downloadedBytes, durationMs } = outcome;
  if (outcome.status !== 'failed') {
    const { id, name, labels, verified, signers, sizeBytes, dependencies } = outcome;
    return {
      ...what,
      id,
      name,
      labels,
      status,
      verified,
      signers,
      sizeBytes,
      downloadedBytes,
      durationMs: Math.round(durationMs),
      dependencies,
    };
  }
  const { code, stage, message, hint } = outcome.error;
  return {
    ...what,
    id: null,
    name: null,
    labels: {},
    status,
    verified: false,
    signers: [],
    sizeBytes: 0,
    downloadedBytes,
    durationMs: Math.round(durationMs),
    dependencies: [],
    error: {
      code,
      stage,
      message: printable(message),
      ...(hint === undefined ? {} : { hint: oneLine(hint) }),
    },
  };
}

/**
 * A function that takes lines in any order, each with its place, and writes them in the order of their places,
 * each as soon as all before it are there.
 */
export function orderedLines(write: (line: string) => void): (index: number, line: string) => void {
  const waiting = new Map<number, string>();
  let next = 0;
  return (index, line) => {
    waiting.set(index, line);
    for (let ready = waiting.get(next); ready !== undefined; ready = waiting.get(next)) {
      waiting.delete(next);
      next++;
      write(ready);
    }
  };
}
