/** How an image argument that cannot be used is named in an error, without the secrets it may carry. */

import { FetchError } from '../errors.js';

/**
 * The argument as messages may show it: user-info becomes `REDACTED` and a query is cut off, because both may
 * hold a password or a signature.
 */
export function describeArgument(image: string): string {
  return image
    .replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@(?!sha\d+:)/i, '$1REDACTED@')
    .replace(/^(https?:\/\/[^?#]*)[?#].*$/is, '$1');
}

/** ERR_USAGE for `argument`: `"<argument>" <problem>`. */
export function usageError(argument: string, problem: string, hint?: string, cause?: unknown): FetchError {
  const shown = JSON.stringify(describeArgument(argument));
  return new FetchError('ERR_USAGE', `${shown} ${problem}`, { stage: 'usage', hint, cause });
}
