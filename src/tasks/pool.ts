/** The task runner on worker threads; the only importer of piscina. */

import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { abortedError, FetchError, fromWire, throwIfAborted } from '../errors.js';
import type { CancelMessage, LoadedMessage, TaskEnvelope, TaskName, TaskNote, Tasks } from './contract.js';
import type { RunOptions, TaskRunner } from './runner.js';

/**
 * Tasks wait for sockets, files and each other, never for their thread, so a thread takes as many as there are
 * and the permits of the coordinator set the limit. That is also why one worker cannot deadlock.
 */
const TASKS_PER_WORKER = 1024;

/** How long a cancelled task may take to end by itself before nobody waits for it any more. */
const GRACE_MS = 700;

/** How long `close` waits for threads that are still loading. */
const LOAD_MS = 5000;

const ASSEMBLER: TaskName = 'assemble';

type Balancer = NonNullable<NonNullable<ConstructorParameters<typeof Piscina>[0]>['loadBalancer']>;

/** An assembler hashes for as long as its image takes, so other tasks go to other threads while there are any. */
const ASSEMBLER_WEIGHT = 8;

/** Gives a task to the thread with the least to do; a thread takes any number. */
function createBalancer(assemblers: ReadonlyMap<number, number>): Balancer {
  return (_task, workers) => {
    const load = ({ id, currentUsage }: (typeof workers)[number]): number =>
      currentUsage + ASSEMBLER_WEIGHT * (assemblers.get(id) ?? 0);
    return workers.reduce<(typeof workers)[number] | null>(
      (best, worker) => (best === null || load(worker) < load(best) ? worker : best),
      null,
    );
  };
}

/** `workers`: threads, 1 or more; they start at once, beside the first requests. */
export function createPool(workers: number): TaskRunner {
  /** How many assemblers each thread has, by the thread's ID. */
  const assemblers = new Map<number, number>();
  const balance = createBalancer(assemblers);
  let placedOn: number | undefined;
  const pool = new Piscina({
    loadBalancer(task, candidates) {
      const chosen = balance(task, candidates);
      placedOn = chosen?.id;
      if (chosen !== null && task.name === ASSEMBLER) {
        assemblers.set(chosen.id, (assemblers.get(chosen.id) ?? 0) + 1);
      }
      return chosen;
    },
    filename: new URL('../../workers/main.js', import.meta.url).href,
    minThreads: workers,
    maxThreads: workers,
    concurrentTasksPerWorker: TASKS_PER_WORKER,
    // Parked threads would freeze the sockets that their tasks wait for.
    atomics: 'disabled',
    recordTiming: false,
  });
  let loading = workers;
  let onAllLoaded = (): void => {};
  pool.on('message', (_: LoadedMessage) => {
    loading -= 1;
    if (loading === 0) onAllLoaded();
  });
  let deadThread: unknown;
  pool.on('error', (error: unknown) => {
    deadThread = error;
  });

  async function run<K extends TaskName>(
    name: K,
    input: Tasks[K]['input'],
    { signal, onNote }: RunOptions,
  ): Promise<Tasks[K]['output']> {
    throwIfAborted(signal);
    const { port1, port2 } = new MessageChannel();
    port1.on('message', (note: TaskNote) => onNote?.(note));
    port1.unref();
    let thread: number | undefined;
    let graceTimer: NodeJS.Timeout | undefined;
    let onAbort = (): void => {};
    const gaveUp = new Promise<never>((_, reject) => {
      onAbort = () => {
        port1.postMessage({ cancel: true } satisfies CancelMessage);
        graceTimer = setTimeout(() => reject(abortedError(signal.reason)), GRACE_MS);
      };
    });
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      placedOn = undefined;
      const running = pool.run({ input, port: port2 }, { name, transferList: [port2] }) as Promise<
        TaskEnvelope<Tasks[K]['output']>
      >;
      // Known at once unless the threads are still starting; the result tells it too.
      thread = placedOn;
      const envelope = await Promise.race([running, gaveUp]);
      thread = envelope.thread;
      if (envelope.ok) return envelope.value;
      throw fromWire(envelope.error);
    } catch (error) {
      if (error instanceof FetchError) throw error;
      throw new FetchError('ERR_WORKER_DIED', `a worker thread ended during ${name}`, {
        stage: 'internal',
        cause: error ?? deadThread,
      });
    } finally {
      if (name === ASSEMBLER && thread !== undefined)
        assemblers.set(thread, (assemblers.get(thread) ?? 1) - 1);
      signal.removeEventListener('abort', onAbort);
      clearTimeout(graceTimer);
      // The result may have overtaken notes that were sent before it.
      for (let rest = receiveMessageOnPort(port1); rest !== undefined; rest = receiveMessageOnPort(port1)) {
        onNote?.(rest.message as TaskNote);
      }
      port1.close();
    }
  }

  /** Node aborts the whole process when a thread is ended while it links a module that is `require`d. */
  async function close(): Promise<void> {
    if (loading > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LOAD_MS);
        onAllLoaded = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    await pool.destroy();
  }

  return { run, close };
}
