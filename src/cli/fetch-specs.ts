/** The commands that fetch, as plain data. */

import { REQUIRE_SIGNATURE } from '../index.js';
import type { CommandSpec } from './command-spec.js';

export const FULL = {
  key: 'full',
  name: '--full',
  env: 'ACI_FULL',
  kind: 'flag',
} as const;

const FETCH_OPTIONS = [
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
] as const satisfies CommandSpec['options'];

export const FETCH = {
  path: ['fetch'],
  usage: '[OPTIONS] IMAGE [--signature FILE] [IMAGE …]',
  summary: 'fetch images into the store and print their IDs',
  details:
    'Images are fetched side by side; their IDs are printed one a line in the order of the arguments. An image ' +
    'that fails does not stop the others: its line stays empty and the reason is on stderr. With --json, one ' +
    'JSON line is printed for each image when it is done.',
  options: FETCH_OPTIONS,
  examples: [
    'aci fetch coreos.com/etcd:v2.0.0',
    'aci fetch ./app.aci --signature app.aci.asc',
    'aci --insecure-options=image fetch docker://busybox',
    'aci fetch --insecure-options=image --json docker://alpine:3 docker://busybox',
  ],
} as const satisfies CommandSpec;

export const PREFETCH = {
  path: ['prefetch'],
  usage: '[OPTIONS] [-f FILE]… [IMAGE [--signature FILE] …]',
  summary: 'fetch lists of images into the store',
  details:
    'FILE, or - for standard input, has one image a line and # comments, or a JSON array of images and of ' +
    'objects with "image", "signature" and "platform". All lists are checked before anything is fetched, and an ' +
    'image that is there twice is fetched once. A line is printed for each image when it is done: what became of ' +
    'it, its ID, and the image. What images share is downloaded once. Images that fail do not stop the others; ' +
    'the exit code is then 9, or 8 when the disk is full, and the same command again fetches what is missing.',
  options: [
    {
      key: 'file',
      name: '--file',
      short: '-f',
      kind: 'list',
      keepsCommas: true,
      placeholder: 'FILE',
      description: 'a list of images (repeatable)',
    },
    ...FETCH_OPTIONS,
    {
      key: 'jobs',
      name: '--jobs',
      env: 'ACI_JOBS',
      kind: 'number',
      placeholder: 'N',
      min: 1,
      max: 1000,
      description: 'images at a time',
      defaultText: '8',
    },
    {
      key: 'connections',
      name: '--connections',
      env: 'ACI_CONNECTIONS',
      kind: 'number',
      placeholder: 'N',
      min: 1,
      max: 1000,
      description: 'connections in all',
      defaultText: '16',
    },
    {
      key: 'connectionsPerHost',
      name: '--connections-per-host',
      env: 'ACI_CONNECTIONS_PER_HOST',
      kind: 'number',
      placeholder: 'N',
      min: 1,
      max: 1000,
      description: 'connections to one host',
      defaultText: '8',
    },
    {
      key: 'limitRate',
      name: '--limit-rate',
      env: 'ACI_LIMIT_RATE',
      kind: 'size',
      placeholder: 'BYTES/s',
      description: 'bytes per second over all connections, as 500k or 20M',
      defaultText: 'no limit',
    },
    {
      key: 'retries',
      name: '--retries',
      env: 'ACI_RETRIES',
      kind: 'number',
      placeholder: 'N',
      min: 0,
      max: 100,
      description: 'further tries of a request that fails',
      defaultText: '6',
    },
    {
      key: 'timeout',
      name: '--timeout',
      env: 'ACI_TIMEOUT',
      kind: 'duration',
      placeholder: 'TIME',
      description: 'an image that takes longer fails, as 90s or 10m',
      defaultText: 'no limit',
    },
    {
      key: 'stallTimeout',
      name: '--stall-timeout',
      env: 'ACI_STALL_TIMEOUT',
      kind: 'duration',
      placeholder: 'TIME',
      description: 'a download that brings (next to) nothing for this long is asked for again',
      defaultText: '30s',
    },
    {
      key: 'minFree',
      name: '--min-free',
      env: 'ACI_MIN_FREE',
      kind: 'size',
      placeholder: 'SIZE',
      description: 'leave so much of the disk free, as 2G',
      defaultText: '0',
    },
    {
      key: 'dryRun',
      name: '--dry-run',
      kind: 'flag',
      description: 'only tell what would be downloaded',
    },
    {
      key: 'report',
      name: '--report',
      kind: 'string',
      placeholder: 'FILE',
      description: 'write the results and a summary there, as JSON',
    },
    {
      key: 'failFast',
      name: '--fail-fast',
      env: 'ACI_FAIL_FAST',
      kind: 'flag',
      description: 'end with the first image that fails',
    },
  ],
  examples: [
    'aci prefetch -f images.txt --insecure-options=image',
    'aci prefetch --pull-policy=new --report=result.json -f images.txt',
    'generate-list | aci prefetch -f - --limit-rate=20M --min-free=5G',
    'aci prefetch --dry-run -f images.txt',
  ],
} as const satisfies CommandSpec;
