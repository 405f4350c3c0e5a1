/** The images that an ACI depends on: fetched by name, side by side, each once, down to those without dependencies. */

import type { AciDependency } from '../aci/manifest.js';
import { FetchError, isFetchError, retold, throwIfAborted, untilAborted } from '../errors.js';
import type { Clock } from '../http/clock.js';
import type { ImageFacts } from '../store/store.js';
import type { ImageId, NameReference } from '../types.js';
import type { TakeTurn } from './batch.js';
import type { CompleteRequest, Found, Session } from './session.js';

export interface FoundDependencies {
  /** In the order in which the manifests name them, those of the image itself first; each once. */
  readonly ids: readonly ImageId[];
  readonly downloadedBytes: number;
}

/** A chain that somebody makes up while it is asked for must end somewhere. */
export const MAX_DEPENDENCIES = 1000;

/** Fetches the image of one name; once for all who ask the same one. */
export type DependencyFetcher = (
  session: Session,
  dependency: AciDependency,
  request: CompleteRequest,
  signal: AbortSignal,
) => Promise<Found>;

interface Flight {
  readonly found: Promise<Found>;
  readonly controller: AbortController;
  /** What does not count the time of a wait, of each image that waits for it. */
  readonly askers: Set<{ readonly uncounted: Clock['without'] }>;
  /** While it waits for its turn; does not reject. */
  turn: Promise<unknown> | undefined;
  isCounted: boolean;
}

/** `fetchByName` fetches the image of one name for whoever asks first. */
export function createDependencyFetcher(fetchByName: FetchByName = fetchByNameLazily): DependencyFetcher {
  const flights = new Map<string, Flight>();

  return async (session, dependency, request, signal) => {
    throwIfAborted(signal);
    const { imageName: name, labels: list = [] } = dependency;
    const labels = Object.fromEntries(list.map((label) => [label.name, label.value]));
    const { pullPolicy, noStore, requireSignature } = request;
    const key = JSON.stringify([name, labels, pullPolicy, noStore, requireSignature]);
    let flight = flights.get(key);
    if (flight === undefined) {
      const controller = new AbortController();
      const takeTurn: TakeTurn = (turn, own) => tellTurn(begun, request.takeTurn(turn, own));
      const own = {
        ...request,
        image: nameOf(dependency),
        signature: undefined,
        output: undefined,
        takeTurn,
      };
      const reference = { kind: 'name', image: own.image, name, labels } as const;
      const found = fetchByName(session, reference, own, controller.signal);
      found.catch(() => undefined);
      const begun: Flight = { found, controller, askers: new Set(), turn: undefined, isCounted: false };
      flight = begun;
      flights.set(key, flight);
    }
    const asker = { uncounted: request.uncounted };
    flight.askers.add(asker);
    const { turn } = flight;
    if (turn !== undefined) void asker.uncounted(() => turn);
    try {
      const found = await untilAborted(flight.found, signal);
      // Bytes count once.
      const isCounted = flight.isCounted;
      flight.isCounted = true;
      return isCounted ? { ...found, downloadedBytes: 0 } : found;
    } finally {
      flight.askers.delete(asker);
      // An image that gives up, or runs out of its time, leaves the dependency to the others.
      if (signal.aborted && flight.askers.size === 0) {
        if (flights.get(key) === flight) flights.delete(key);
        flight.controller.abort(signal.reason);
        await flight.found.catch(() => undefined);
      }
    }
  };
}

type FetchByName = (
  session: Session,
  reference: NameReference,
  request: CompleteRequest,
  signal: AbortSignal,
) => Promise<Found>;

const fetchByNameLazily: FetchByName = async (...args) => (await import('./name.js')).fetchByName(...args);

/** It waits for its turn once, and for all images that wait for it. */
function tellTurn<T>(flight: Flight, taken: Promise<T>): Promise<T> {
  const turn = taken
    .catch(() => undefined)
    .finally(() => {
      flight.turn = undefined;
    });
  flight.turn = turn;
  for (const { uncounted } of flight.askers) void uncounted(() => turn);
  return taken;
}

/**
 * @throws FetchError ERR_DEPENDENCY_CYCLE, ERR_LIMIT for more than {@link MAX_DEPENDENCIES}, ERR_DIGEST_MISMATCH and ERR_SIZE_MISMATCH for another image than the manifest
 * says, and what a fetch by name throws
 */
