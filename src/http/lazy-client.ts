/** An HTTP client that loads its library with the first request: an answer out of the store needs none. */

import type { HttpClient } from './client.js';
import type { HttpOptions } from './options.js';

export function createLazyHttpClient(options: HttpOptions): HttpClient {
  let made: Promise<HttpClient> | undefined;
  const make = (): Promise<HttpClient> => {
    made ??= import('./client.js').then(({ createHttpClient }) => createHttpClient(options));
    return made;
  };
  return {
    async request(url, request, signal) {
      return (await make()).request(url, request, signal);
    },
    async close() {
      await (await made)?.close();
    },
  };
}
