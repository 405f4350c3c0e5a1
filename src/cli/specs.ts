/** Every command as plain data: its words, options and help; parsing, help and docs/cli.md are made from it. */

import type { CommandSpec } from './command-spec.js';
import { FETCH, FULL, PREFETCH } from './fetch-specs.js';

const OVERWRITE = { key: 'overwrite', name: '--overwrite', kind: 'flag' } as const;

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
  PREFETCH,
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
