/** Converts an image on disk: of a `docker save` archive or an OCI layout. */

import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openLayout } from '../layout/open.js';
import type { LayoutImage } from '../layout/source.js';
import type { LayoutReference } from '../types.js';
import { atOnce, inTurn } from './batch.js';
import { type ConvertibleSource, convertImage } from './convert-image.js';
import { type CompleteRequest, FETCH_TASK_BYTES, type Found, type Session } from './session.js';

/** @throws FetchError of every kind but those of the network */
export async function fetchLayout(
  session: Session,
  reference: LayoutReference,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<Found> {
  const plainFile = join(session.lease.folder, `${randomUUID()}.tar`);
  const open = async (): Promise<ConvertibleSource<LayoutImage>> => {
    const inflate = (path: string): Promise<string> =>
      session.room.during(signal, async (roomy, claim) => {
        await claim();
        return inflateTo(session, path, plainFile, roomy);
      });
    const layout = await openLayout(reference, { inflate }, signal);
    const { digestOf } = layout;
    return {
      resolve: layout.resolve,
      readConfig: async ({ config }) => config.bytes,
      hasManifests: reference.transport !== 'docker-archive',
      namingOf: ({ naming }) => naming,
      originOf: (layer) => ({ kind: 'file', file: layout.fileOf(layer), digestOf }),
    };
  };
  try {
    // All of it at once: to open it may need as much room as the image.
    return await inTurn(request.takeTurn, { host: '' }, signal, () =>
      convertImage(session, reference, { ...request, takeTurn: atOnce }, open, signal),
    );
  } finally {
    await rm(plainFile, { force: true });
  }
}

async function inflateTo(
  { permits, runner }: Session,
  path: string,
  plainFile: string,
  signal: AbortSignal,
): Promise<string> {
  const release = await permits.acquire({ memoryBytes: FETCH_TASK_BYTES }, signal);
  try {
    await runner.run('inflate', { path, plainFile }, { signal });
    return plainFile;
  } finally {
    release();
  }
}
