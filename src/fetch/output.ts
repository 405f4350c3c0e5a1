/** Writes an image that was fetched to where its request wants it too. */

import { dirname } from 'node:path';
import type { Writable } from 'node:stream';
import type { ImageFacts } from '../store/store.js';
import { exportImage } from './export-image.js';
import type { Session } from './session.js';
import { createRoom } from './space.js';

/** A file gets its place when it is whole. @throws FetchError ERR_NO_SPACE where less would be free than is to be left */
export async function writeOutput(
  session: Session,
  image: ImageFacts,
  output: string | Writable,
  signal: AbortSignal,
): Promise<void> {
  const { store, minFreeBytes } = session;
  if (typeof output !== 'string') return exportImage(store, image, { stream: output }, signal);
  const room = createRoom(dirname(output), minFreeBytes);
  await room.during(signal, async (roomy, claim) => {
    await claim(new Map([[image.id, () => image.sizeBytes]]));
    await exportImage(store, image, { path: output, overwrite: true }, roomy);
  });
}
