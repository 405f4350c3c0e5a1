/** Every command as plain data: its words, options and help; parsing, help and docs/cli.md are made from it. */

import { type OptionSpec, REQUIRE_SIGNATURE } from '../index.js';

export interface CommandSpec {
  /** The words that call it. */
  readonly path: readonly string[];
  /** Its arguments as usage lines show them. */
  readonly usage: string;
  /** One sentence without a full stop. */
  readonly summary: string;
  readonly details?: string | undefined;
  readonly options: readonly OptionSpec[];
  readonly examples?: readonly string[] | undefined;
}

const FULL = {
  key: 'full',
  name: '--full',
  env: 'ACI_FULL',
  kind: 'flag',
} as const;

const OVERWRITE = { key: 'overwrite', name: '--overwrite', kind: 'flag' } as const;

export const FETCH = {
  path: ['fetch'],
  usage: '[OPTIONS] IMAGE [--signature FILE] [IMAGE …]',
  summary: 'fetch images into the store and print their IDs',
  details:
    'Images are fetched side by side; their IDs are printed one a line in the order of the arguments. An image ' +
    'that fails does not stop the others: its line stays empty and the reason is on stderr. With --json, one ' +
    'JSON line is printed for each image when it is done.',
  options: [
    { ...FULL, description: 'print whole IDs (sha512- and 128 hex digits)' },
    {
      key: 'pullPolicy',
      name: '--pull-policy',
      env: 'ACI_PULL_POLICY',
      kind: 'choice',
      choices: ['new', 'update', 'never'],
      description:
        'new: the store first, then the remote; update: ask the remote, download only what changed; ' +
        'never: the store only',
      defaultText: 'update',
    },
    {
      key: 'storeOnly',
      name: '--store-only',
      env: 'ACI_STORE_ONLY',
      kind: 'flag',
      description: 'the same as --pull-policy=never',
    },
    {
      key: 'noStore',
      name: '--no-store',
      env: 'ACI_NO_STORE',
      kind: 'flag',
      description: 'ignore what the store has: every byte comes from the remote again',
    },
    {
      key: 'signature',
      name: '--signature',
      kind: 'string',
      placeholder: 'FILE',
      description: 'the signature of the image before it',
    },
    REQUIRE_SIGNATURE,
    {
      key: 'platform',
      name: '--platform',
      env: 'ACI_PLATFORM',
      kind: 'string',
      placeholder: 'OS/ARCH[/VARIANT]',
      description: 'which image of an index or manifest list',
      defaultText: 'this host',
    },
    {
      key: 'noDeps',
      name: '--no-deps',
      env: 'ACI_NO_DEPS',
      kind: 'flag',
      description: 'leave dependencies alone',
    },
    {
      key: 'output',
      name: '--output',
      kind: 'string',
      placeholder: 'FILE',
      description: 'also write the ACI there (one image)',
    },
  ],
  examples: [
    'aci fetch coreos.com/etcd:v2.0.0',
    'aci fetch ./app.aci --signature app.aci.asc',
    'aci --insecure-options=image fetch docker://busybox',
    'aci fetch --insecure-options=image --json docker://alpine:3 docker://busybox',
  ],
} as const satisfies CommandSpec;

export const TRUST = {
  path: ['trust'],
  usage: '--prefix PREFIX [PUBKEY …] | --root PUBKEY …',
  summary: 'trust keys for the verification of images, and print their fingerprints',
  details:
    'PUBKEY is a file or an https:// URL; each may have several keys. Without one, the keys are those that ' +
    'meta discovery has for PREFIX. Every key is shown and, on a terminal, asked about; without a terminal ' +
    'nothing is trusted unless --skip-fingerprint-review or, for discovered keys, --trust-keys-from-https says so. ' +
    'The keys go into the local configuration as root, else into that of the user.',
  options: [
    {
      key: 'prefix',
      name: '--prefix',
      kind: 'string',
      placeholder: 'PREFIX',
      description: 'the image name that the keys are for, with all names below it',
    },
    { key: 'root', name: '--root', kind: 'flag', description: 'the keys are for every image name' },
    {
      key: 'skipFingerprintReview',
      name: '--skip-fingerprint-review',
      kind: 'flag',
      description: 'trust the keys without asking',
    },
    {
      key: 'insecureAllowHttp',
      name: '--insecure-allow-http',
      kind: 'flag',
      description: 'allow plain HTTP for the keys and their discovery, as --insecure-options=pubkey does',
    },
  ],
  examples: [
    'aci trust --prefix example.com/app',
    'aci trust --prefix example.com/app ./publisher.asc',
    'aci trust --root --skip-fingerprint-review https://example.com/keys.asc',
  ],
} as const satisfies CommandSpec;

export const TRUST_LIST = {
  path: ['trust', 'list'],
  usage: '',
  summary: 'list the trusted keys, and those that are disabled',
  options: [],
} as const satisfies CommandSpec;

