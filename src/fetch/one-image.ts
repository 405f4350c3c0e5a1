/** One image of a call: its request completed, within its time, with what it depends on, and where it is wanted besides. */

import { setMaxListeners } from 'node:events';
import type { EventSink } from '../events.js';
import { type Clock, createClock } from '../http/clock.js';
import { withDeadline } from '../http/deadline.js';
import { parseReference } from '../reference/parse.js';
import type { FetchedImage, FetchRequest, ImageReference, PlannedImage } from '../types.js';
import { atOnce, type TakeTurn } from './batch.js';
import { type DependencyFetcher, fetchDependencies } from './dependencies.js';
import { fetchImage } from './fetch-image.js';
import { eventsOf } from './outcome.js';
import type { CompleteRequest, Session } from './session.js';
import { findImage } from './stored.js';

export interface RequestDefaults {
  /** Undefined: no limit. */
  readonly timeoutMs?: number | undefined;
  /** Default false. */
  readonly requireSignature?: boolean | undefined;
}

/** What an image has of its call. */
export interface Among {
  readonly fetchDependency: DependencyFetcher;
  readonly takeTurn: TakeTurn;
  /** Receives the facts of this request. */
  readonly tell: EventSink;
}

/** @throws FetchError of every kind */
export function fetchOne(
  open: () => Promise<Session>,
  request: FetchRequest,
  { fetchDependency, takeTurn, tell, ...defaults }: Among & RequestDefaults,
  signal: AbortSignal,
): Promise<FetchedImage> {
  const { image, platform, output } = request;
  return withinTime(request, defaults, signal, async (reference, timely, untimed) => {
    const clock = createClock();
    const complete = completed(request, defaults, takeTurn, (wait) => untimed(() => clock.without(wait)));
    const session = { ...(await open()), emit: tell };
    const found = await fetchImage(session, reference, complete, timely);
    const { ids: dependencies, downloadedBytes } = request.noDependencies
      ? { ids: [], downloadedBytes: 0 }
      : await fetchDependencies(session, fetchDependency, found.id, complete, timely);
    if (output !== undefined) {
      const { writeOutput } = await import('./output.js');
      const { id } = found;
      await writeOutput(
        session,
        await findImage(session.store, { kind: 'id', image: id, prefix: id }),
        output,
        timely,
      );
    }
    const durationMs = Math.round(clock.elapsedMs());
    const bytes = found.downloadedBytes + downloadedBytes;
    return { image, platform, ...found, downloadedBytes: bytes, durationMs, dependencies };
  });
}

/** @throws FetchError as {@link fetchOne} before it downloads */
export function planOne(
  open: () => Promise<Session>,
  request: FetchRequest,
  defaults: RequestDefaults,
  signal: AbortSignal,
): Promise<PlannedImage> {
  const { image, platform } = request;
  return withinTime(request, defaults, signal, async (reference, timely) => {
    const [shared, { planImage }] = [await open(), await import('./plan.js')];
    const session = { ...shared, emit: eventsOf(request, shared.emit) };
    const complete = completed(request, defaults, atOnce, (wait) => wait());
    const plan = await planImage(session, reference, complete, timely);
    return { image, platform, status: 'planned', ...plan };
  });
}

async function withinTime<T>(
  { image }: FetchRequest,
  { timeoutMs }: RequestDefaults,
  signal: AbortSignal,
  run: (reference: ImageReference, signal: AbortSignal, untimed: Clock['without']) => Promise<T>,
): Promise<T> {
  const reference = parseReference(image, process.cwd());
  return withDeadline({ timeoutMs, what: image, stage: 'download', signal }, (timely, untimed) => {
    // Every layer and every task of an image listens; that is no leak.
    setMaxListeners(0, timely);
    return run(reference, timely, untimed);
  });
}

function completed(
  request: FetchRequest,
  defaults: RequestDefaults,
  takeTurn: TakeTurn,
  uncounted: Clock['without'],
): CompleteRequest {
  return {
    ...request,
    takeTurn: (turn, own) => uncounted(() => takeTurn(turn, own)),
    uncounted,
    pullPolicy: request.pullPolicy ?? 'update',
    noStore: request.noStore ?? false,
    requireSignature: request.requireSignature ?? defaults.requireSignature ?? false,
  };
}
