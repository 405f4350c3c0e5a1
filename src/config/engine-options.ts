/** From settings to what the engine takes. */

import type { EngineOptions } from '../engine.js';
import type { EventSink } from '../events.js';
import { parseResolve } from '../reference/resolve.js';
import { insecureFlags, type Settings } from './settings.js';

export function engineOptionsFrom(settings: Settings, onEvent?: EventSink): EngineOptions {
  return {
    storeDir: settings.dir,
    workers: settings.workers,
    insecure: insecureFlags(settings.insecureOptions),
    resolve: settings.resolve.map(parseResolve),
    onEvent,
  };
}
