/** How names, platforms, users, volumes and ports of Docker become those of an appc image manifest. */

import { posix } from 'node:path';
import { quoteForMessage } from '../aci/json-fields.js';
import type { AciMountPoint, AciPort } from '../aci/manifest.js';
import { FetchError } from '../errors.js';
import type { ImageNaming, Platform } from '../types.js';

/** ERR_MANIFEST_INVALID about a field of an image config; `path` is empty for the config as a whole. */
export function configError(path: string, problem: string, cause?: unknown): FetchError {
  const subject = path === '' ? 'the image config' : `image config: ${path}`;
  return new FetchError('ERR_MANIFEST_INVALID', `${subject} ${problem}`, { stage: 'convert', cause });
}

/** The AC identifier nearest to `text`, or undefined where it has no letter or digit of ASCII. */
export function sanitizeAcIdentifier(text: string): string | undefined {
  return betweenAlphanumerics(text.toLowerCase().replace(/[^a-z0-9._~/-]/gu, '_'));
}

/** The AC name nearest to `text`, or undefined where it has no letter or digit of ASCII. */
export function sanitizeAcName(text: string): string | undefined {
  return betweenAlphanumerics(text.toLowerCase().replace(/[^a-z0-9-]/gu, '-'));
}

// Not a pattern that ends in `-+$`: on a long run of separators it would take quadratic time.
function betweenAlphanumerics(text: string): string | undefined {
  let end = text.length;
  while (end > 0 && !/[a-z0-9]/.test(text.charAt(end - 1))) end -= 1;
  let start = 0;
  while (start < end && !/[a-z0-9]/.test(text.charAt(start))) start += 1;
  return start === end ? undefined : text.slice(start, end);
}

/** Registry and repository as the name of an ACI: `127.0.0.1:5000` and `test` become `127.0.0.1_5000/test`. */
export function aciNameOf({ registry, repository }: Pick<ImageNaming, 'registry' | 'repository'>): string {
  const name = sanitizeAcIdentifier(registry === undefined ? repository : `${registry}/${repository}`);
  if (name === undefined) throw configError('', 'belongs to an image without a letter or digit in its name');
  return name;
}

const APPC_ARCHS: ReadonlyMap<string, string> = new Map([
  ['linux/amd64', 'amd64'],
  ['linux/386', 'i386'],
  ['linux/arm64', 'aarch64'],
  ['linux/arm', 'armv6l'],
  ['linux/arm/v5', 'armv6l'],
  ['linux/arm/v6', 'armv6l'],
  ['linux/arm/v7', 'armv7l'],
  ['linux/ppc64', 'ppc64'],
  ['linux/ppc64le', 'ppc64le'],
  ['linux/s390x', 's390x'],
  ['freebsd/amd64', 'amd64'],
  ['freebsd/386', 'i386'],
  ['freebsd/arm', 'arm'],
  ['freebsd/arm/v5', 'arm'],
  ['freebsd/arm/v6', 'arm'],
  ['freebsd/arm/v7', 'arm'],
  ['darwin/amd64', 'x86_64'],
  ['darwin/386', 'i386'],
]);

/**
 * The labels `os` and `arch` for a platform (schema/types/labels.go). Only `arm` has words for its variants;
 * those of other architectures (`arm64/v8`, `amd64/v3`) are left out. rkt takes a platform it does not know
 * for that of its own host; here it is an error.
 */
export function appcPlatformOf(platform: Platform): { readonly os: string; readonly arch: string } {
  const { os, architecture, variant } = platform;
  const suffix = architecture === 'arm' && variant ? `/${variant.startsWith('v') ? '' : 'v'}${variant}` : '';
  const arch = APPC_ARCHS.get(`${os}/${architecture}${suffix}`);
  if (arch === undefined) {
    const name = quoteForMessage(`${os}/${architecture}${suffix}`);
    throw configError('architecture', `(with os and variant) ${name} is a platform that ACIs cannot name`);
  }
  return { os, arch };
}

/**
 * | User        | user | group  |
 * |-------------|------|--------|
 * | (empty)     | 0    | 0      |
 * | 1000        | 1000 | 1000   |
 * | app:appgrp  | app  | appgrp |
 * | a:b:c       | a    | b      |
 * | :5, app:    | refused       |
 *
 * Nothing is looked up in the image, as rkt has it.
 */
export function userAndGroupOf(user: string): { readonly user: string; readonly group: string } {
  if (user === '') return { user: '0', group: '0' };
  const [name = '', group = name] = user.split(':');
  if (name === '') throw configError('config.User', `${quoteForMessage(user)} names no user`);
  if (group === '') throw configError('config.User', `${quoteForMessage(user)} names no group after ":"`);
  return { user: name, group };
}

/**
 * Mount points for the paths of `Volumes`, sorted by name. Paths whose names would be the same are told apart by
 * a number (`-1`, `-2`, …) given in the order of the paths and never one that another path has by itself, so
 * the result depends on nothing but the set of paths.
 */
export function mountPointsOf(paths: readonly string[]): readonly AciMountPoint[] {
  return withUniqueNames(paths, (path) => {
    const field = `config.Volumes[${quoteForMessage(path)}]`;
    if (path === '') throw configError(field, 'is an empty path');
    const name = sanitizeAcName(posix.join('volume', path));
    if (name === undefined) throw configError(field, 'gives no name for a mount point');
    return { name, path };
  });
}

/** Ports for the keys of `ExposedPorts` (`8080/tcp`, `53/udp`, `9000`), sorted by name; names as for volumes. */
export function portsOf(keys: readonly string[]): readonly AciPort[] {
  return withUniqueNames(keys, (key) => {
    const field = `config.ExposedPorts[${quoteForMessage(key)}]`;
    const [digits = '', protocol] = key.split('/');
    const port = /^[0-9]+$/.test(digits) ? Number(digits) : 0;
    if (port < 1 || port > 65_535) throw configError(field, 'must be a port from 1 to 65535');
    const name = sanitizeAcName(key) ?? digits;
    return { name, protocol: protocol || 'tcp', port, count: 1, socketActivated: false };
  });
}

function withUniqueNames<Item extends { readonly name: string }>(
  keys: readonly string[],
  convert: (key: string) => Item,
): readonly Item[] {
  const items = keys.toSorted(compareText).map(convert);
  const taken = new Set(items.map(({ name }) => name));
  const seen = new Set<string>();
  const lastSuffix = new Map<string, number>();
  const renamed = items.map((item) => {
    if (!seen.has(item.name)) {
      seen.add(item.name);
      return item;
    }
    let suffix = (lastSuffix.get(item.name) ?? 0) + 1;
    while (taken.has(`${item.name}-${suffix}`)) suffix += 1;
    lastSuffix.set(item.name, suffix);
    const name = `${item.name}-${suffix}`;
    taken.add(name);
    return { ...item, name };
  });
  return renamed.toSorted((a, b) => compareText(a.name, b.name));
}

/** By code units: independent of the locale. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
