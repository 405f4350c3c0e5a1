/** The public interface of the library: every export by name, nothing else is public. */

export { engineOptionsFrom } from './config/engine-options.js';
export type { Environment } from './config/env.js';
export { readEnvironment } from './config/env.js';
export { GLOBAL_OPTIONS } from './config/global-options.js';
export type { OptionSpec, OptionValues, Origin, RawValues } from './config/options.js';
export { flagFromWord, resolveOptions } from './config/options.js';
export type { ResolvedSettings, SettingOrigins, Settings, SettingsInput } from './config/settings.js';
export { insecureFlags, resolveSettings } from './config/settings.js';
export type {
  Engine,
  EngineOptions,
  ExportTarget,
  ExtractOptions,
  ExtractReport,
  FetchAllOptions,
} from './engine.js';
export { createEngine } from './engine.js';
export type { ErrorCode, FetchErrorOptions, Stage } from './errors.js';
export { causeLines, ERROR_CODES, FetchError, isFetchError } from './errors.js';
export type { BlobKind, EngineEvent, EventSink, WarningCode } from './events.js';
export { parsePlatform } from './reference/platform.js';
export type {
  Digest,
  FailedImage,
  FetchedImage,
  FetchOutcome,
  FetchRequest,
  ImageFailure,
  ImageId,
  InsecureOptions,
  Labels,
  Platform,
  PullPolicy,
  ResolveOverride,
  StoredImage,
} from './types.js';
