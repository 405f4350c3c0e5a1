/** Requests to one repository of a registry: which scheme it speaks, and what it wants to see first. */

import { FetchError, isFetchError, type Stage } from '../errors.js';
import type { HttpClient, HttpResponse } from '../http/client.js';
import { isPlainHttpServer, readErrorText, statusError } from '../http/errors.js';
import type { DockerReference } from '../types.js';
import { type Challenge, parseChallenge } from './challenge.js';
import { basicAuthorization, fetchToken } from './token.js';

const STAGE: Stage = 'resolve';

export interface ConnectionOptions {
  /** Fall back to plain HTTP where the registry cannot be had over TLS, and take tokens over it. */
  readonly insecureHttp: boolean;
  /** `USER:PASSWORD`. Default: anonymous. */
  readonly basicAuth?: string | undefined;
}

export interface Connection {
  /** The absolute URL of a path below `/v2/`, with https until the registry has answered over something else. */
  urlOf(path: string): string;
  /** The `Authorization` that the registry asked for last, if it did. */
  authorization(): string | undefined;
  /**
   * GET, or HEAD, of a path below `/v2/`, answering a 401 once. Resolves only to a 200, and to a 206 where a range was
   * asked for; not retried here. Rejects with the error of the status and with what {@link HttpClient.request} rejects
   * with.
   */
  get(path: string, request: ConnectionRequest, signal: AbortSignal): Promise<HttpResponse>;
  /** A new token in place of one that has expired. Rejects with ERR_AUTH when there is none to be had. */
  reauthorize(signal: AbortSignal): Promise<void>;
}

export interface ConnectionRequest {
  /** Default `GET`. */
  readonly method?: 'GET' | 'HEAD' | undefined;
  readonly accept?: string | undefined;
  /** As the header has it: `bytes=0-0`. */
  readonly range?: string | undefined;
  /** For messages: what is asked for. */
  readonly what: string;
}

type Wanted = Omit<ConnectionRequest, 'what'>;

export function createConnection(
  http: HttpClient,
  reference: DockerReference,
  options: ConnectionOptions,
): Connection {
  const { registry, repository } = reference;
  const { insecureHttp, basicAuth } = options;
  let scheme: 'https' | 'http' | undefined;
  let authorization: string | undefined;
  let challenge: Challenge | undefined;

  const urlWith = (chosen: 'https' | 'http', path: string): string => `${chosen}://${registry}/v2/${path}`;

  async function requestWith(chosen: 'https' | 'http', path: string, wanted: Wanted, signal: AbortSignal) {
    const { method, accept = '*/*', range } = wanted;
    const headers = { accept, ...(range !== undefined && { range }) };
    const url = urlWith(chosen, path);
    const response = await http.request(url, { method, headers, authorization, stage: STAGE }, signal);
    scheme = chosen;
    return response;
  }

  async function request(path: string, wanted: Wanted, signal: AbortSignal): Promise<HttpResponse> {
    if (scheme !== undefined) return requestWith(scheme, path, wanted, signal);
    try {
      return await requestWith('https', path, wanted, signal);
    } catch (error) {
      if (!insecureHttp || !isConnectionFailure(error)) throw error;
      if (isPlainHttpServer(error)) return requestWith('http', path, wanted, signal);
      return requestPlain(error, path, wanted, signal);
    }
  }

  /** The failure over TLS says more than one over plain HTTP, unless a registry answers there. */
  async function requestPlain(tlsFailure: FetchError, path: string, wanted: Wanted, signal: AbortSignal) {
    const response = await requestWith('http', path, wanted, signal).catch((error: unknown) => {
      throw isConnectionFailure(error) ? tlsFailure : error;
    });
    // This is what TLS servers answer to plain HTTP.
    if (response.status !== 400) return response;
    scheme = undefined;
    await response.discard();
    throw tlsFailure;
  }

  async function answerChallenge(asked: Challenge | undefined, what: string, signal: AbortSignal) {
    challenge = asked;
    if (asked?.scheme === 'bearer') {
      const scope = asked.scope ?? `repository:${repository}:pull`;
      const token = await fetchToken(http, { ...asked, scope, basicAuth, insecureHttp }, signal);
      authorization = `Bearer ${token}`;
      return;
    }
    if (asked === undefined || basicAuth === undefined) throw denied(what);
    authorization = basicAuthorization(basicAuth);
  }

  return {
    urlOf: (path) => urlWith(scheme ?? 'https', path),
    authorization: () => authorization,

    async get(path, wanted, signal) {
      const { what } = wanted;
      let response = await request(path, wanted, signal);
      if (response.status === 401 && isFrom(response, registry)) {
        const asked = parseChallenge(response.headers['www-authenticate']);
        await response.discard();
        await answerChallenge(asked, what, signal);
        response = await request(path, wanted, signal);
      }
      if (response.status === 200 || (response.status === 206 && wanted.range !== undefined)) return response;
      const { status } = response;
      const failure = statusError(response, what, STAGE, await readErrorText(response));
      throw status === 401 || status === 403 ? denied(what, failure) : failure;
    },

    async reauthorize(signal) {
      const what = `docker://${registry}/${repository}`;
      authorization = undefined;
      if (challenge !== undefined) return answerChallenge(challenge, what, signal);
      const response = await request('', {}, signal);
      if (response.status !== 401 || !isFrom(response, registry)) {
        const failure = statusError(response, what, STAGE, await readErrorText(response));
        throw failure.retryable ? failure : denied(what, failure);
      }
      await response.discard();
      await answerChallenge(parseChallenge(response.headers['www-authenticate']), what, signal);
    },
  };
}

/** Registries answer alike for what does not exist and for what may not be seen. */
function denied(what: string, cause?: FetchError): FetchError {
  return new FetchError('ERR_AUTH', `${what}: denied: the image does not exist or needs credentials`, {
    stage: STAGE,
    cause,
  });
}

function isConnectionFailure(error: unknown): error is FetchError {
  return isFetchError(error) && (error.code === 'ERR_NETWORK' || error.code === 'ERR_TLS');
}

/** The challenge of a host that the registry redirected to is not one of the registry. */
function isFrom(response: HttpResponse, registry: string): boolean {
  const { protocol, host } = new URL(response.url);
  return host === new URL(`${protocol}//${registry}`).host;
}
