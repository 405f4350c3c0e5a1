/** Image configs of Docker and OCI as ACI manifests. */

import { describe, expect, it } from 'vitest';
import { type AciApp, type AciManifest, parseAciManifest } from '../../../src/aci/manifest.js';
import { stringifyAciManifest } from '../../../src/aci/manifest-json.js';
import {
  configPlatform,
  convertDockerConfig,
  readDockerConfigFacts,
} from '../../../src/convert/docker-config.js';
import { isFetchError } from '../../../src/errors.js';
import { parseDigest } from '../../../src/reference/digest.js';
import type { DockerReference, ImageNaming } from '../../../src/types.js';

const TOP_LAYER = parseDigest('sha256:41051b00a2471b888d2a9f793a7b5acbd56a8cbae9c93ecec97b96dd428ad43d');
const MANIFEST = parseDigest('sha256:cd322503158d9fc8faa46e8102d152d16a891054dd31de71331ed8f21995feb3');
const DIFF_ID = 'sha256:66035f0c39bafe765ba4f0814d3efd6cd56b67252f9693133ca44c9092d72b5d';

const REFERENCE: DockerReference = {
  kind: 'docker',
  image: 'docker://127.0.0.1:5000/test:latest',
  originalName: '127.0.0.1:5000/test:latest',
  registry: '127.0.0.1:5000',
  repository: 'test',
  tag: 'latest',
};

const PINNED: DockerReference = {
  kind: 'docker',
  image: `docker://127.0.0.1:5000/test@${MANIFEST}`,
  originalName: `127.0.0.1:5000/test@${MANIFEST}`,
  registry: '127.0.0.1:5000',
  repository: 'test',
  digest: MANIFEST,
};

const SAMPLE_RUNTIME = {
  User: 'app:appgrp',
  ExposedPorts: { '53/udp': {}, '8080/tcp': {}, '9000': {} },
  Env: ['PATH=/usr/local/bin:/usr/bin:/bin', 'MSG=hello = world', 'EMPTY='],
  Entrypoint: ['/bin/hard', '-c'],
  Cmd: ['echo hi', 'arg2'],
  Volumes: { '/data': {}, '/data/': {}, '/var/lib/My_App.d': {} },
  WorkingDir: '/data',
  Labels: { Version: '1.2', 'org.test.label': 'val' },
  StopSignal: 'SIGINT',
};

const SAMPLE = {
  created: '2020-01-02T03:04:05Z',
  author: 'Jane Doe <jane@example.test>',
  architecture: 'amd64',
  os: 'linux',
  config: SAMPLE_RUNTIME,
  rootfs: { type: 'layers', diff_ids: [DIFF_ID] },
  history: [{ created: '2020-01-02T03:04:05Z', created_by: 'config', empty_layer: true }],
};

const RKT_APP: AciApp = {
  exec: ['/bin/hard', '-c', 'echo hi', 'arg2'],
  user: 'app',
  group: 'appgrp',
  workingDirectory: '/data',
  environment: [
    { name: 'PATH', value: '/usr/local/bin:/usr/bin:/bin' },
    { name: 'MSG', value: 'hello = world' },
    { name: 'EMPTY', value: '' },
  ],
  mountPoints: [
    { name: 'volume-data', path: '/data' },
    { name: 'volume-data-1', path: '/data/' },
    { name: 'volume-var-lib-my-app-d', path: '/var/lib/My_App.d' },
  ],
  ports: [
    { name: '53-udp', protocol: 'udp', port: 53, count: 1, socketActivated: false },
    { name: '8080-tcp', protocol: 'tcp', port: 8080, count: 1, socketActivated: false },
    { name: '9000', protocol: 'tcp', port: 9000, count: 1, socketActivated: false },
  ],
};

/** What rkt 1.30 (docker2aci 0.17.2) makes of the sample, as observed. */
const RKT_MANIFEST: AciManifest = {
  acKind: 'ImageManifest',
  acVersion: '0.8.11',
  name: '127.0.0.1_5000/test',
  labels: [
    { name: 'arch', value: 'amd64' },
    { name: 'os', value: 'linux' },
    { name: 'version', value: 'latest' },
  ],
  app: RKT_APP,
  annotations: [
    { name: 'author', value: 'Jane Doe <jane@example.test>' },
    { name: 'created', value: '2020-01-02T03:04:05Z' },
    { name: 'appc.io/docker/originalname', value: '127.0.0.1:5000/test:latest' },
    { name: 'appc.io/docker/registryurl', value: '127.0.0.1:5000' },
    { name: 'appc.io/docker/repository', value: 'test' },
    { name: 'appc.io/docker/imageid', value: TOP_LAYER },
    { name: 'appc.io/docker/manifesthash', value: MANIFEST },
    { name: 'appc.io/docker/entrypoint', value: '["/bin/hard","-c"]' },
    { name: 'appc.io/docker/cmd', value: '["echo hi","arg2"]' },
  ],
};

