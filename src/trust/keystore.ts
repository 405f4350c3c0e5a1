/** The trusted keys: files in the layout of rkt, below the configuration folders, the system's first. */

import type { Stats } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errnoOf, FetchError, isFetchError, storageError } from '../errors.js';
import { isAcIdentifier } from '../reference/name.js';
import { writeFileDurably } from '../store/files.js';
import { KEYS_MAX_BYTES, type PublicKeyFacts, readKeys } from './read-keys.js';

/** Configuration folders; what stands in a later one overrides what stands in an earlier one. */
export type ConfigDirs = readonly string[];

/** Names that a key is trusted for: a prefix, or undefined for every name. */
export type Prefix = string | undefined;

/** A file of the keystore: a key, or an empty one that takes back the trust of earlier ones in that key. */
export interface KeystoreEntry {
  readonly fingerprint: string;
  readonly prefix: Prefix;
  readonly path: string;
  /** The one of the configuration folders that it stands in. */
  readonly configDir: string;
  readonly kind: 'key' | 'disabled';
}

export interface TrustedKey extends PublicKeyFacts {
  readonly path: string;
  readonly prefix: Prefix;
}

/** A key file is some kilobytes. */
const MAX_FILES = 10_000;
/** NAME_MAX of the usual file systems. */
const MAX_ELEMENT_LENGTH = 255;
const FINGERPRINT = /^([0-9a-f]{40}|[0-9a-f]{64})$/;

/**
 * The keys that are trusted for an image of this name: those for every name, and those of its prefixes. A prefix
 * matches whole path elements. As in rkt the keys for every name come first, then those of prefixes, each from the
 * first folder to the last, and an empty file takes away what came before it.
 * @throws FetchError ERR_KEYSTORE_DAMAGED
 */
export async function keysFor(name: string, configDirs: ConfigDirs): Promise<TrustedKey[]> {
  const inEffect = await entriesInEffect(name, configDirs);
  return Promise.all(inEffect.filter(({ kind }) => kind === 'key').map(readTrustedKey));
}

/** The fingerprints that an empty file disables for images of this name. @throws FetchError ERR_KEYSTORE_DAMAGED */
export async function disabledFor(name: string, configDirs: ConfigDirs): Promise<Set<string>> {
  const inEffect = await entriesInEffect(name, configDirs);
  return new Set(inEffect.filter(({ kind }) => kind === 'disabled').map(({ fingerprint }) => fingerprint));
}

/** The last file of each key. */
async function entriesInEffect(name: string, configDirs: ConfigDirs): Promise<KeystoreEntry[]> {
  const last = new Map<string, KeystoreEntry>();
  for (const { configDir, prefix } of placesFor(name, configDirs)) {
    for (const entry of await entriesIn(configDir, prefix)) last.set(entry.fingerprint, entry);
  }
  return [...last.values()];
}

/** The file by which a key is trusted for `prefix`, if it is; `ofKey` are all the files of that key. */
export function entryInEffect(
  prefix: Prefix,
  ofKey: readonly KeystoreEntry[],
  configDirs: ConfigDirs,
): KeystoreEntry | undefined {
  const last = placesFor(prefix, configDirs)
    .flatMap((place) => entryAt(place, ofKey) ?? [])
    .at(-1);
  return last?.kind === 'key' ? last : undefined;
}

type Place = Pick<KeystoreEntry, 'configDir' | 'prefix'>;

function entryAt(place: Place, entries: readonly KeystoreEntry[]): KeystoreEntry | undefined {
  return entries.find(({ configDir, prefix }) => configDir === place.configDir && prefix === place.prefix);
}

/** The folders that say who is trusted for a name (undefined: for every name), later ones overriding earlier ones. */
function placesFor(name: string | undefined, configDirs: ConfigDirs): Place[] {
  const prefixes = name === undefined ? [] : prefixesOf(name);
  return [
    ...configDirs.map((configDir) => ({ configDir, prefix: undefined })),
    ...configDirs.flatMap((configDir) => prefixes.map((prefix) => ({ configDir, prefix }))),
  ];
}

/** `a`, `a/b`, `a/b/c`; up to the first element that a folder cannot be named by. */
export function prefixesOf(name: string): string[] {
  const elements = name.split('/');
  const odd = elements.findIndex((element) => !isPlainElement(element));
  const usable = elements.slice(0, odd === -1 ? elements.length : odd);
  return usable.map((_, at) => usable.slice(0, at + 1).join('/'));
}

function isPlainElement(element: string): boolean {
  const isDots = element === '.' || element === '..';
  const isName = element.length <= MAX_ELEMENT_LENGTH && /^[a-z0-9._~-]+$/.test(element);
  return isName && !isDots && !FINGERPRINT.test(element);
}

