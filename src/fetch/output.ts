/** Writes an image that was fetched to where its request wants it too. */

import { dirname } from 'node:path';
import type { Writable } from 'node:stream';
import type { ImageFacts } from '../store/store.js';
import { exportImage } from './export-image.js';
import type { Session } from './session.js';
import { roomOf, withMinFree } from './space.js';

/** A file gets its place when it is whole. @throws FetchError ERR_NO_SPACE where less would be free than is to be left */
export async function writeOutput(
  session: Session,
  image: ImageFacts,
  output: string | Writable,
  signal: AbortSignal,
): Promise<void> {
  const { store } = session;
  if (typeof output !== 'string') return exportImage(store, image, { stream: output }, signal);
  const room = { ...roomOf(session, signal), dir: dirname(output) };
  await withMinFree(room, async (roomy, claim) => {
    await claim(image.sizeBytes);
    await exportImage(store, image, { path: output, overwrite: true }, roomy);
  });
}
