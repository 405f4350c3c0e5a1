/** Fetches an ACI by the tasks that do it, without a store. */

import { runFetchAci } from '../../src/fetch/aci-task.js';
import { createPermits } from '../../src/fetch/permits.js';
import type { Session } from '../../src/fetch/session.js';
import type { TaskRunner } from '../../src/tasks/runner.js';
import { inlineRunner } from './layer-assembly.js';

type Fetching = ReturnType<typeof runFetchAci>;

/** Everything that the function needs of a session. `folder`: for the ingest files. */
export function fetchAciInto(
  folder: string,
  source: Parameters<typeof runFetchAci>[2],
  signal: AbortSignal,
  { emit = () => {}, runner = inlineRunner }: { emit?: Session['emit']; runner?: TaskRunner } = {},
): Fetching {
  const permits = createPermits({ connections: 16, connectionsPerHost: 8, memoryBytes: 2 ** 30 });
  const session = { emit, runner, permits, lease: { folder } } as unknown as Session;
  return runFetchAci(session, { image: 'an image', source: 'its source' }, source, signal);
}