/**
 * Where ours is another one, on purpose; docs/conversion.md has the same list. docker2aci keeps labels only of
 * images of schema 1 and of saved archives, and nothing of the rest.
 */
const DIFFERENCES = {
  userLabels: { Version: '1.2', 'org.test.label': 'val' },
  annotations: [
    { name: 'appc.io/docker/stopsignal', value: 'SIGINT' },
    {
      name: 'appc.io/docker/history',
      value: '[{"created":"2020-01-02T03:04:05Z","created_by":"config","empty_layer":true}]',
    },
  ],
};

const BARE = { architecture: 'amd64', os: 'linux' };

function bytes(config: unknown): Uint8Array {
  return Buffer.from(typeof config === 'string' ? config : JSON.stringify(config));
}

function convert(config: unknown, naming: ImageNaming = REFERENCE): AciManifest {
  return convertDockerConfig({
    config: bytes(config),
    naming,
    manifestDigest: MANIFEST,
    topLayerDigest: TOP_LAYER,
  });
}

const convertRuntime = (runtime: object) => convert({ ...BARE, config: runtime }).app;

function refusal(action: () => unknown): Error {
  try {
    action();
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_MANIFEST_INVALID', stage: 'convert' });
    if (isFetchError(error)) return error;
  }
  throw new Error('nothing was refused');
}

function annotation(manifest: AciManifest, name: string): string | undefined {
  return manifest.annotations?.find((item) => item.name === name)?.value;
}

function reverseKeys(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, reverseKeys(member)]),
  );
}

