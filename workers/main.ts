/** The entry of a worker thread: each task as a named export that turns messages into a call and a result. */

import { type MessagePort, parentPort, threadId } from 'node:worker_threads';
import { abortedError, toWire } from '../src/errors.js';
import type {
  CancelMessage,
  LoadedMessage,
  TaskEnvelope,
  TaskHandler,
  TaskName,
  Tasks,
} from '../src/tasks/contract.js';
import { assemble as assembleHandler } from './assemble.js';
import { downloadAci as downloadAciHandler } from './download-aci.js';
import { extract as extractHandler } from './extract.js';
import { fetchLayer as fetchLayerHandler } from './fetch-layer.js';
import { inflate as inflateHandler } from './inflate.js';
import { readAci as readAciHandler } from './read-aci.js';

interface TaskMessage<K extends TaskName> {
  readonly input: Tasks[K]['input'];
  readonly port: MessagePort;
}

function threaded<K extends TaskName>(handler: TaskHandler<K>) {
  return async ({ input, port }: TaskMessage<K>): Promise<TaskEnvelope<Tasks[K]['output']>> => {
    const controller = new AbortController();
    port.on('message', (_: CancelMessage) => controller.abort(abortedError()));
    try {
      const value = await handler(input, {
        signal: controller.signal,
        note: (note) => port.postMessage(note),
      });
      return { thread: threadId, ok: true, value };
    } catch (error) {
      return { thread: threadId, ok: false, error: toWire(error) };
    } finally {
      port.close();
    }
  };
}

export const fetchLayer = threaded<'fetchLayer'>(fetchLayerHandler);
export const downloadAci = threaded<'downloadAci'>(downloadAciHandler);
export const readAci = threaded<'readAci'>(readAciHandler);
export const assemble = threaded<'assemble'>(assembleHandler);
export const extract = threaded<'extract'>(extractHandler);
export const inflate = threaded<'inflate'>(inflateHandler);

// In the next turn, when all that has to do with loading is done.
setImmediate(() => parentPort?.postMessage({ loaded: true } satisfies LoadedMessage));