/** Every file of the keystore, those for every name first, in the order of the folders. */
export async function listKeys(configDirs: ConfigDirs): Promise<KeystoreEntry[]> {
  const entries: KeystoreEntry[] = [];
  for (const configDir of configDirs) entries.push(...(await entriesIn(configDir, undefined)));
  for (const configDir of configDirs) await addPrefixes(configDir, [], entries);
  return entries;
}

async function addPrefixes(
  configDir: string,
  above: readonly string[],
  entries: KeystoreEntry[],
): Promise<void> {
  if (above.length > 0) entries.push(...(await entriesIn(configDir, above.join('/'))));
  if (entries.length > MAX_FILES) throw damaged(configDir, `more than ${MAX_FILES} files`);
  for (const { name, isFolder } of await readFolder(join(folderOf(configDir, ''), ...above))) {
    if (isFolder && isPlainElement(name)) await addPrefixes(configDir, [...above, name], entries);
  }
}

/** The key in the file of `entry`, which must be the one that it is named by. @throws FetchError ERR_KEYSTORE_DAMAGED */
export async function readTrustedKey({ path, prefix }: KeystoreEntry): Promise<TrustedKey> {
  const bytes = await readBounded(path);
  const [key] = await readKeys(bytes).catch((cause: unknown) => {
    throw isFetchError(cause) ? damaged(path, cause.message, cause) : cause;
  });
  // rkt writes whole files here: the first key is the one that it trusts.
  if (key?.fingerprint !== basename(path)) throw damaged(path, `it holds the key ${key?.fingerprint}`);
  return { ...key, path, prefix };
}

/** Trusts a key, and replaces what is there of it. Returns the path of its file. @throws FetchError ERR_USAGE */
export async function addKey(
  key: Pick<PublicKeyFacts, 'fingerprint' | 'armored'>,
  prefix: Prefix,
  configDir: string,
): Promise<string> {
  const path = fileOf(configDir, prefix, key.fingerprint);
  await writeKeyFile(path, key.armored, configDir);
  return path;
}

export interface RemovedKey {
  /** Files that are gone. */
  readonly removed: readonly string[];
  /** Empty files that were written, because a folder that is not written to has the key. */
  readonly disabled: readonly string[];
  /** Files that still trust the key for what was asked: of later folders, of shorter prefixes, or for every name. */
  readonly remaining: readonly string[];
}

/**
 * Takes back the trust in a key for one prefix, for every name, or (`'everywhere'`) in all of its places. Only
 * `configDir`, one of `configDirs`, is written to: a key of an earlier one is disabled there by an empty file.
 * @throws FetchError ERR_USAGE
 */
export async function removeKey(
  fingerprint: string,
  place: { readonly prefix: Prefix } | 'everywhere',
  configDirs: ConfigDirs,
  configDir: string,
): Promise<RemovedKey> {
  const ofKey = async (): Promise<KeystoreEntry[]> =>
    (await listKeys(configDirs)).filter((entry) => entry.fingerprint === fingerprint);
  const entries = await ofKey();
  const prefixes = place === 'everywhere' ? new Set(entries.map(({ prefix }) => prefix)) : [place.prefix];
  const result = { removed: [] as string[], disabled: [] as string[] };
  for (const prefix of prefixes) {
    const there = entries.filter((entry) => entry.prefix === prefix);
    const own = configDirs.indexOf(configDir);
    const placeOf = (entry: KeystoreEntry): number => configDirs.indexOf(entry.configDir);
    const path = fileOf(configDir, prefix, fingerprint);
    const current = there.find((entry) => placeOf(entry) === own);
    // The last file before this folder says whether the key would still be trusted without it.
    const isTrustedBefore = there.filter((entry) => placeOf(entry) < own).at(-1)?.kind === 'key';
    if (isTrustedBefore && current?.kind !== 'disabled') {
      await writeKeyFile(path, '', configDir);
      result.disabled.push(path);
    } else if (!isTrustedBefore && current?.kind === 'key') {
      await removeFile(path);
      result.removed.push(path);
    }
  }
  const left = await ofKey();
  const remaining = [...prefixes].flatMap((prefix) => entryInEffect(prefix, left, configDirs)?.path ?? []);
  return { ...result, remaining: [...new Set(remaining)] };
}