describe('convertDockerConfig', () => {
  it('makes of the sample what rkt makes of it, and adds what is lost there', () => {
    const manifest = convert(SAMPLE);
    const expected: AciManifest = {
      ...RKT_MANIFEST,
      app: { ...RKT_APP, userLabels: DIFFERENCES.userLabels },
      annotations: [...(RKT_MANIFEST.annotations ?? []), ...DIFFERENCES.annotations],
    };
    expect(manifest).toStrictEqual(expected);
    expect(stringifyAciManifest(manifest)).toBe(
      JSON.stringify(expected).replaceAll('<', '\\u003c').replaceAll('>', '\\u003e'),
    );
  });

  it('makes of a config without what is lost there exactly what rkt makes of it', () => {
    const { Labels, StopSignal, ...runtime } = SAMPLE_RUNTIME;
    const { history, ...sample } = SAMPLE;
    expect(convert({ ...sample, config: runtime })).toStrictEqual(RKT_MANIFEST);
  });

  it('keeps labels whatever their keys, sorted by their bytes', () => {
    const labels = {
      b: '',
      '10': 'ten',
      A: '<',
      '9': 'nine',
      '': 'none',
      __PROTO__: 'p',
      '\ue000': '1',
      '😀': '2',
    };
    const text = JSON.stringify({ ...BARE, config: { Labels: labels } }).replace('__PROTO__', '__proto__');
    const manifest = convert(text);
    expect(stringifyAciManifest(manifest)).toContain(
      '"userLabels":{"":"none","10":"ten","9":"nine","A":"\\u003c","__proto__":"p","b":"","\ue000":"1","😀":"2"}',
    );
    expect(parseAciManifest(Buffer.from(stringifyAciManifest(manifest)))).toStrictEqual(manifest);
  });

  it.each<[check: object | null, value: string | undefined]>([
    [null, undefined],
    [{}, undefined],
    [{ Test: [], Interval: 0 }, undefined],
    [{ Test: ['NONE'] }, '{"Test":["NONE"]}'],
    [
      { Retries: 3, Unknown: true, StartPeriod: 5, Test: ['CMD-SHELL', 'a && b'], Interval: 30_000_000_000 },
      '{"Test":["CMD-SHELL","a \\u0026\\u0026 b"],"Interval":30000000000,"StartPeriod":5,"Retries":3}',
    ],
  ])('keeps the health check %j in an annotation', (Healthcheck, value) => {
    expect(annotation(convert({ ...BARE, config: { Healthcheck } }), 'appc.io/docker/healthcheck')).toBe(
      value,
    );
  });

  it('keeps the history, with the fields in one order, where it is not too long to keep', () => {
    const historyOf = (history: unknown) =>
      annotation(convert({ ...BARE, history }), 'appc.io/docker/history');
    expect(historyOf(null)).toBeUndefined();
    expect(historyOf([])).toBeUndefined();
    expect(historyOf([{ comment: 'c', empty_layer: false, created_by: 'b', other: 1 }, {}])).toBe(
      '[{"created_by":"b","comment":"c"},{}]',
    );
    const wrapping = '[{"comment":""}]'.length;
    expect(historyOf([{ comment: 'x'.repeat(2 ** 20 - wrapping) }])).toHaveLength(2 ** 20);
    expect(historyOf([{ comment: 'x'.repeat(2 ** 20 - wrapping + 1) }])).toBeUndefined();
  });

  it('gives the same bytes whatever the order of the keys in the config', () => {
    const expected = stringifyAciManifest(convert(SAMPLE));
    expect(stringifyAciManifest(convert(reverseKeys(SAMPLE)))).toBe(expected);
  });

  it('makes a manifest that its own validation takes', () => {
    for (const config of [SAMPLE, BARE, { ...BARE, config: {} }]) {
      const manifest = convert(config);
      expect(parseAciManifest(Buffer.from(stringifyAciManifest(manifest)))).toStrictEqual(manifest);
    }
  });

  it('has no version label for a reference by digest', () => {
    expect(convert(SAMPLE, PINNED).labels).toStrictEqual([
      { name: 'arch', value: 'amd64' },
      { name: 'os', value: 'linux' },
    ]);
    expect(annotation(convert(SAMPLE, PINNED), 'appc.io/docker/originalname')).toBe(PINNED.originalName);
  });

  it('reads the variant of the config for the arch label', () => {
    const config = { architecture: 'arm', os: 'linux', variant: 'v7' };
    expect(convert(config).labels?.[0]).toStrictEqual({ name: 'arch', value: 'armv7l' });
  });

  it('makes no app where the config has no run-time part', () => {
    expect(convert(BARE)).not.toHaveProperty('app');
    expect(convert({ ...BARE, config: null })).not.toHaveProperty('app');
  });

  it('runs as root, with no program, where the run-time part is empty or null throughout', () => {
    const app = { exec: null, user: '0', group: '0' };
    const nulls = Object.fromEntries(Object.keys(SAMPLE_RUNTIME).map((key) => [key, null]));
    expect(convertRuntime({})).toStrictEqual(app);
    expect(convertRuntime(nulls)).toStrictEqual(app);
    expect(convertRuntime({ Entrypoint: [], Cmd: [], Env: [], Volumes: {}, WorkingDir: '' })).toStrictEqual(
      app,
    );
  });

  it.each([
    [['a'], ['b', 'c'], ['a', 'b', 'c']],
    [['a'], null, ['a']],
    [null, ['b'], ['b']],
    [[''], [], ['']],
  ])('joins entrypoint %j and command %j', (Entrypoint, Cmd, exec) => {
    expect(convertRuntime({ Entrypoint, Cmd })?.exec).toStrictEqual(exec);
  });

  it('keeps the command in annotations as Go writes it, and leaves empty annotations out', () => {
    const manifest = convert({
      ...BARE,
      author: '',
      created: '',
      config: { Cmd: ['sh', '-c', 'a && b > "c"'] },
    });
    expect(annotation(manifest, 'appc.io/docker/cmd')).toBe(
      '["sh","-c","a \\u0026\\u0026 b \\u003e \\"c\\""]',
    );
    expect(manifest.annotations?.map(({ name }) => name)).toStrictEqual([
      'appc.io/docker/originalname',
      'appc.io/docker/registryurl',
      'appc.io/docker/repository',
      'appc.io/docker/imageid',
      'appc.io/docker/manifesthash',
      'appc.io/docker/cmd',
    ]);
  });

  it('leaves the image ID annotation out for an image without layers', () => {
    const manifest = convertDockerConfig({
      config: bytes(BARE),
      naming: REFERENCE,
      manifestDigest: MANIFEST,
      topLayerDigest: undefined,
    });
    expect(annotation(manifest, 'appc.io/docker/imageid')).toBeUndefined();
    expect(annotation(manifest, 'appc.io/docker/manifesthash')).toBe(MANIFEST);
  });

  it('skips variables without a value sign and keeps the last value at the first place', () => {
    expect(
      convertRuntime({ Env: ['A=1', 'NOTHING', 'B=x=y', 'A=2', '__proto__=p'] })?.environment,
    ).toStrictEqual([
      { name: 'A', value: '2' },
      { name: 'B', value: 'x=y' },
      { name: '__proto__', value: 'p' },
    ]);
  });

  it.each(['2020-01-02T03:04:05.123456789Z', '2020-02-29T23:59:59+05:30', '0001-01-01T00:00:00Z'])(
    'keeps the creation time %s as it is',
    (created) => {
      expect(annotation(convert({ ...BARE, created }), 'created')).toBe(created);
    },
  );

  it.each<[field: string, config: object]>([
    ['os', { architecture: 'amd64' }],
    ['architecture', { os: 'linux' }],
    ['architecture', { os: 'linux', architecture: 'mips' }],
    ['architecture', { os: 'windows', architecture: 'amd64' }],
    ['variant', { ...BARE, variant: 7 }],
    ['author', { ...BARE, author: {} }],
    ['created', { ...BARE, created: 'today' }],
    ['created', { ...BARE, created: '2020-01-02 03:04:05Z' }],
    ['created', { ...BARE, created: '2020-13-02T03:04:05Z' }],
    ['config', { ...BARE, config: [] }],
    ['config.User', { ...BARE, config: { User: ':5' } }],
    ['config.User', { ...BARE, config: { User: 1000 } }],
    ['config.WorkingDir', { ...BARE, config: { WorkingDir: 'data' } }],
    ['config.Entrypoint', { ...BARE, config: { Entrypoint: '/bin/sh' } }],
    ['config.Cmd[1]', { ...BARE, config: { Cmd: ['a', null] } }],
    ['config.Labels', { ...BARE, config: { Labels: ['a'] } }],
    ['config.Labels["a"]', { ...BARE, config: { Labels: { a: 1 } } }],
    ['config.StopSignal', { ...BARE, config: { StopSignal: 9 } }],
    ['config.Healthcheck', { ...BARE, config: { Healthcheck: [] } }],
    ['config.Healthcheck.Test', { ...BARE, config: { Healthcheck: { Test: 'true' } } }],
    ['config.Healthcheck.Retries', { ...BARE, config: { Healthcheck: { Retries: -1 } } }],
    ['history', { ...BARE, history: {} }],
    ['history[0].created_by', { ...BARE, history: [{ created_by: ['a'] }] }],
    ['history[1].empty_layer', { ...BARE, history: [{}, { empty_layer: 'no' }] }],
    ['config.Env', { ...BARE, config: { Env: { A: 'b' } } }],
    ['config.Env[1]', { ...BARE, config: { Env: ['A=b', '=c'] } }],
    ['config.Env[0]', { ...BARE, config: { Env: ['A B=c'] } }],
    ['config.Volumes', { ...BARE, config: { Volumes: ['/data'] } }],
    ['config.Volumes[""]', { ...BARE, config: { Volumes: { '': {} } } }],
    ['config.ExposedPorts["0/tcp"]', { ...BARE, config: { ExposedPorts: { '0/tcp': {} } } }],
    ['config.ExposedPorts["70000/tcp"]', { ...BARE, config: { ExposedPorts: { '70000/tcp': {} } } }],
  ])('refuses a bad %s and names it (case %#)', (field, config) => {
    expect(refusal(() => convert(config)).message).toContain(`image config: ${field} `);
  });

  it.each(['', '{', '[]', '"x"'])('refuses the document %j', (text) => {
    refusal(() => convert(text));
  });

  it('keeps the values of variables out of its messages', () => {
    const { message, cause } = refusal(() => convert({ ...BARE, config: { Env: ['BAD NAME=hunter2'] } }));
    expect(`${message} ${String(cause)}`).not.toContain('hunter2');
  });
});

