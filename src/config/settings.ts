/** Global settings: flags, environment and files merged once into a complete, readonly whole. */

import { join, resolve } from 'node:path';
import { FetchError, isFetchError } from '../errors.js';
import { parseResolve } from '../reference/resolve.js';
import type { InsecureOptions } from '../types.js';
import type { Environment } from './env.js';
import { GLOBAL_OPTIONS } from './global-options.js';
import { type FileLayer, type OptionValues, type Origin, type RawValues, resolveOptions } from './options.js';

type GlobalValues = OptionValues<typeof GLOBAL_OPTIONS>;

/** The value of every global option; folders are absolute. */
export type Settings = { readonly [K in keyof GlobalValues]: NonNullable<GlobalValues[K]> };

export type SettingOrigins = Readonly<Record<keyof Settings, Origin>>;

export interface SettingsInput {
  /** Values of the flags that were given, by option key. */
  readonly flags: RawValues;
  readonly environment: Environment;
  /** Configuration files, the winning one first. Default: none. */
  readonly files?: readonly FileLayer[] | undefined;
}

export interface ResolvedSettings {
  readonly settings: Settings;
  readonly origins: SettingOrigins;
}

/**
 * Order: flag, environment, user, local, system configuration, default. Throws ERR_USAGE that names the
 * option for a value it cannot have.
 */
export function resolveSettings({ flags, environment, files }: SettingsInput): ResolvedSettings {
  const { variables, workingDirectory } = environment;
  const { values, origins } = resolveOptions(GLOBAL_OPTIONS, { flags, variables, files });
  const folders = defaultFolders(environment);
  const absolute = (path: string) => resolve(workingDirectory, path);
  for (const override of values.resolve) checkOverride(override);
  const settings: Settings = {
    ...values,
    dir: absolute(values.dir ?? folders.dir),
    systemConfig: absolute(values.systemConfig ?? folders.systemConfig),
    localConfig: absolute(values.localConfig ?? folders.localConfig),
    userConfig: absolute(values.userConfig ?? folders.userConfig),
    workers: values.workers ?? environment.usableCores,
  };
  return { settings, origins };
}

function checkOverride(text: string): void {
  try {
    parseResolve(text);
  } catch (cause) {
    if (!isFetchError(cause)) throw cause;
    const { hint } = cause;
    throw new FetchError('ERR_USAGE', `--resolve: ${cause.message}`, { stage: 'usage', hint, cause });
  }
}

interface Folders {
  readonly dir: string;
  readonly systemConfig: string;
  readonly localConfig: string;
  readonly userConfig: string;
}

function defaultFolders({ variables, home, isRoot }: Environment): Folders {
  const data = xdgFolder(variables['XDG_DATA_HOME'], join(home, '.local', 'share'));
  const config = xdgFolder(variables['XDG_CONFIG_HOME'], join(home, '.config'));
  return {
    dir: isRoot ? '/var/lib/aci' : join(data, 'aci'),
    systemConfig: '/usr/lib/rkt',
    localConfig: '/etc/rkt',
    userConfig: join(config, 'aci'),
  };
}

/** A relative path in these variables is to be ignored (XDG Base Directory Specification). */
function xdgFolder(value: string | undefined, fallback: string): string {
  return value?.startsWith('/') ? value : fallback;
}

/** The checks that a list of `--insecure-options` switches off; rkt's run-time words have no effect. */
export function insecureFlags(words: readonly string[]): InsecureOptions {
  const all = words.includes('all') || words.includes('all-fetch');
  return {
    http: all || words.includes('http'),
    image: all || words.includes('image'),
    tls: all || words.includes('tls'),
    pubkey: all || words.includes('pubkey'),
  };
}
