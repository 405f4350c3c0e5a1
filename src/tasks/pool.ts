/** The task runner on worker threads; the only importer of piscina. */

import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { Piscina, queueOptionsSymbol } from 'piscina';
import { abortedError, FetchError, fromWire, throwIfAborted } from '../errors.js';
import type { CancelMessage, LoadedMessage, TaskEnvelope, TaskName, TaskNote, Tasks } from './contract.js';
import { createPlacement } from './placement.js';
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

type Balancer = NonNullable<NonNullable<ConstructorParameters<typeof Piscina>[0]>['loadBalancer']>;

/** What a task has for the balancer. */
interface Sized {
  readonly workBytes: number;
}

/** Of a task that says nothing. */
const DEFAULT_WORK_BYTES = 64 * 1024 * 1024;

/** `workers`: threads, 1 or more; they start at once, beside the first requests. */
export function createPool(workers: number): TaskRunner {
  const placement = createPlacement();
  let placedOn: number | undefined;

  const loadBalancer: Balancer = (task, threads) => {
    const chosen = placement.place(threads, (task[queueOptionsSymbol] as Sized).workBytes);
    placedOn = chosen?.id;
    return chosen ?? null;
  };

  const pool = new Piscina({
    loadBalancer,
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
    { signal, onNote, workBytes = DEFAULT_WORK_BYTES }: RunOptions,
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
      const message = { input, port: port2, [queueOptionsSymbol]: { workBytes } satisfies Sized };
      const running = pool.run(message, { name, transferList: [port2] }) as Promise<
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
      if (thread !== undefined) placement.ended(thread, workBytes);
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
