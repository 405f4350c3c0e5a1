/** The task runner on worker threads; the only importer of piscina. */

import { MessageChannel } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { abortedError, FetchError, fromWire, throwIfAborted } from '../errors.js';
import type { CancelMessage, TaskEnvelope, TaskName, TaskNote, Tasks } from './contract.js';
import type { RunOptions, TaskRunner } from './runner.js';

/**
 * Tasks wait for sockets, files and each other, never for their thread, so a thread takes as many as there are
 * and the permits of the coordinator set the limit. That is also why one worker cannot deadlock.
 */
const TASKS_PER_WORKER = 1024;

/** How long a cancelled task may take to end by itself before its thread is ended. */
const GRACE_MS = 700;

/** `workers`: threads, 1 or more; they start at once, beside the first requests. */
export function createPool(workers: number): TaskRunner {
  const pool = new Piscina({
    filename: new URL('../../workers/main.js', import.meta.url).href,
    minThreads: workers,
    maxThreads: workers,
    concurrentTasksPerWorker: TASKS_PER_WORKER,
    // Parked threads would freeze the sockets that their tasks wait for.
    atomics: 'disabled',
    recordTiming: false,
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
      const running = pool.run({ input, port: port2 }, { name, transferList: [port2] }) as Promise<
        TaskEnvelope<Tasks[K]['output']>
      >;
      const envelope = await Promise.race([running, gaveUp]);
      if (envelope.ok) return envelope.value;
      throw fromWire(envelope.error);
    } catch (error) {
      if (error instanceof FetchError) throw error;
      throw new FetchError('ERR_WORKER_DIED', `a worker thread ended during ${name}`, {
        stage: 'internal',
        cause: error ?? deadThread,
      });
    } finally {
      signal.removeEventListener('abort', onAbort);
      clearTimeout(graceTimer);
      port1.close();
    }
  }

  return { run, close: () => pool.destroy() };
}
