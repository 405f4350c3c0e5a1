/** The review of keys before they are trusted: what is shown, who is asked, and what is decided without asking. */

import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { FoundKey, PublicKeyFacts } from '../index.js';
import { abortedError, usageError } from './render-error.js';
import { jsonText, printable } from './text.js';

export interface ReviewQuestion {
  /** Why no signature by the key would be good. */
  readonly problem: string | undefined;
  /** `--skip-fingerprint-review` */
  readonly skipReview: boolean;
  /** `--trust-keys-from-https` */
  readonly trustKeysFromHttps: boolean;
  readonly isFromHttpsDiscovery: boolean;
  readonly hasTerminal: boolean;
}

export type ReviewDecision = 'refuse' | 'trust' | 'ask' | 'cannot-ask';

/**
 * | fit to sign | review skipped | keys from HTTPS trusted, and it is one | terminal | |
 * |-----|-----|-----|-----|---|
 * | no  | any | any | any | refuse |
 * | yes | yes | any | any | trust |
 * | yes | no  | yes | any | trust |
 * | yes | no  | no  | yes | ask |
 * | yes | no  | no  | no  | cannot ask |
 */
export function decideReview(question: ReviewQuestion): ReviewDecision {
  if (question.problem !== undefined) return 'refuse';
  if (question.skipReview) return 'trust';
  if (question.trustKeysFromHttps && question.isFromHttpsDiscovery) return 'trust';
  return question.hasTerminal ? 'ask' : 'cannot-ask';
}

/** Of sub-keys and user IDs; a key may have thousands. */
const MAX_SHOWN = 20;
const MAX_USER_ID_LENGTH = 200;

/** A key as a person compares it with what its owner says, in the form of rkt; lines without newlines. */
export function keyLines({ location, key }: FoundKey, prefix: string | undefined): string[] {
  return [
    `prefix: ${jsonText(prefix ?? '')}`,
    `key: "${printable(location)}"`,
    `gpg key fingerprint is: ${spacedFingerprint(key.fingerprint)}`,
    ...some(key.subkeys, (subkey) => `    subkey fingerprint: ${spacedFingerprint(subkey.fingerprint)}`),
    ...some(key.userIds, (userId) => `\t${shownUserId(userId)}`),
    `\t${kindOf(key)}`,
  ];
}

/** Cut before it is looked through: it may be as long as the file of the key. */
export function shownUserId(userId: string): string {
  return printable(userId.slice(0, MAX_USER_ID_LENGTH));
}

/** `8B86 DE38 …`, in two halves, as gpg and rkt have it. */
export function spacedFingerprint(fingerprint: string): string {
  const half = fingerprint.length / 2;
  const grouped = (hex: string) => (hex.match(/.{1,4}/g) ?? []).join(' ');
  const hex = fingerprint.toUpperCase();
  return `${grouped(hex.slice(0, half))}  ${grouped(hex.slice(half))}`;
}

function kindOf({ algorithm, createdAt, expiresAt, isRevoked }: PublicKeyFacts): string {
  const day = (time: Date) => time.toISOString().slice(0, 10);
  const until = expiresAt === undefined ? 'does not expire' : `expires ${day(expiresAt)}`;
  return [algorithm, `created ${day(createdAt)}`, until, ...(isRevoked ? ['revoked'] : [])].join(', ');
}

function some<Item>(items: readonly Item[], lineOf: (item: Item) => string): string[] {
  const lines = items.slice(0, MAX_SHOWN).map(lineOf);
  return items.length <= MAX_SHOWN ? lines : [...lines, `\t… and ${items.length - MAX_SHOWN} more`];
}

export interface Questioner {
  /** Asks until the answer is yes or no. Throws ERR_USAGE when the input ends instead, and ERR_ABORTED. */
  isTrusted(): Promise<boolean>;
  close(): void;
}

/** Reads ahead: answers that come before their question, as from a script, are kept for it. */
export function createQuestioner(input: Readable, output: Writable, signal: AbortSignal): Questioner {
  // Without an editor of its own the terminal stays as it is, and Ctrl-C a signal.
  const lines = createInterface({ input, terminal: false, signal });
  const answers = lines[Symbol.asyncIterator]();
  return {
    async isTrusted() {
      for (;;) {
        output.write('Are you sure you want to trust this key (yes/no)? ');
        const { value, done } = await answers.next();
        if (signal.aborted) throw abortedError(signal.reason);
        if (done === true) {
          output.write('\n');
          throw usageError('the review of the key was not answered', REVIEW_HINT);
        }
        const answer = String(value).trim().toLowerCase();
        if (answer === 'yes' || answer === 'no') return answer === 'yes';
        output.write("Please enter 'yes' or 'no'\n");
      }
    },
    close: () => lines.close(),
  };
}

export const REVIEW_HINT = 'compare the fingerprint and try --skip-fingerprint-review';
