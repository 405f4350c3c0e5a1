/** From settings to what the engine takes. */

import type { EngineOptions } from '../engine.js';
import type { EventSink } from '../events.js';
import { parseResolve } from '../reference/resolve.js';
import type { CredentialSource } from './credential-source.js';
import { insecureFlags, type Settings } from './settings.js';

export function engineOptionsFrom(
  settings: Settings,
  onEvent?: EventSink,
  credentials?: CredentialSource,
): EngineOptions {
  return {
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
