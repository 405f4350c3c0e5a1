/** The trusted keys, as library and command line have them: find, trust, list and take back. */

import { FetchError } from '../errors.js';
import { createLazyHttpClient } from '../http/lazy-client.js';
import { DEFAULT_HTTP_OPTIONS } from '../http/options.js';
import { DEFAULT_RETRIES } from '../http/retry.js';
import {
  addKey,
  checkPrefix,
  entryInEffect,
  type KeystoreEntry,
  listKeys,
  type Prefix,
  parseFingerprint,
  type RemovedKey,
  readTrustedKey,
  removeKey,
} from '../trust/keystore.js';
import type { PublicKeyFacts } from '../trust/read-keys.js';
import type { InsecureOptions, ResolveOverride } from '../types.js';
import type { DiscoveredKey, KeyAccess } from './public-keys.js';

export interface TrustDirs {
  /** Configuration folders whose `trustedkeys/` are read; later ones override earlier ones. Default: none. */
  readonly configDirs?: readonly string[] | undefined;
  /** The one of them that is written to. Default: none, and no trust can be given or taken back. */
  readonly trustDir?: string | undefined;
}

export interface KeyringOptions extends TrustDirs {
  /** Checks to leave out; `pubkey` and `tls` matter. Default: none. */
  readonly insecure?: Partial<InsecureOptions> | undefined;
  /** Connect to these addresses instead. Default: none. */
  readonly resolve?: readonly ResolveOverride[] | undefined;
  /** A body that brings nothing for this long is given up, and asked for again. Default 30,000. */
  readonly stallTimeoutMs?: number | undefined;
}

export interface KeyRequest {
  /** What the keys are for; where no locations are given, discovery is asked for it. */
  readonly prefix?: string | undefined;
  /** Files and URLs, each of one key or several. Default: what discovery has. */
  readonly locations?: readonly string[] | undefined;
  /** Plain HTTP is allowed for them. Default: as `insecure.pubkey` of the options. */
  readonly insecureHttp?: boolean | undefined;
}

export interface FoundKey {
  /** The file or URL that it is from. */
  readonly location: string;
  readonly key: PublicKeyFacts;
  /** By discovery over HTTPS all the way, with checked certificates: what `--trust-keys-from-https` is about. */
  readonly isFromHttpsDiscovery: boolean;
}

/** The image names that a key is for: one with those below it, or all. */
export type TrustPlace = { readonly prefix: string } | { readonly root: true };

/** What the keystore says of one key at one place. */
export interface ListedKey {
  readonly fingerprint: string;
  /** Absent for a key that is for every name. */
  readonly prefix?: string | undefined;
  /** `disabled`: by an empty file. `unusable`: trusted, but no signature by it is good, see `key.problem`. */
  readonly status: 'trusted' | 'disabled' | 'unusable';
  /** The file that decides at this place. */
  readonly path: string;
  /** Absent where there is nothing but the empty file. */
  readonly key?: PublicKeyFacts | undefined;
}

export interface UntrustedKey extends RemovedKey {
  /** As the keystore has it: in lower case, without spaces. */
  readonly fingerprint: string;
}

export interface Keyring {
  /** Keys to review; each is there once, and nothing is trusted by it. */
  findKeys(request: KeyRequest, signal?: AbortSignal): Promise<FoundKey[]>;
  /** Trusts a key that can sign, and resolves to the path of its file. Rejects with ERR_KEY_INVALID for others. */
  trustKey(key: PublicKeyFacts, place: TrustPlace): Promise<string>;
  /** Those for every name first. Rejects with ERR_KEYSTORE_DAMAGED for a file that is not what its name says. */
  listTrustedKeys(): Promise<ListedKey[]>;
  /**
   * Takes the trust in a key back, at one place or at all. Rejects with ERR_NOT_FOUND where it is not trusted; it may
   * still be by files of later folders, of shorter prefixes or for every name, which are not changed.
   */
  untrustKey(fingerprint: string, place?: TrustPlace): Promise<UntrustedKey>;
}

