/** Reads of small bodies that fail, rather than truncate, when the body turns out not to be small. */

import { FetchError, type Stage } from '../errors.js';

/**
 * All of `body`; ERR_LIMIT as soon as it is longer than `maxBytes`, whereupon the rest is not read.
 * @param what what the message calls the body, as in `the manifest of docker://…`
 */
export async function readBounded(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  what: string,
  stage: Stage,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) {
      throw new FetchError('ERR_LIMIT', `${what} is larger than ${maxBytes} bytes`, { stage });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, sizeBytes);
}
