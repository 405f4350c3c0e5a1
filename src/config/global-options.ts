/** The tables of settings: what hoisting, environment variables, files, checks, help and docs are made from. */

import type { OptionSpec } from './options.js';

export const GLOBAL_OPTIONS = [
  {
    key: 'dir',
    name: '--dir',
    env: 'ACI_DIR',
    kind: 'string',
    placeholder: 'DIR',
    description: 'the store',
    defaultText: '/var/lib/aci as root, else $XDG_DATA_HOME/aci',
  },
  {
    key: 'systemConfig',
    name: '--system-config',
    env: 'ACI_SYSTEM_CONFIG',
    kind: 'string',
    placeholder: 'DIR',
    description: 'configuration and trusted keys of the distribution',
    defaultText: '/usr/lib/rkt',
  },
  {
    key: 'localConfig',
    name: '--local-config',
    env: 'ACI_LOCAL_CONFIG',
    kind: 'string',
    placeholder: 'DIR',
    description: 'configuration and trusted keys of this machine; overrides those of the system',
    defaultText: '/etc/rkt',
  },
  {
    key: 'userConfig',
    name: '--user-config',
    env: 'ACI_USER_CONFIG',
    kind: 'string',
    placeholder: 'DIR',
    description: 'configuration and trusted keys of the user; overrides those of the machine',
    defaultText: '$XDG_CONFIG_HOME/aci',
  },
  {
    key: 'insecureOptions',
    name: '--insecure-options',
    env: 'ACI_INSECURE_OPTIONS',
    kind: 'list',
    placeholder: 'LIST',
    // The second half are rkt's run-time checks: accepted so that its command lines work, without effect.
    choices: [
      'none',
      'http',
      'image',
      'tls',
      'pubkey',
      'all-fetch',
      'all',
      'ondisk',
      'capabilities',
      'paths',
      'seccomp',
      'all-run',
    ],
    description:
      'checks to leave out, comma separated: http (allow plain HTTP), image (no signature check, needed for ' +
      'Docker images), tls (no certificate check), pubkey (keys over plain HTTP), all-fetch, all, none',
    defaultText: 'none',
  },
  {
    key: 'trustKeysFromHttps',
    name: '--trust-keys-from-https',
    env: 'ACI_TRUST_KEYS_FROM_HTTPS',
    kind: 'flag',
    description: 'trust keys found by meta discovery over HTTPS without asking',
  },
  {
    key: 'resolve',
    name: '--resolve',
    env: 'ACI_RESOLVE',
    kind: 'list',
    placeholder: 'HOST:PORT:ADDR[:PORT]',
    description: "connect there instead, as curl's option of that name (repeatable)",
  },
  {
    key: 'workers',
    name: '--workers',
    env: 'ACI_WORKERS',
    kind: 'number',
    placeholder: 'N',
    min: 1,
    max: 256,
    description: 'worker threads',
    defaultText: 'the usable cores',
  },
  {
    key: 'progress',
    name: '--progress',
    env: 'ACI_PROGRESS',
    kind: 'choice',
    choices: ['auto', 'tty', 'plain', 'json', 'none'],
    default: 'auto',
    description: 'bars on a terminal (tty), lines (plain), NDJSON events on stderr (json), or nothing (none)',
  },
  {
    key: 'json',
    name: '--json',
    env: 'ACI_JSON',
    kind: 'flag',
    description: 'print results as JSON',
  },
  {
    key: 'quiet',
    name: '--quiet',
    env: 'ACI_QUIET',
    kind: 'flag',
    description: 'no progress and no informational lines; errors stay',
  },
  {
    key: 'debug',
    name: '--debug',
    env: 'ACI_DEBUG',
    kind: 'flag',
    description: 'add causes and stack to errors',
  },
] as const satisfies readonly OptionSpec[];

/** A policy of fetching that configuration may set as well. */
export const REQUIRE_SIGNATURE = {
  key: 'requireSignature',
  name: '--require-signature',
  env: 'ACI_REQUIRE_SIGNATURE',
  kind: 'flag',
  description: 'an image that no trusted key verifies is an error',
} as const satisfies OptionSpec;

/** Everything that configuration decides. */
export const SETTING_OPTIONS = [
  ...GLOBAL_OPTIONS,
  REQUIRE_SIGNATURE,
] as const satisfies readonly OptionSpec[];

/** Where files are cannot itself come from a file. */
const FOLDER_KEYS: readonly string[] = ['systemConfig', 'localConfig', 'userConfig'];

/** What may stand in a file of kind `aci`. */
export const FILE_OPTIONS: readonly OptionSpec[] = SETTING_OPTIONS.filter(
  ({ key }) => !FOLDER_KEYS.includes(key),
);
