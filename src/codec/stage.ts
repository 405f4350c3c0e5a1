/** What every codec is: bytes in, bytes out, and an end that shows whether they were whole. */

import { FetchError, isFetchError } from '../errors.js';

export interface Stage {
  /** Resolves when the chunk is used up; its memory may then be used again. One call at a time. */
  write(chunk: Buffer): Promise<void>;
  /** Resolves when all output was handed out. @throws FetchError ERR_COMPRESSION when the input ends early */
  end(): Promise<void>;
  /** Frees what the codec holds; needed when `end` was not reached. */
  destroy(): void;
}

/** Gets each piece of output, for the time of the call. */
export type Output = (chunk: Buffer) => void;

/** What a codec threw, as ERR_COMPRESSION; errors of ours pass through. */
export function compressionError(codec: string, error: unknown): FetchError {
  if (isFetchError(error)) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new FetchError('ERR_COMPRESSION', `malformed ${codec} data: ${reason}`, {
    stage: 'convert',
    cause: error,
  });
}
