/** Credentials as plain data that can cross threads, and which of them belong to a URL or a registry. */

import { HUB_NAMES, HUB_REGISTRY } from '../reference/docker.js';

export interface BasicCredential {
  readonly kind: 'basic';
  readonly user: string;
  readonly password: string;
}

export interface BearerCredential {
  readonly kind: 'bearer';
  readonly token: string;
}

/** For AWS Signature Version 4, service S3. */
export interface AwsCredential {
  readonly kind: 'aws';
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Default: guessed from the host. */
  readonly region?: string | undefined;
  /** Of temporary credentials. */
  readonly sessionToken?: string | undefined;
}

/** An OAuth2 refresh token, Docker's `identitytoken`: good for tokens of the registry's token service only. */
export interface IdentityCredential {
  readonly kind: 'identity';
  readonly refreshToken: string;
  /** Stands beside the token where the registry wants one; empty otherwise. */
  readonly user: string;
}

/** What goes with a request for a URL. */
export type Credential = BasicCredential | BearerCredential | AwsCredential;

/** What answers the challenge of a registry. */
export type RegistryCredential = BasicCredential | IdentityCredential;

export interface Sourced<T> {
  readonly credential: T;
  /** The file that it comes from, for messages. */
  readonly source: string;
}

/** Looks for the credential of one registry. */
export type CredentialLookup = (signal: AbortSignal) => Promise<Sourced<RegistryCredential> | undefined>;

/** Credentials by the hosts that they are for. */
export interface Credentials {
  /** `HOST[:PORT]` as {@link parseHost} writes it. */
  readonly domains: ReadonlyMap<string, Sourced<Credential>>;
  /** The same; every name of Docker Hub is `registry-1.docker.io`. */
  readonly registries: ReadonlyMap<string, Sourced<BasicCredential>>;
}

export const NO_CREDENTIALS: Credentials = { domains: new Map(), registries: new Map() };

/**
 * The credential for a URL: it is https, and host and port are exactly those of a domain. A domain without a port
 * means port 443.
 */
export function credentialForUrl({ domains }: Credentials, text: string): Sourced<Credential> | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url?.protocol === 'https:' ? domains.get(url.host) : undefined;
}

/** The credential for a registry, `HOST[:PORT]`. */
export function credentialForRegistry(
  { registries }: Credentials,
  registry: string,
): Sourced<BasicCredential> | undefined {
  const host = parseRegistryHost(registry);
  return host === undefined ? undefined : registries.get(host);
}

/** `HOST[:PORT]` as URLs have it: lower case, without the port 443; undefined for anything else. */
export function parseHost(text: string): string | undefined {
  const url = `https://${text}`;
  if (!/^[^\s/?#@\\]+$/.test(text) || !URL.canParse(url)) return undefined;
  return new URL(url).host;
}

/** As {@link parseHost}, with one name for Docker Hub. */
export function parseRegistryHost(text: string): string | undefined {
  const host = parseHost(text);
  return host !== undefined && HUB_NAMES.has(host) ? HUB_REGISTRY : host;
}
