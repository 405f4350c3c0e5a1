/** What a repository's requests are authorized with: the answer to its registry's challenge, renewed in time. */

import { basicAuthorization } from '../auth/authorization.js';
import type { CredentialLookup, RegistryCredential, Sourced } from '../auth/credentials.js';
import { type FetchError, isFetchError, untilAborted } from '../errors.js';
import type { HttpClient } from '../http/client.js';
import type { DockerReference } from '../types.js';
import type { Challenge } from './challenge.js';
import { denied, deniedHint } from './denied.js';
import { fetchToken, parseRealm } from './token.js';

export type Scheme = 'https' | 'http';

export interface AuthorizerOptions {
  /** Take tokens over plain HTTP, without credentials. */
  readonly insecureHttp: boolean;
  /** Called at most once, when the registry asks for one. Default: anonymous. */
  readonly credential?: CredentialLookup | undefined;
}

/** A challenge, and how it came. */
export interface Asked {
  readonly challenge: Challenge | undefined;
  readonly scheme: Scheme;
  /** For messages: what was asked for. */
  readonly what: string;
}

export interface Refusal {
  readonly status: number;
  readonly cause: FetchError;
}

export interface Authorizer {
  /** The `Authorization` for the next request over `scheme`, if the registry has asked for one. */
  header(scheme: Scheme): string | undefined;
  /** The challenge that was answered last. */
  lastAsked(): Asked | undefined;
  /** Gets a new token where the old one will not hold much longer. */
  renewIfStale(signal: AbortSignal): Promise<void>;
  /**
   * Answers a challenge, unless `refused` has been replaced meanwhile: however many requests are refused together,
   * one token is asked for. Rejects with ERR_AUTH, and with what a request to the token service rejects with.
   */
  answer(asked: Asked, refused: string | undefined, signal: AbortSignal): Promise<void>;
  /** The error for a request that was refused with 401 or 403, after all. */
  denied(asked: Asked, refusal: Refusal): FetchError;
}

interface Current {
  readonly header: string;
  /** It was made from credentials, and so must not go over plain HTTP. */
  readonly isSecret: boolean;
  /** By the clock of `performance`. */
  readonly staleAtMs: number;
}

export function createAuthorizer(
  http: HttpClient,
  { registry, repository }: DockerReference,
  { insecureHttp, credential: lookUp }: AuthorizerOptions,
): Authorizer {
  let current: Current | undefined;
  let lastAsked: Asked | undefined;
  let found: { readonly sourced: Sourced<RegistryCredential> | undefined } | undefined;
  let flight: Promise<void> | undefined;

  const header = (scheme: Scheme): string | undefined =>
    current?.isSecret === true && scheme === 'http' ? undefined : current?.header;

  /** Nobody knows who asks over plain HTTP, so credentials stay here. */
  async function credentialFor({ scheme }: Asked, signal: AbortSignal) {
    if (scheme === 'http') return undefined;
    found ??= { sourced: await lookUp?.(signal) };
    return found.sourced;
  }

  async function answerNow(asked: Asked, signal: AbortSignal): Promise<void> {
    lastAsked = asked;
    const { challenge } = asked;
    const sourced = await credentialFor(asked, signal);
    if (challenge?.scheme === 'bearer') {
      const realm = parseRealm(challenge.realm, insecureHttp);
      const credential = realm.protocol === 'https:' ? sourced?.credential : undefined;
      const { service, scope = `repository:${repository}:pull` } = challenge;
      const hint = deniedHint(factsOf(asked));
      const token = await fetchToken(http, { realm, service, scope, credential, hint }, signal);
      if (token.refreshToken !== undefined && sourced?.credential.kind === 'identity') {
        const { refreshToken } = token;
        found = { sourced: { ...sourced, credential: { ...sourced.credential, refreshToken } } };
      }
      const staleAtMs = performance.now() + token.lifetimeMs - marginMs(token.lifetimeMs);
      current = { header: `Bearer ${token.token}`, isSecret: credential !== undefined, staleAtMs };
      return;
    }
    if (challenge === undefined || sourced?.credential.kind !== 'basic') throw denied(factsOf(asked));
    const basic = basicAuthorization(sourced.credential);
    // Nothing else can be had for it: a second refusal is the last.
    if (basic === current?.header) throw denied(factsOf(asked));
    current = { header: basic, isSecret: true, staleAtMs: Number.POSITIVE_INFINITY };
  }

  /** Runs `answerNow` alone; callers that come meanwhile wait for its end, and begin again where it was given up. */
  async function single(isDone: () => boolean, asked: Asked, signal: AbortSignal): Promise<void> {
    while (!isDone()) {
      if (flight === undefined) {
        flight = answerNow(asked, signal).finally(() => {
          flight = undefined;
        });
        return flight;
      }
      await untilAborted(flight, signal).catch((error: unknown) => {
        const isOfAnother = isFetchError(error) && error.code === 'ERR_ABORTED' && !signal.aborted;
        if (!isOfAnother) throw error;
      });
    }
  }

  const isStale = (): boolean => current !== undefined && performance.now() >= current.staleAtMs;

  const factsOf = ({ challenge, scheme, what }: Asked, status?: number) => ({
    what,
    registry,
    isPlain: scheme === 'http',
    source: found?.sourced?.source,
    isPermission:
      status === 403 || (challenge?.scheme === 'bearer' && challenge.error === 'insufficient_scope'),
  });

  return {
    header,
    lastAsked: () => lastAsked,
    async renewIfStale(signal) {
      const asked = lastAsked;
      if (asked !== undefined && isStale()) await single(() => !isStale(), asked, signal);
    },
    async answer(asked, refused, signal) {
      const isReplaced = (): boolean => current !== undefined && current.header !== refused;
      await single(isReplaced, asked, signal);
    },
    denied: (asked, { status, cause }) => denied(factsOf(asked, status), cause),
  };
}

const MAX_MARGIN_MS = 10_000;

/** A request takes a while to arrive, and clocks do not run alike. */
function marginMs(lifetimeMs: number): number {
  return Math.min(MAX_MARGIN_MS, lifetimeMs / 4);
}
