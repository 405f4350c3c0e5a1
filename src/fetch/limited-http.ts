/** The small requests of the coordinator, within the limits that its tasks keep to as well. */

import type { HttpClient, HttpResponse } from '../http/client.js';
import type { AroundWait } from '../http/clock.js';
import type { Permits } from './permits.js';

/** A request takes its permit before it is made, and gives it back when its answer was read or given up. */
export function limitHttp(http: HttpClient, permits: Permits): HttpClient {
  return {
    async request(url, request, signal) {
      const { whileWaiting = (wait) => wait() } = request;
      const wanted = { host: new URL(url).host, memoryBytes: 0, isBrief: true };
      let release = (): void => {};
      const take = async (): Promise<void> => {
        release = await permits.acquire(wanted, signal);
      };
      await whileWaiting(take);
      try {
        let asked: string | undefined;
        const onAsk = (host: string): void => {
          asked = host;
          request.onAsk?.(host);
        };
        // As with a task: whoever waits for a host, also one that it was redirected to, keeps nothing meanwhile.
        const withoutPermit: AroundWait = (wait) =>
          whileWaiting(async () => {
            release();
            if (asked !== undefined) permits.tellHold(asked);
            await wait();
            await take();
          });
        const response = await http.request(url, { ...request, whileWaiting: withoutPermit, onAsk }, signal);
        return releasing(response, release);
      } catch (error) {
        release();
        throw error;
      }
    },
    close: () => http.close(),
  };
}

function releasing(response: HttpResponse, release: () => void): HttpResponse {
  return {
    ...response,
    body: endingWith(response.body, release),
    discard: () => response.discard().finally(release),
  };
}

async function* endingWith(body: AsyncIterable<Buffer>, release: () => void): AsyncGenerator<Buffer> {
  try {
    yield* body;
  } finally {
    release();
  }
}