describe('readDockerConfigFacts and configPlatform', () => {
  it('give platform and layer digests', () => {
    expect(readDockerConfigFacts(bytes(SAMPLE))).toStrictEqual({
      platform: { os: 'linux', architecture: 'amd64' },
      diffIds: [DIFF_ID],
    });
    expect(configPlatform(bytes({ os: 'linux', architecture: 'arm', variant: 'v7' }))).toStrictEqual({
      os: 'linux',
      architecture: 'arm',
      variant: 'v7',
    });
  });

  it('tell platforms that ACIs cannot name', () => {
    const windows = { os: 'windows', architecture: 'amd64' };
    expect(configPlatform(bytes(windows))).toStrictEqual(windows);
  });

  it.each([undefined, null, { type: 'layers' }, { type: 'layers', diff_ids: null }])(
    'take the root file system %j for one without layers',
    (rootfs) => {
      expect(readDockerConfigFacts(bytes({ ...BARE, rootfs })).diffIds).toStrictEqual([]);
    },
  );

  it.each<[field: string, rootfs: object]>([
    ['rootfs', []],
    ['rootfs.type', { type: 'layers+base', diff_ids: [] }],
    ['rootfs.diff_ids', { type: 'layers', diff_ids: DIFF_ID }],
    ['rootfs.diff_ids[1]', { type: 'layers', diff_ids: [DIFF_ID, DIFF_ID.toUpperCase()] }],
    ['rootfs.diff_ids[0]', { type: 'layers', diff_ids: ['md5:00'] }],
  ])('refuse a bad %s and name it (case %#)', (field, rootfs) => {
    expect(refusal(() => readDockerConfigFacts(bytes({ ...BARE, rootfs }))).message).toContain(
      `image config: ${field} `,
    );
  });
});
