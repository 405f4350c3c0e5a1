/** The HTTP clients of a worker thread, one for each set of options, kept so that connections are used again; and retries. */

import { FetchError } from '../src/errors.js';
import type { HttpClient, HttpRequest } from '../src/http/client.js';
import type { AroundWait } from '../src/http/clock.js';
import type { HttpOptions } from '../src/http/options.js';
import type { RetryOptions } from '../src/http/retry.js';
import type { BlobRequest, TaskContext } from '../src/tasks/contract.js';
import type { SpanRequest } from './fill-file.js';
import type { TaskConnections } from './task-connections.js';

const clients = new Map<string, Promise<HttpClient>>();

/** Loads the HTTP library when a task first needs it. */
export function httpClient(options: HttpOptions): Promise<HttpClient> {
  const key = JSON.stringify(options);
  let client = clients.get(key);
  if (client === undefined) {
    client = import('../src/http/client.js').then(({ createHttpClient }) => createHttpClient(options));
    clients.set(key, client);
  }
  return client;
}

/** As often as the request says; the coordinator is told of every time. */
export function retryOptions(
  { retries }: BlobRequest,
  { signal, note }: TaskContext,
  { withoutFirst }: TaskConnections,
): RetryOptions {
  return {
    signal,
    retries,
    whileWaiting: withoutFirst,
    onRetry: ({ attempt, delayMs, error }) =>
      note({ note: 'retry', attempt, delayMs, reason: error.message }),
  };
}

/** The first connection is given back while its host is to be left alone; another one only helps, and so does not wait. */
export function overConnection(
  { isFirst }: Pick<SpanRequest, 'isFirst'>,
  { withoutFirst, asking }: TaskConnections,
): Pick<HttpRequest, 'whileWaiting' | 'onAsk'> {
  return isFirst ? { whileWaiting: withoutFirst, onAsk: asking } : { whileWaiting: doNotWait };
}

const doNotWait: AroundWait = async () => {
  throw new FetchError('ERR_NETWORK', 'the host is to be left alone', { stage: 'download' });
};