export async function fetchDependencies(
  session: Session,
  fetch: DependencyFetcher,
  root: ImageId,
  request: CompleteRequest,
  signal: AbortSignal,
): Promise<FoundDependencies> {
  const edges = new Map<ImageId, readonly ImageId[]>();
  const names = new Map<ImageId, string>();
  let downloadedBytes = 0;

  async function walk(id: ImageId): Promise<void> {
    if (edges.has(id)) return;
    edges.set(id, []);
    const image = await session.store.readImage(id);
    names.set(id, image?.name ?? id);
    const dependencies = image?.dependencies ?? [];
    if (Math.max(edges.size, dependencies.length) > MAX_DEPENDENCIES) throw tooMany(names.get(root) ?? root);
    const found = await Promise.all(
      dependencies.map(async (dependency) => {
        const one = await fetchOne(image as ImageFacts, dependency);
        downloadedBytes += one.downloadedBytes;
        return one.id;
      }),
    );
    edges.set(id, found);
    await Promise.all(found.map(walk));
  }

  async function fetchOne(parent: ImageFacts, dependency: AciDependency): Promise<Found> {
    try {
      const found = await fetch(session, dependency, request, signal);
      checkDependency(dependency, found);
      return found;
    } catch (error) {
      throw ofDependency(parent, dependency, error);
    }
  }

  await walk(root);
  const cycle = findCycle(root, edges);
  if (cycle !== undefined) {
    const path = cycle.map((id) => names.get(id) ?? id).join(' -> ');
    throw new FetchError('ERR_DEPENDENCY_CYCLE', `images depend on each other: ${path}`, {
      stage: 'resolve',
    });
  }
  return { ids: inOrder(root, edges), downloadedBytes };
}

function tooMany(name: string): FetchError {
  return new FetchError('ERR_LIMIT', `${name}: more than ${MAX_DEPENDENCIES} dependencies`, {
    stage: 'resolve',
  });
}

/** `imageID` may be shortened, as rkt writes it; `size` is that of the uncompressed ACI. */
function checkDependency({ imageID, size }: AciDependency, { id, sizeBytes }: Found): void {
  if (imageID !== undefined && !id.startsWith(imageID.toLowerCase())) {
    throw new FetchError('ERR_DIGEST_MISMATCH', `its image ID is ${id}, not ${imageID}`, { stage: 'verify' });
  }
  if (size !== undefined && size !== sizeBytes) {
    throw new FetchError('ERR_SIZE_MISMATCH', `it has ${sizeBytes} bytes, not ${size}`, { stage: 'verify' });
  }
}

function ofDependency(parent: ImageFacts, dependency: AciDependency, error: unknown): unknown {
  if (!isFetchError(error) || error.code === 'ERR_ABORTED') return error;
  const message = `${nameOf(dependency)}, which ${parent.name} depends on: ${error.message}`;
  return retold(error, { message });
}

/** For messages, as it would be asked for on the command line, where some values cannot be: `example.com/lib:1.0,os=linux`. */
function nameOf({ imageName, labels = [] }: AciDependency): string {
  const version = labels.find(({ name }) => name === 'version');
  const others = labels.filter(({ name }) => name !== 'version');
  const head = version === undefined ? imageName : `${imageName}:${version.value}`;
  return [head, ...others.map(({ name, value }) => `${name}=${value}`)].join(',');
}

/** Pure: images that each depend on the next, the first again at the end; undefined when there are none. */
export function findCycle<Id>(root: Id, edges: ReadonlyMap<Id, readonly Id[]>): Id[] | undefined {
  const done = new Set<Id>();
  const path: Id[] = [];
  function visit(id: Id): Id[] | undefined {
    const start = path.indexOf(id);
    if (start !== -1) return [...path.slice(start), id];
    if (done.has(id)) return undefined;
    path.push(id);
    for (const next of edges.get(id) ?? []) {
      const cycle = visit(next);
      if (cycle !== undefined) return cycle;
    }
    path.pop();
    done.add(id);
    return undefined;
  }
  return visit(root);
}

/** Level by level, without the root. */
function inOrder(root: ImageId, edges: ReadonlyMap<ImageId, readonly ImageId[]>): ImageId[] {
  const seen = new Set<ImageId>([root]);
  for (const id of seen) for (const next of edges.get(id) ?? []) seen.add(next);
  seen.delete(root);
  return [...seen];
}
