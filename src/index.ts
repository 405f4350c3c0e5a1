/** The public interface of the library: every export by name, nothing else is public. */

export type { Credential, RegistryCredential, Sourced } from './auth/credentials.js';
export type { CredentialSource, CredentialSourceOptions } from './config/credential-source.js';
export { openCredentialSource } from './config/credential-source.js';
export type { EngineLimits } from './config/engine-options.js';
export { engineOptionsFrom } from './config/engine-options.js';
export type { Environment } from './config/env.js';
export { readEnvironment } from './config/env.js';
export { GLOBAL_OPTIONS, REQUIRE_SIGNATURE, SETTING_OPTIONS } from './config/global-options.js';
export type { OptionSpec, OptionValues, Origin, RawValues } from './config/options.js';
export { flagFromWord, resolveOptions } from './config/options.js';
export type {
  LoadedSettings,
  ResolvedSettings,
  SettingOrigins,
  Settings,
  SettingsInput,
} from './config/settings.js';
export { insecureFlags, loadSettings, resolveSettings } from './config/settings.js';
export type {
  Engine,
  EngineOptions,
  ExportTarget,
  ExtractOptions,
  ExtractReport,
  FetchAllOptions,
  PlanAllOptions,
} from './engine.js';
export { createEngine } from './engine.js';
export type { ErrorCode, FetchErrorOptions, Stage } from './errors.js';
export { causeLines, ERROR_CODES, FetchError, isFetchError } from './errors.js';
export type { BlobKind, EngineEvent, EventSink, EventSubject, WarningCode } from './events.js';
export { requestKey } from './events.js';
export type {
  FoundKey,
  KeyRequest,
  Keyring,
  KeyringOptions,
  ListedKey,
  TrustDirs,
  TrustPlace,
  UntrustedKey,
} from './fetch/keyring.js';
export { createKeyring } from './fetch/keyring.js';
export type { ListedImage } from './reference/image-list.js';
export { foldImages, IMAGE_LIST_MAX_BYTES, parseImageList } from './reference/image-list.js';
export { formatPlatform, parsePlatform } from './reference/platform.js';
export type { PublicKeyFacts, SubkeyFacts } from './trust/read-keys.js';
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
  PlannedBlob,
  PlannedImage,
  Platform,
  PullPolicy,
  ResolveOverride,
  StoredImage,
} from './types.js';
