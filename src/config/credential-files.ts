/** Credentials out of the `auth.d` of the configuration folders: rkt's kinds `auth` and `dockerAuth`. */

import { join } from 'node:path';
import {
  failField,
  fieldAt,
  isPresent,
  itemsOf,
  type JsonField,
  nonEmptyTextOf,
  textOf,
} from '../aci/json-fields.js';
import {
  type AwsCredential,
  type BasicCredential,
  type BearerCredential,
  type Credential,
  type Credentials,
  parseHost,
  parseRegistryHost,
  type Sourced,
} from '../auth/credentials.js';
import { type ConfigFile, type ConfigFolder, readConfigFiles } from './config-files.js';

export interface ReadCredentials {
  readonly credentials: Credentials;
  /** One line each: files that others can read, and files that this user cannot. */
  readonly warnings: readonly string[];
}

/**
 * A later folder wins over an earlier one, host by host. A folder that has credentials for a host twice is an error.
 * @param folders system, local, user
 * @throws FetchError ERR_CONFIG_INVALID, ERR_IO
 */
export async function readCredentialFiles(folders: readonly ConfigFolder[]): Promise<ReadCredentials> {
  const domains = new Map<string, Sourced<Credential>>();
  const registries = new Map<string, Sourced<BasicCredential>>();
  const warnings = new Set<string>();
  // Root's credentials in the folder of the machine are not for every user, who can still fetch what is public.
  const onForbidden = (path: string): void => void warnings.add(forbiddenWarning(path));
  for (const folder of folders) {
    const options = { kinds: ['auth', 'dockerAuth'], onForbidden };
    const files = await readConfigFiles(join(folder.path, 'auth.d'), options);
    const found = credentialsIn(files);
    for (const [host, sourced] of found.domains) domains.set(host, sourced);
    for (const [host, sourced] of found.registries) registries.set(host, sourced);
    for (const { path, mode } of files) {
      const warning = exposureWarning(path, mode);
      if (warning !== undefined) warnings.add(warning);
    }
  }
  return { credentials: { domains, registries }, warnings: [...warnings] };
}

/** For a file with credentials that group or others may read. */
export function exposureWarning(path: string, mode: number): string | undefined {
  if ((mode & 0o044) === 0) return undefined;
  return `${path}: other users can read these credentials (mode ${mode.toString(8).padStart(4, '0')}); chmod 600 it`;
}

/** For a file that this user may not read. */
export function forbiddenWarning(path: string): string {
  return `${path}: no permission to read it; its credentials are not used`;
}

interface Entry<T> extends Sourced<T> {
  /** The host as it is written. */
  readonly text: string;
}

/** The credentials of one `auth.d`. */
function credentialsIn(files: readonly ConfigFile[]): Credentials {
  const domains = new Map<string, Entry<Credential>>();
  const registries = new Map<string, Entry<BasicCredential>>();
  for (const { path, kind, document } of files) {
    if (kind === 'auth') addHosts(domains, fieldAt(document, 'domains'), parseHost, authOf(document), path);
    else {
      const credential = basicOf(fieldAt(document, 'credentials'));
      addHosts(registries, fieldAt(document, 'registries'), parseRegistryHost, credential, path);
    }
  }
  return { domains, registries };
}

function addHosts<T>(
  entries: Map<string, Entry<T>>,
  hosts: JsonField,
  parse: (text: string) => string | undefined,
  credential: T,
  source: string,
): void {
  if (!isPresent(hosts)) failField(hosts, 'is missing');
  const items = itemsOf(hosts);
  if (items.length === 0) failField(hosts, 'must not be empty');
  for (const item of items) {
    const text = nonEmptyTextOf(item);
    const host = parse(text) ?? failField(item, 'must be HOST or HOST:PORT');
    const other = entries.get(host);
    // One file may list several names of Docker Hub, but nothing twice.
    if (other !== undefined && (other.source !== source || other.text === text)) {
      failField(
        item,
        `has credentials in ${other.source === source ? 'this file already' : `${other.source} too`}`,
      );
    }
    entries.set(host, { credential, source, text });
  }
}

const AUTH_TYPES: Readonly<Record<string, (credentials: JsonField) => Credential>> = {
  basic: basicOf,
  oauth: bearerOf,
  aws: awsOf,
};

function authOf(document: JsonField): Credential {
  const type = fieldAt(document, 'type');
  const read = Object.hasOwn(AUTH_TYPES, nonEmptyTextOf(type)) ? AUTH_TYPES[textOf(type)] : undefined;
  if (read === undefined) return failField(type, `must be ${Object.keys(AUTH_TYPES).join(', ')}`);
  return read(fieldAt(document, 'credentials'));
}

function basicOf(credentials: JsonField): BasicCredential {
  const userField = fieldAt(credentials, 'user');
  const user = nonEmptyTextOf(userField);
  // It would end the name there (RFC 7617, 2).
  if (user.includes(':')) failField(userField, 'must not hold a colon');
  return { kind: 'basic', user, password: nonEmptyTextOf(fieldAt(credentials, 'password')) };
}

function bearerOf(credentials: JsonField): BearerCredential {
  return { kind: 'bearer', token: headerTextOf(fieldAt(credentials, 'token')) };
}

function awsOf(credentials: JsonField): AwsCredential {
  const region = fieldAt(credentials, 'awsRegion');
  const token = fieldAt(credentials, 'sessionToken');
  return {
    kind: 'aws',
    accessKeyId: headerTextOf(fieldAt(credentials, 'accessKeyID')),
    secretAccessKey: nonEmptyTextOf(fieldAt(credentials, 'secretAccessKey')),
    region: isPresent(region) && textOf(region) !== '' ? headerTextOf(region) : undefined,
    sessionToken: isPresent(token) && textOf(token) !== '' ? headerTextOf(token) : undefined,
  };
}

/** What goes into a header as it is. */
function headerTextOf(field: JsonField): string {
  const text = nonEmptyTextOf(field);
  return /^[\x21-\x7e]+$/.test(text) ? text : failField(field, 'must be printable ASCII without spaces');
}
