/** Errors as the person at the terminal reads them: one line, at most one hint, more only with `--debug`. */

import { causeLines, ERROR_CODES, FetchError, isFetchError } from '../index.js';
import { printable, redact } from './text.js';

export interface RenderErrorOptions {
  readonly debug: boolean;
  /** The image argument the error belongs to; shown unless the message names it. */
  readonly image?: string | undefined;
}

/** `aci: ` + what failed + why, then a hint line, then with `debug` code, causes and stack; ends without newline. */
export function renderError(error: unknown, { debug, image }: RenderErrorOptions): string {
  const known = isFetchError(error) ? error : undefined;
  const message = printable(messageOf(error));
  const subject = image === undefined ? undefined : printable(image);
  const named = subject === undefined || message.includes(subject) ? message : `${subject}: ${message}`;
  const internal = known === undefined || known.code === 'ERR_INTERNAL';
  const lines = [`aci: ${internal ? 'internal error: ' : ''}${named}`];
  const hint = known?.hint ?? (internal && !debug ? 'run it again with --debug for the details' : undefined);
  if (hint !== undefined) lines.push(hintLine(hint));
  if (debug) lines.push(...debugLines(error));
  return lines.join('\n');
}

function hintLine(hint: string): string {
  const text = printable(hint);
  return text.startsWith('try: ') ? text : `hint: ${text}`;
}

function debugLines(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const facts = isFetchError(error) ? [`  code: ${error.code}, stage: ${error.stage}`] : [];
  const causes = causeLines(error).map((line) => `  caused by: ${printable(line)}`);
  const stacks = [error, ...causeErrors(error)].map((each) => redact(each.stack ?? ''));
  return [...facts, ...causes, ...stacks.flatMap((stack) => stack.split('\n')).map((line) => `  ${line}`)];
}

function causeErrors(error: Error): Error[] {
  const errors: Error[] = [];
  for (let { cause } = error; cause instanceof Error && errors.length < 8; cause = cause.cause) {
    errors.push(cause);
  }
  return errors;
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message === '' ? error.name : error.message;
}

/** The exit code of a command that ends with this error. */
export function exitCodeOf(error: unknown): number {
  return isFetchError(error) ? error.exitCode : ERROR_CODES.ERR_INTERNAL.exitCode;
}

export function usageError(message: string, hint = 'try: aci help'): FetchError {
  return new FetchError('ERR_USAGE', message, { stage: 'usage', hint });
}

export function abortedError(reason: unknown): FetchError {
  return new FetchError('ERR_ABORTED', 'interrupted', { stage: 'internal', cause: reason });
}