async function entriesIn(configDir: string, prefix: Prefix): Promise<KeystoreEntry[]> {
  const folder = folderOf(configDir, prefix);
  const files = (await readFolder(folder)).filter(({ name, isFolder }) => !isFolder && !name.startsWith('.'));
  return Promise.all(
    files.map(async ({ name }): Promise<KeystoreEntry> => {
      const path = join(folder, name);
      if (!FINGERPRINT.test(name)) throw damaged(path, 'it is not named by a fingerprint in lower case');
      const isEmpty = (await sizeOf(path)) === 0;
      return { fingerprint: name, prefix, path, configDir, kind: isEmpty ? 'disabled' : 'key' };
    }),
  );
}

function fileOf(configDir: string, prefix: Prefix, fingerprint: string): string {
  if (!FINGERPRINT.test(fingerprint)) throw usage(`"${fingerprint}" is not a fingerprint`);
  if (prefix !== undefined) checkPrefix(prefix);
  return join(folderOf(configDir, prefix), fingerprint);
}

/** Whether a key can be trusted for just this: every element names a folder. */
export function isPrefix(text: string): boolean {
  return isAcIdentifier(text) && prefixesOf(text).at(-1) === text;
}

/** @throws FetchError ERR_USAGE for what no key can be trusted for */
export function checkPrefix(prefix: string): void {
  if (isPrefix(prefix)) return;
  // `example.com/foo/*`, `https://example.com/foo` and `example.com/foo/` mean this.
  const meant = prefix.replace(/^[a-z]+:\/\//, '').replace(/[/*]+$/, '');
  const hint =
    isAcIdentifier(meant) && meant !== prefix ? `for it and what is below it: ${meant}` : undefined;
  throw usage(`${JSON.stringify(prefix)} is not the beginning of an image name`, hint);
}

/** A fingerprint in lower case, of any spelling that gpg and others show it in. @throws FetchError ERR_USAGE */
export function parseFingerprint(text: string): string {
  const fingerprint = text.replaceAll(/\s/g, '').toLowerCase().replace(/^0x/, '');
  if (FINGERPRINT.test(fingerprint)) return fingerprint;
  throw usage(
    `${JSON.stringify(text)} is not a fingerprint`,
    'it has 40 hex digits: aci trust list shows them',
  );
}

function folderOf(configDir: string, prefix: Prefix): string {
  const keysDir = join(configDir, 'trustedkeys');
  return prefix === undefined ? join(keysDir, 'root.d') : join(keysDir, 'prefix.d', prefix);
}

/** What a folder has, sorted; nothing where there is none. Anything else that cannot be read is no missing trust. */
async function readFolder(path: string): Promise<{ name: string; isFolder: boolean }[]> {
  let names: string[];
  try {
    names = await readdir(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    if (errnoOf(error) === 'ENOTDIR') throw damaged(path, 'a folder should be there', error);
    throw storageError(error, `cannot read the trusted keys in ${path}`);
  }
  if (names.length > MAX_FILES) throw damaged(path, `more than ${MAX_FILES} files`);
  return Promise.all(
    names.sort().map(async (name) => ({ name, isFolder: (await factsOf(join(path, name))).isDirectory() })),
  );
}

async function readBounded(path: string): Promise<Buffer> {
  if ((await sizeOf(path)) > KEYS_MAX_BYTES) throw damaged(path, `more than ${KEYS_MAX_BYTES} bytes`);
  return readFile(path).catch((error: unknown) => {
    throw storageError(error, `cannot read the trusted key ${path}`);
  });
}

/** Of a plain file: anything else might never end, or never begin. */
async function sizeOf(path: string): Promise<number> {
  const facts = await factsOf(path);
  if (!facts.isFile()) throw damaged(path, 'it is not a plain file');
  return facts.size;
}

async function factsOf(path: string): Promise<Stats> {
  return stat(path).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') throw damaged(path, 'it leads nowhere', error);
    throw storageError(error, `cannot read the trusted key ${path}`);
  });
}

async function writeKeyFile(path: string, text: string, configDir: string): Promise<void> {
  const tempDir = join(configDir, 'trustedkeys');
  await mkdir(tempDir, { recursive: true }).catch((error: unknown) => {
    throw storageError(error, `cannot write ${path}`);
  });
  await writeFileDurably(path, text, tempDir);
}

async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true }).catch((error: unknown) => {
    throw storageError(error, `cannot remove ${path}`);
  });
}

function damaged(path: string, reason: string, cause?: unknown): FetchError {
  return new FetchError('ERR_KEYSTORE_DAMAGED', `the trusted key ${path} cannot be used: ${reason}`, {
    stage: 'verify',
    hint: 'a trusted key is a file named by its fingerprint; remove it, or put the key there again with: aci trust',
    cause,
  });
}

function usage(message: string, hint?: string): FetchError {
  return new FetchError('ERR_USAGE', message, { stage: 'usage', hint });
}
