/** What the credential files of Docker and Podman (`config.json`, `auth.json`) have for a repository. */

import {
  entriesOf,
  failField,
  fieldAt,
  isPresent,
  type JsonField,
  nonEmptyTextOf,
  textOrEmpty,
} from '../aci/json-fields.js';
import { parseRegistryHost, type RegistryCredential } from '../auth/credentials.js';
import { HUB_REGISTRY } from '../reference/docker.js';

/** A credential, or the program that knows it. */
export type DockerAuth =
  | { readonly kind: 'credential'; readonly credential: RegistryCredential }
  | { readonly kind: 'helper'; readonly helper: DockerHelper };

export interface DockerHelper {
  /** `docker-credential-NAME` is the program. */
  readonly name: string;
  /** What it is asked about. */
  readonly server: string;
}

/** Docker Hub, as `docker login` has named it ever since. */
const HUB_SERVER = 'https://index.docker.io/v1/';
const HELPER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
/** Stands for the user where the password is a refresh token. */
export const TOKEN_USER = '<token>';

/**
 * In the order of Docker: the helper for the registry, the entry of `auths` with the longest path, the helper for all.
 * Only what is of this repository is checked. Throws what the document rejects with.
 * @param registry `HOST[:PORT]`, as a reference has it
 */
export function findDockerAuth(
  document: JsonField,
  registry: string,
  repository: string,
): DockerAuth | undefined {
  const host = parseRegistryHost(registry);
  if (host === undefined) return undefined;
  const helper = entriesOf(fieldAt(document, 'credHelpers')).find(([key]) => keyOf(key) === host);
  if (helper !== undefined) return helperOf(helper[1], host);
  const credential = storedCredential(fieldAt(document, 'auths'), host, repository);
  if (credential !== undefined) return { kind: 'credential', credential };
  const store = fieldAt(document, 'credsStore');
  return textOrEmpty(store) === '' ? undefined : helperOf(store, host);
}

function storedCredential(auths: JsonField, host: string, repository: string) {
  const entries = entriesOf(auths);
  for (const wanted of scopesOf(host, repository)) {
    for (const [key, entry] of entries) {
      const credential = keyOf(key) === wanted ? credentialOf(entry) : undefined;
      if (credential !== undefined) return credential;
    }
  }
  return undefined;
}

/** `host/a/b`, `host/a`, `host`. */
function scopesOf(host: string, repository: string): string[] {
  const parts = [host, ...repository.split('/')];
  return parts.map((_, index) => parts.slice(0, parts.length - index).join('/'));
}

/** The host and path that a key is for: programs have written it as a host, as a host with a path, and as a URL. */
function keyOf(key: string): string | undefined {
  const [host = '', ...path] = key
    .replace(/^https?:\/\//, '')
    .replace(/\/(?:v[12]\/?)?$/, '')
    .split('/');
  const known = parseRegistryHost(host);
  return known === undefined ? undefined : [known, ...path].join('/');
}

function helperOf(field: JsonField, host: string): DockerAuth | undefined {
  const name = textOrEmpty(field);
  if (name === '') return undefined;
  if (!HELPER_NAME.test(name)) failField(field, 'must be the name of a docker-credential program');
  return { kind: 'helper', helper: { name, server: host === HUB_REGISTRY ? HUB_SERVER : host } };
}

/** Undefined for an entry that holds nothing, which Docker leaves where a helper has it. */
function credentialOf(entry: JsonField): RegistryCredential | undefined {
  const auth = fieldAt(entry, 'auth');
  const { user, password } = textOrEmpty(auth) === '' ? namedPair(entry) : decodedPair(auth);
  const identity = textOrEmpty(fieldAt(entry, 'identitytoken'));
  if (identity !== '') return identityOf(user, identity);
  return user === '' || password === '' ? undefined : { kind: 'basic', user, password };
}

/** A refresh token, and the user that stands beside it, if any. */
export function identityOf(user: string, refreshToken: string): RegistryCredential {
  return { kind: 'identity', refreshToken, user: user === TOKEN_USER ? '' : user };
}

function namedPair(entry: JsonField) {
  const user = textOrEmpty(fieldAt(entry, 'username'));
  return { user, password: user === '' ? '' : textOrEmpty(fieldAt(entry, 'password')) };
}

function decodedPair(auth: JsonField) {
  const text = nonEmptyTextOf(auth);
  const pair = /^[A-Za-z0-9+/]+=*$/.test(text) ? Buffer.from(text, 'base64').toString('utf8') : '';
  const colon = pair.indexOf(':');
  if (colon <= 0) failField(auth, 'must be USER:PASSWORD in base64');
  // Docker once padded it.
  return { user: pair.slice(0, colon), password: pair.slice(colon + 1).replace(/\0+$/, '') };
}

/** Whether the file itself holds something that others should not read. */
export function holdsSecrets(document: JsonField): boolean {
  return entriesOf(fieldAt(document, 'auths')).some(([, entry]) =>
    ['auth', 'password', 'identitytoken'].some((key) => isPresent(fieldAt(entry, key))),
  );
}
