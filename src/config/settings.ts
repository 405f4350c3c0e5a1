/** Global settings: flags, environment and files merged once into a complete, readonly whole. */

import { join, resolve } from 'node:path';
import { FetchError, isFetchError } from '../errors.js';
import { parseResolve } from '../reference/resolve.js';
import type { InsecureOptions } from '../types.js';
import type { ConfigFolder } from './config-files.js';
import { type Environment, xdgFolder } from './env.js';
import { SETTING_OPTIONS } from './global-options.js';
import { type FileLayer, type OptionValues, type Origin, type RawValues, resolveOptions } from './options.js';
import { readSettingFiles } from './setting-files.js';

type SettingValues = OptionValues<typeof SETTING_OPTIONS>;

/** The value of everything that configuration decides; folders are absolute. */
export type Settings = ConfiguredSettings & {
  /** The configuration that trusted keys are written to: the local one as root, else the user's. */
  readonly trustDir: string;
};

type ConfiguredSettings = { readonly [K in keyof SettingValues]: NonNullable<SettingValues[K]> };

export type SettingOrigins = Readonly<Record<keyof ConfiguredSettings, Origin>>;

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
  /** The configuration files of the settings that came out of one. */
  readonly files: Readonly<Partial<Record<keyof ConfiguredSettings, string>>>;
}

export interface LoadedSettings extends ResolvedSettings {
  /** What all configuration files hold, the winning one first. */
  readonly layers: readonly FileLayer[];
}

/**
 * {@link resolveSettings} with the files of the configuration folders, which flags and environment name. Throws
 * ERR_USAGE, ERR_CONFIG_INVALID that names file and field, ERR_PERMISSION and ERR_IO.
 */
export async function loadSettings(input: Omit<SettingsInput, 'files'>): Promise<LoadedSettings> {
  const layers = await readSettingFiles(configFolders(resolveSettings(input).settings));
  return { ...resolveSettings({ ...input, files: layers }), layers };
}

/** In the order in which they are read: each wins over those before it. */
export function configFolders(
  settings: Pick<Settings, 'systemConfig' | 'localConfig' | 'userConfig'>,
): readonly ConfigFolder[] {
  return [
    { origin: 'system', path: settings.systemConfig },
    { origin: 'local', path: settings.localConfig },
    { origin: 'user', path: settings.userConfig },
  ];
}

/**
 * Order: flag, environment, user, local, system configuration, default. Throws ERR_USAGE that names the
 * option for a value it cannot have.
 */
export function resolveSettings({ flags, environment, files: layers }: SettingsInput): ResolvedSettings {
  const { variables, workingDirectory } = environment;
  const resolved = resolveOptions(SETTING_OPTIONS, { flags, variables, files: layers });
  const { values, origins, files } = resolved;
  const folders = defaultFolders(environment);
  const absolute = (path: string) => resolve(workingDirectory, path);
  for (const override of values.resolve) checkOverride(override);
  const settings: ConfiguredSettings = {
    ...values,
    dir: absolute(values.dir ?? folders.dir),
    systemConfig: absolute(values.systemConfig ?? folders.systemConfig),
    localConfig: absolute(values.localConfig ?? folders.localConfig),
    userConfig: absolute(values.userConfig ?? folders.userConfig),
    workers: values.workers ?? environment.usableCores,
  };
  const trustDir = environment.isRoot ? settings.localConfig : settings.userConfig;
  return { settings: { ...settings, trustDir }, origins, files };
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
