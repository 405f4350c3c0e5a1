/** Requests to one repository of a registry: which scheme it speaks, and what it wants to see first. */

import { type FetchError, isFetchError, type Stage } from '../errors.js';
import type { HttpClient, HttpResponse } from '../http/client.js';
import { isPlainHttpServer, isUnreachable, readErrorText, statusError } from '../http/errors.js';
import type { DockerReference } from '../types.js';
import { type Asked, type AuthorizerOptions, createAuthorizer, type Scheme } from './authorizer.js';
import { parseChallenge } from './challenge.js';

const STAGE: Stage = 'resolve';

/** `insecureHttp` also means: fall back to plain HTTP where the registry cannot be had over TLS. */
export interface ConnectionOptions extends AuthorizerOptions {
  /** For tokens. Default: as everything else. */
  readonly tokenHttp?: HttpClient | undefined;
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
  /** Sees to it that {@link authorization} holds for a while. */
  renewIfStale(signal: AbortSignal): Promise<void>;
  /**
   * A new token in place of one that was refused; nothing is asked for when `refused` is no longer the one in use.
   * Rejects with ERR_AUTH when there is none to be had.
   */
  reauthorize(refused: string | undefined, signal: AbortSignal): Promise<void>;
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
  const { insecureHttp } = options;
  const authorizer = createAuthorizer(options.tokenHttp ?? http, reference, options);
  let scheme: Scheme | undefined;
  const hasPort = new URL(`https://${registry}`).port !== '';

  const urlWith = (chosen: Scheme, path: string): string => `${chosen}://${registry}/v2/${path}`;
  const authorization = (): string | undefined => authorizer.header(scheme ?? 'https');

  async function requestWith(chosen: Scheme, path: string, wanted: Wanted, signal: AbortSignal) {
    const { method, accept = '*/*', range } = wanted;
    const headers = { accept, ...(range !== undefined && { range }) };
    const url = urlWith(chosen, path);
    const own = { method, headers, authorization: authorizer.header(chosen), stage: STAGE };
    const response = await http.request(url, own, signal);
    scheme = chosen;
    return response;
  }

  async function request(path: string, wanted: Wanted, signal: AbortSignal): Promise<HttpResponse> {
    if (scheme !== undefined) return requestWith(scheme, path, wanted, signal);
    try {
      return await requestWith('https', path, wanted, signal);
    } catch (error) {
      if (!insecureHttp || !isConnectionFailure(error)) throw error;
      if (hasPort && isUnreachable(error)) throw error;
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

  /** The challenge in an answer, whose body is not needed any more. */
  async function challengeOf(response: HttpResponse, what: string): Promise<Asked> {
    await response.discard();
    const challenge = parseChallenge(response.headers['www-authenticate']);
    // The registry may have redirected to its own plain HTTP, where anybody could have answered.
    const over = new URL(response.url).protocol === 'https:' ? 'https' : 'http';
    return { challenge, scheme: over, what };
  }

  return {
    urlOf: (path) => urlWith(scheme ?? 'https', path),
    authorization,
    renewIfStale: authorizer.renewIfStale,

    async get(path, wanted, signal) {
      const { what } = wanted;
      await authorizer.renewIfStale(signal);
      const shown = authorization();
      let response = await request(path, wanted, signal);
      if (response.status === 401 && isFrom(response, registry)) {
        await authorizer.answer(await challengeOf(response, what), shown, signal);
        response = await request(path, wanted, signal);
      }
      if (response.status === 200 || (response.status === 206 && wanted.range !== undefined)) return response;
      const { status } = response;
      const failure = statusError(response, what, STAGE, await readErrorText(response));
      if (status !== 401 && status !== 403) throw failure;
      const asked = await challengeOf(response, what);
      throw authorizer.denied(asked, { status, cause: failure });
    },

    async reauthorize(refused, signal) {
      if (refused !== undefined && refused !== authorization()) return;
      const known = authorizer.lastAsked();
      if (known !== undefined) return authorizer.answer(known, authorization(), signal);
      const what = `docker://${registry}/${repository}`;
      const response = await request('', {}, signal);
      if (response.status !== 401 || !isFrom(response, registry)) {
        const failure = statusError(response, what, STAGE, await readErrorText(response));
        if (failure.retryable) throw failure;
        const asked = { challenge: undefined, scheme: scheme ?? 'https', what } as const;
        throw authorizer.denied(asked, { status: response.status, cause: failure });
      }
      await authorizer.answer(await challengeOf(response, what), undefined, signal);
    },
  };
}

function isConnectionFailure(error: unknown): error is FetchError {
  return isFetchError(error) && (error.code === 'ERR_NETWORK' || error.code === 'ERR_TLS');
}

/** The challenge of a host that the registry redirected to is not one of the registry. */
function isFrom(response: HttpResponse, registry: string): boolean {
  const { protocol, host } = new URL(response.url);
  return host === new URL(`${protocol}//${registry}`).host;
}