export const TRUST_RM = {
  path: ['trust', 'rm'],
  usage: '[--prefix PREFIX] FINGERPRINT',
  summary: 'trust a key no more, and print its fingerprint',
  details:
    'A key of a configuration that comes before the one that is written to (as that of the system) is not removed ' +
    'but disabled, by an empty file.',
  options: [
    {
      key: 'prefix',
      name: '--prefix',
      kind: 'string',
      placeholder: 'PREFIX',
      description: 'take it back for this prefix only',
      defaultText: 'for all of them, and for every name',
    },
  ],
} as const satisfies CommandSpec;

export const IMAGE_LIST_FIELDS = [
  'id',
  'name',
  'importtime',
  'lastused',
  'size',
  'latest',
  'verified',
] as const;

export const IMAGE_LIST = {
  path: ['image', 'list'],
  usage: '[OPTIONS]',
  summary: 'list the images of the store',
  options: [
    {
      key: 'fields',
      name: '--fields',
      kind: 'list',
      placeholder: 'LIST',
      choices: IMAGE_LIST_FIELDS,
      description: 'the columns, comma separated',
      defaultText: IMAGE_LIST_FIELDS.join(','),
    },
    {
      key: 'sort',
      name: '--sort',
      kind: 'list',
      placeholder: 'LIST',
      choices: IMAGE_LIST_FIELDS,
      description: 'the fields to sort by, the first one first',
      defaultText: 'importtime',
    },
    {
      key: 'order',
      name: '--order',
      kind: 'choice',
      choices: ['asc', 'desc'],
      default: 'asc',
      description: 'ascending or descending',
    },
    { ...FULL, description: 'whole IDs, times in ISO 8601, sizes in bytes' },
    { key: 'noLegend', name: '--no-legend', kind: 'flag', description: 'leave out the line of headings' },
  ],
} as const satisfies CommandSpec;

export const IMAGE_CAT_MANIFEST = {
  path: ['image', 'cat-manifest'],
  usage: '[--pretty-print] IMAGE',
  summary: 'print the manifest of an image',
  options: [{ key: 'prettyPrint', name: '--pretty-print', kind: 'flag', description: 'indent it' }],
} as const satisfies CommandSpec;

export const IMAGE_EXPORT = {
  path: ['image', 'export'],
  usage: '[--overwrite] IMAGE FILE|-',
  summary: 'write an image of the store as an ACI to a file, or to stdout',
  options: [{ ...OVERWRITE, description: 'replace FILE when it exists' }],
} as const satisfies CommandSpec;

export const IMAGE_EXTRACT = {
  path: ['image', 'extract'],
  usage: '[OPTIONS] IMAGE DIR',
  summary: 'unpack an image of the store into a folder',
  details: 'What this machine could not keep (owners without root, device nodes, …) is told on stderr.',
  options: [
    {
      key: 'rootfsOnly',
      name: '--rootfs-only',
      kind: 'flag',
      description: 'put the files of the image into DIR itself, and leave the manifest out',
    },
    { ...OVERWRITE, description: 'remove DIR first when it exists' },
  ],
} as const satisfies CommandSpec;

export const IMAGE_RM = {
  path: ['image', 'rm'],
  usage: 'IMAGE …',
  summary: 'remove images from the store and print their IDs',
  details: 'An image that cannot be removed does not stop the others.',
  options: [],
} as const satisfies CommandSpec;

export const CONFIG = {
  path: ['config'],
  usage: '',
  summary: 'print the settings in effect and where each comes from',
  options: [],
} as const satisfies CommandSpec;

export const VERSION = {
  path: ['version'],
  usage: '',
  summary: 'print the version of the program',
  options: [],
} as const satisfies CommandSpec;

export const HELP = {
  path: ['help'],
  usage: '[COMMAND]',
  summary: 'print help about a command, or the list of commands',
  options: [],
} as const satisfies CommandSpec;

export const COMMAND_SPECS: readonly CommandSpec[] = [
  FETCH,
  TRUST,
  TRUST_LIST,
  TRUST_RM,
  IMAGE_LIST,
  IMAGE_CAT_MANIFEST,
  IMAGE_EXPORT,
  IMAGE_EXTRACT,
  IMAGE_RM,
  CONFIG,
  VERSION,
  HELP,
];

/** The command that `words` call, or undefined; the words may go on with arguments. */
export function findSpec(words: readonly string[]): CommandSpec | undefined {
  const called = COMMAND_SPECS.filter(({ path }) => path.every((word, index) => words[index] === word));
  // `trust list` is no `trust` with an argument.
  return called.toSorted((one, other) => other.path.length - one.path.length)[0];
}

/** The commands whose words begin with `word`, if it is a group such as `image`. */
export function groupOf(word: string | undefined): readonly CommandSpec[] {
  return COMMAND_SPECS.filter(({ path }) => path.length > 1 && path[0] === word);
}