/** Needs no store. `closing` ends what is under way. */
export function createKeyring(options: KeyringOptions, closing?: AbortSignal): Keyring {
  const { configDirs = [], trustDir } = options;
  const isListed = trustDir === undefined || configDirs.includes(trustDir);
  const folders = isListed ? configDirs : [...configDirs, trustDir];

  function writable(): string {
    if (trustDir === undefined) throw usage('trustDir: no folder for trusted keys was given');
    return trustDir;
  }

  return {
    async findKeys({ prefix, locations, insecureHttp = options.insecure?.pubkey ?? false }, signal) {
      if (prefix !== undefined) checkPrefix(prefix);
      const signals = [signal, closing].filter((one) => one !== undefined);
      const found = await withAccess(options, insecureHttp, async (access) => {
        if (locations !== undefined) return readAll(access, locations, AbortSignal.any(signals));
        if (prefix === undefined) throw usage('neither a prefix nor a location of keys was given');
        const { discoverPublicKeys } = await import('./public-keys.js');
        const discovered = await discoverPublicKeys(access, prefix, AbortSignal.any(signals));
        return discovered.map(foundByDiscovery);
      });
      return onceEach(found);
    },
    async trustKey(key, place) {
      if (key.problem !== undefined) {
        const message = `the key ${key.fingerprint} is not fit to verify anything: ${key.problem}`;
        throw new FetchError('ERR_KEY_INVALID', message, { stage: 'verify' });
      }
      return addKey(key, prefixOf(place), writable());
    },
    async listTrustedKeys() {
      const entries = await listKeys(folders);
      const ofKey = groupsOf(entries, ({ fingerprint }) => fingerprint);
      const places = groupsOf(entries, ({ prefix, fingerprint }) => `${prefix ?? ''} ${fingerprint}`);
      const keys: ListedKey[] = [];
      for (const there of places.values()) {
        const [{ fingerprint }] = there;
        keys.push(await listed(there, ofKey.get(fingerprint) ?? there, folders));
      }
      return keys;
    },
    async untrustKey(text, place) {
      if (place !== undefined && 'prefix' in place) checkPrefix(place.prefix);
      const fingerprint = parseFingerprint(text);
      const where = place === undefined ? 'everywhere' : { prefix: prefixOf(place) };
      const result = await removeKey(fingerprint, where, folders, writable());
      const { removed, disabled, remaining } = result;
      if (removed.length + disabled.length + remaining.length === 0) throw notTrusted(fingerprint, place);
      return { fingerprint, ...result };
    },
  };
}

type Group<T> = readonly [T, ...T[]];

function groupsOf<T>(items: readonly T[], nameOf: (item: T) => string): Map<string, Group<T>> {
  const groups = new Map<string, [T, ...T[]]>();
  for (const item of items) {
    const group = groups.get(nameOf(item));
    if (group === undefined) groups.set(nameOf(item), [item]);
    else group.push(item);
  }
  return groups;
}

/** `there`: the files of one key at one place, in the order of the folders; `ofKey`: those of all places. */
async function listed(
  there: Group<KeystoreEntry>,
  ofKey: readonly KeystoreEntry[],
  folders: readonly string[],
): Promise<ListedKey> {
  const last = there.at(-1) ?? there[0];
  const file = there.findLast(({ kind }) => kind === 'key');
  const key = file === undefined ? undefined : await readTrustedKey(file);
  const { fingerprint, prefix, path } = last;
  const isTrusted = entryInEffect(prefix, ofKey, folders) !== undefined;
  const status = !isTrusted ? 'disabled' : key?.problem === undefined ? 'trusted' : 'unusable';
  return { fingerprint, prefix, status, path, key };
}

async function withAccess<T>(
  options: KeyringOptions,
  insecureHttp: boolean,
  use: (access: KeyAccess) => Promise<T>,
): Promise<T> {
  const { insecure, resolve = [], stallTimeoutMs = DEFAULT_HTTP_OPTIONS.stallTimeoutMs } = options;
  const insecureTls = insecure?.tls ?? false;
  const http = createLazyHttpClient({
    ...DEFAULT_HTTP_OPTIONS,
    ...{ insecureHttp, insecureTls, resolve, stallTimeoutMs },
  });
  try {
    return await use({ http, insecureHttp, retries: DEFAULT_RETRIES });
  } finally {
    await http.close();
  }
}

async function readAll(
  access: KeyAccess,
  locations: readonly string[],
  signal: AbortSignal,
): Promise<FoundKey[]> {
  const { readPublicKeysFrom } = await import('./public-keys.js');
  const found: FoundKey[] = [];
  for (const location of locations) {
    const keys = await readPublicKeysFrom(access, location, signal);
    found.push(...keys.map((key) => ({ location, key, isFromHttpsDiscovery: false })));
  }
  return found;
}

function foundByDiscovery({ location, key, isAuthenticated }: DiscoveredKey): FoundKey {
  return { location, key, isFromHttpsDiscovery: isAuthenticated };
}

function onceEach(found: readonly FoundKey[]): FoundKey[] {
  return [...groupsOf(found, ({ key }) => key.fingerprint).values()].map(([first]) => first);
}

function prefixOf(place: TrustPlace): Prefix {
  return 'prefix' in place ? place.prefix : undefined;
}

function notTrusted(fingerprint: string, place: TrustPlace | undefined): FetchError {
  const where = place === undefined ? '' : 'prefix' in place ? ` for ${place.prefix}` : ' for every name';
  return new FetchError('ERR_NOT_FOUND', `the key ${fingerprint} is not trusted${where}`, {
    stage: 'store',
    hint: 'aci trust list shows the trusted keys',
  });
}

function usage(message: string): FetchError {
  return new FetchError('ERR_USAGE', message, { stage: 'usage' });
}
