/** From settings to what the engine takes. */

import type { EngineOptions } from '../engine.js';
import type { EventSink } from '../events.js';
import { parseResolve } from '../reference/resolve.js';
import type { CredentialSource } from './credential-source.js';
import { insecureFlags, type Settings } from './settings.js';

/** What one command may do of everything at once, and how long. */
export type EngineLimits = Pick<
  EngineOptions,
  | 'jobs'
  | 'connections'
  | 'connectionsPerHost'
  | 'retries'
  | 'limitRate'
  | 'timeoutMs'
  | 'stallTimeoutMs'
  | 'minFreeBytes'
>;

export function engineOptionsFrom(
  settings: Settings,
  onEvent?: EventSink,
  credentials?: CredentialSource,
  limits: EngineLimits = {},
): EngineOptions {
  return {
    ...limits,
    storeDir: settings.dir,
    workers: settings.workers,
    insecure: insecureFlags(settings.insecureOptions),
    resolve: settings.resolve.map(parseResolve),
    configDirs: [settings.systemConfig, settings.localConfig, settings.userConfig],
    trustDir: settings.trustDir,
    trustKeysFromHttps: settings.trustKeysFromHttps,
    onEvent,
    credentials,
  };
}
