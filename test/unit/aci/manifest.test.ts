/** Validation and writing of appc image manifests. */

import { describe, expect, it } from 'vitest';
import { type AciManifest, labelsOf, parseAciManifest } from '../../../src/aci/manifest.js';
import { goJson, stringifyAciManifest } from '../../../src/aci/manifest-json.js';
import { isFetchError } from '../../../src/errors.js';

const MINIMAL = { acKind: 'ImageManifest', acVersion: '0.8.11', name: 'example.com/app' };
const APP = { exec: ['/bin/app'], user: '0', group: '0' };

/** Every field, in the order in which it is written. */
const COMPLETE: AciManifest = {
  acKind: 'ImageManifest',
  acVersion: '0.8.11',
  name: 'example.com/reduce-worker',
  labels: [
    { name: 'version', value: '1.0.0' },
    { name: 'arch', value: 'amd64' },
    { name: 'os', value: 'linux' },
  ],
  app: {
    exec: ['/usr/bin/reduce-worker', '--quiet'],
    eventHandlers: [
      { name: 'pre-start', exec: ['/usr/bin/data-downloader'] },
      { name: 'post-stop', exec: ['/usr/bin/deregister'] },
    ],
    user: '100',
    group: '300',
    supplementaryGIDs: [400, 500],
    workingDirectory: '/opt/work',
    environment: [{ name: 'REDUCE_WORKER_DEBUG', value: 'true' }],
    mountPoints: [
      { name: 'work', path: '/var/lib/work' },
      { name: 'conf', path: '/etc/work', readOnly: true },
    ],
    ports: [
      { name: 'health', protocol: 'tcp', port: 4000, count: 1, socketActivated: true },
      { name: 'ftp-data', protocol: 'tcp', port: 20000, count: 1000, socketActivated: false },
    ],
    isolators: [{ name: 'resource/cpu', value: { request: '250m', limit: '500m' } }],
    userAnnotations: { 'any key': 'x' },
    userLabels: { tier: 'back' },
  },
  annotations: [
    { name: 'created', value: '2014-10-27T19:32:27.67021798Z' },
    { name: 'homepage', value: 'https://example.com' },
  ],
  dependencies: [
    {
      imageName: 'example.com/base',
      imageID: `sha512-${'a0'.repeat(64)}`,
      labels: [{ name: 'os', value: 'linux' }],
      size: 22017258,
    },
  ],
  pathWhitelist: ['/usr/bin/reduce-worker', '/etc/'],
};

function parse(value: unknown): AciManifest {
  return parseAciManifest(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)));
}

function refusal(bytes: Uint8Array): unknown {
  try {
    parseAciManifest(bytes);
  } catch (error) {
    return error;
  }
  throw new Error('the manifest was taken');
}

function withApp(fields: object): object {
  return { ...MINIMAL, app: { ...APP, ...fields } };
}

const port = (fields: object) => withApp({ ports: [{ name: 'www', protocol: 'tcp', port: 80, ...fields }] });
const label = (name: string, value: unknown = 'x') => ({ name, value });

describe('parseAciManifest', () => {
  it('reads every field of the specification', () => {
    expect(parse(COMPLETE)).toStrictEqual(COMPLETE);
  });

  it('reads what it has written', () => {
    expect(parse(stringifyAciManifest(COMPLETE))).toStrictEqual(COMPLETE);
  });

  it('takes a manifest without an app, and an app without a program', () => {
    expect(parse(MINIMAL)).toStrictEqual(MINIMAL);
    expect(parse(withApp({ exec: null })).app?.exec).toBeNull();
    expect(parse(withApp({ exec: undefined })).app?.exec).toBeNull();
    expect(parse(withApp({ exec: [] })).app?.exec).toStrictEqual([]);
  });

  it('treats null and empty lists and strings as absent', () => {
    const empty = { labels: null, annotations: [], dependencies: [], pathWhitelist: null };
    expect(parse({ ...MINIMAL, ...empty, app: null })).toStrictEqual(MINIMAL);
    expect(parse(withApp({ ports: [], workingDirectory: '', userLabels: {} })).app).toStrictEqual(APP);
  });

  it('ignores fields that it does not know', () => {
    expect(parse({ ...MINIMAL, future: { any: [1] } })).toStrictEqual(MINIMAL);
  });

  it('takes separators in a row, as Docker repositories have them', () => {
    expect(parse({ ...MINIMAL, name: 'reg.test/a__b/c--d' }).name).toBe('reg.test/a__b/c--d');
  });

  it('takes a name of 1024 characters', () => {
    const name = 'a/'.repeat(511).concat('aa');
    expect(parse({ ...MINIMAL, name }).name).toBe(name);
  });

  it.each([
    ['absent', undefined, 1],
    ['0, as docker2aci writes it', 0, 1],
    ['5', 5, 5],
    ['up to the last port', 65456, 65456],
  ])('reads a port count that is %s', (_case, count, expected) => {
    expect(parse(port({ count })).app?.ports?.[0]?.count).toBe(expected);
  });

  it.each([
    ['linux', 'aarch64'],
    ['linux', 's390x'],
    ['freebsd', 'arm'],
    ['darwin', 'x86_64'],
    ['linux', undefined],
    [undefined, 'anything'],
  ])('takes the platform os=%s arch=%s', (os, arch) => {
    const labels = [
      ...(os === undefined ? [] : [label('os', os)]),
      ...(arch === undefined ? [] : [label('arch', arch)]),
    ];
    expect(parse({ ...MINIMAL, labels }).labels).toStrictEqual(labels);
  });

  it.each<[field: string, manifest: unknown]>([
    ['acKind', { ...MINIMAL, acKind: undefined }],
    ['acKind', { ...MINIMAL, acKind: 'PodManifest' }],
    ['acVersion', { ...MINIMAL, acVersion: '' }],
    ['acVersion', { ...MINIMAL, acVersion: '0.8' }],
    ['acVersion', { ...MINIMAL, acVersion: '0.0.0' }],
    ['acVersion', { ...MINIMAL, acVersion: 1 }],
    ['name', { ...MINIMAL, name: null }],
    ['name', { ...MINIMAL, name: '' }],
    ['name', { ...MINIMAL, name: 'Example.com/app' }],
    ['name', { ...MINIMAL, name: '/app' }],
    ['name', { ...MINIMAL, name: 'app\n' }],
    ['name', { ...MINIMAL, name: 'a'.repeat(1025) }],
    ['labels', { ...MINIMAL, labels: { os: 'linux' } }],
    ['labels[0]', { ...MINIMAL, labels: ['os'] }],
    ['labels[0].name', { ...MINIMAL, labels: [label('Version')] }],
    ['labels[0].name', { ...MINIMAL, labels: [label('name')] }],
    ['labels[0].value', { ...MINIMAL, labels: [label('version', 1)] }],
    ['labels[1].name', { ...MINIMAL, labels: [label('a'), label('a')] }],
    ['labels', { ...MINIMAL, labels: [label('os', 'plan9')] }],
    ['labels', { ...MINIMAL, labels: [label('arch', 'arm64'), label('os', 'linux')] }],
    ['app', { ...MINIMAL, app: [] }],
    ['app.exec', withApp({ exec: '/bin/app' })],
    ['app.exec[1]', withApp({ exec: ['/bin/app', 1] })],
    ['app.user', withApp({ user: '' })],
    ['app.user', withApp({ user: undefined })],
    ['app.group', withApp({ group: '' })],
    ['app.group', withApp({ group: 0 })],
    ['app.supplementaryGIDs[0]', withApp({ supplementaryGIDs: [-1] })],
    ['app.eventHandlers[0].name', withApp({ eventHandlers: [{ name: 'start', exec: [] }] })],
    ['app.eventHandlers[1].name', withApp({ eventHandlers: [{ name: 'pre-start' }, { name: 'pre-start' }] })],
    ['app.workingDirectory', withApp({ workingDirectory: 'opt' })],
    ['app.environment[0].name', withApp({ environment: [label('')] })],
    ['app.environment[0].name', withApp({ environment: [label('1A')] })],
    ['app.environment[1].name', withApp({ environment: [label('A'), label('A')] })],
    ['app.mountPoints[0].name', withApp({ mountPoints: [{ name: 'a.b', path: '/a' }] })],
    ['app.mountPoints[0].path', withApp({ mountPoints: [{ name: 'a', path: '' }] })],
    ['app.mountPoints[0].readOnly', withApp({ mountPoints: [{ name: 'a', path: '/a', readOnly: 1 }] })],
    [
      'app.mountPoints[1].name',
      withApp({
        mountPoints: [
          { name: 'a', path: '/a' },
          { name: 'a', path: '/b' },
        ],
      }),
    ],
    ['app.ports[0].name', port({ name: '' })],
    ['app.ports[0].protocol', port({ protocol: undefined })],
    ['app.ports[0].port', port({ port: 0 })],
    ['app.ports[0].port', port({ port: 65536 })],
    ['app.ports[0].port', port({ port: '80' })],
    ['app.ports[0].port', port({ port: 80.5 })],
    ['app.ports[0].count', port({ count: -1 })],
    ['app.ports[0].count', port({ count: 65457 })],
    ['app.ports[0].socketActivated', port({ socketActivated: 'no' })],
    ['app.isolators[0].name', withApp({ isolators: [{ name: 'A', value: {} }] })],
    ['app.isolators[0].value', withApp({ isolators: [{ name: 'resource/cpu' }] })],
    ['app.userLabels["a"]', withApp({ userLabels: { a: 1 } })],
    ['dependencies[0].imageName', { ...MINIMAL, dependencies: [{}] }],
    ['dependencies[0].imageName', { ...MINIMAL, dependencies: [{ imageName: 'a'.repeat(1025) }] }],
    ['dependencies[0].imageID', { ...MINIMAL, dependencies: [{ imageName: 'a', imageID: 'sha256-00' }] }],
    ['dependencies[0].imageID', { ...MINIMAL, dependencies: [{ imageName: 'a', imageID: 'sha512-' }] }],
    ['dependencies[0].labels', { ...MINIMAL, dependencies: [{ imageName: 'a', labels: [label('os')] }] }],
    ['dependencies[0].size', { ...MINIMAL, dependencies: [{ imageName: 'a', size: -1 }] }],
    ['annotations[1].name', { ...MINIMAL, annotations: [label('a'), label('a')] }],
    ['annotations[0].value', { ...MINIMAL, annotations: [label('created', 'yesterday')] }],
    ['annotations[0].value', { ...MINIMAL, annotations: [label('created', '2021-02-29T00:00:00Z')] }],
    ['annotations[0].value', { ...MINIMAL, annotations: [label('homepage', 'ftp://example.com')] }],
    ['pathWhitelist[0]', { ...MINIMAL, pathWhitelist: [null] }],
  ])('refuses a bad %s and names it (case %#)', (field, manifest) => {
    const error = refusal(Buffer.from(JSON.stringify(manifest)));
    expect(error).toMatchObject({ code: 'ERR_MANIFEST_INVALID', stage: 'verify' });
    expect(error).toHaveProperty('message', expect.stringContaining(`image manifest: ${field} `));
  });

  it.each([
    ['empty', Buffer.alloc(0)],
    ['cut off', Buffer.from('{"acKind":"ImageManifest"')],
    ['not UTF-8', Buffer.from(JSON.stringify({ ...MINIMAL, name: '\xff' }), 'latin1')],
    ['opened by a byte order mark', Buffer.from(`\ufeff${JSON.stringify(MINIMAL)}`)],
  ])('refuses a document that is %s and keeps the cause', (_case, bytes) => {
    const error = refusal(bytes);
    expect(error).toMatchObject({ code: 'ERR_MANIFEST_INVALID', stage: 'verify' });
    expect(isFetchError(error) && error.cause).toBeInstanceOf(Error);
  });

  it.each(['[]', 'null', '"x"'])('refuses the document %s', (text) => {
    expect(refusal(Buffer.from(text))).toMatchObject({ code: 'ERR_MANIFEST_INVALID' });
  });

  it('keeps control characters and long values out of its messages', () => {
    const error = refusal(
      Buffer.from(JSON.stringify({ ...MINIMAL, name: `\u001b[2J\u009b${'x'.repeat(5000)}` })),
    );
    expect(isFetchError(error) && error.message).toMatch(/^[\x20-\x7e…]{1,300}$/);
  });

  it('reads names of object prototypes like all others', () => {
    const text = `{"acKind":"ImageManifest","acVersion":"0.8.11","name":"a","app":
      {"user":"0","group":"0","userLabels":{"__proto__":"x"},"environment":[{"name":"__proto__","value":"y"}]}}`;
    expect(stringifyAciManifest(parse(text))).toContain('"userLabels":{"__proto__":"x"}');
    expect(refusal(Buffer.from('{"__proto__":{"acKind":"ImageManifest"}}'))).toMatchObject({
      code: 'ERR_MANIFEST_INVALID',
    });
  });
});

describe('labelsOf', () => {
  it('gives the labels by name', () => {
    expect(labelsOf(COMPLETE)).toStrictEqual({ version: '1.0.0', arch: 'amd64', os: 'linux' });
    expect(labelsOf(parse(MINIMAL))).toStrictEqual({});
  });
});

describe('stringifyAciManifest', () => {
  it('writes fields in the order of the schema package', () => {
    expect(stringifyAciManifest(COMPLETE)).toBe(JSON.stringify(COMPLETE));
  });

  it('gives the same text whatever the order of the fields in memory', () => {
    const { app, ...rest } = COMPLETE;
    const reversed = Object.fromEntries(Object.entries({ app, ...rest }).reverse());
    expect(stringifyAciManifest(reversed as unknown as AciManifest)).toBe(stringifyAciManifest(COMPLETE));
  });

  it('leaves out empty lists and strings but never exec', () => {
    const manifest: AciManifest = {
      ...COMPLETE,
      labels: [],
      app: { exec: null, user: '0', group: '0', workingDirectory: '', ports: [], userLabels: {} },
      annotations: [],
      dependencies: [{ imageName: 'a', labels: [], size: 0 }],
      pathWhitelist: [],
    };
    expect(stringifyAciManifest(manifest)).toBe(
      '{"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/reduce-worker",' +
        '"app":{"exec":null,"user":"0","group":"0"},"dependencies":[{"imageName":"a"}]}',
    );
  });

  it('sorts the keys of free maps by their bytes', () => {
    const userLabels = { '9': 'a', '10': 'b', z: 'c', '\u{1f600}': 'd', '\uffee': 'e', B: 'f' };
    expect(stringifyAciManifest(parse(withApp({ userLabels })))).toContain(
      '"userLabels":{"10":"b","9":"a","B":"f","z":"c","\uffee":"e","\u{1f600}":"d"}',
    );
  });
});

describe('goJson', () => {
  it.each([
    ['<a href="x">&', '"\\u003ca href=\\"x\\"\\u003e\\u0026"'],
    ['\u2028\u2029', '"\\u2028\\u2029"'],
    ['\b\f\n\r\t\u0000\u001f\u007f', '"\\u0008\\u000c\\n\\r\\t\\u0000\\u001f\u007f"'],
    ['\\b \\\\f \\ud800 \\', '"\\\\b \\\\\\\\f \\\\ud800 \\\\"'],
    ['half \ud83d half \ude00', '"half \ufffd half \ufffd"'],
    ['whole \u{1f600} é', '"whole \u{1f600} é"'],
  ])('escapes %j as Go does', (text, expected) => {
    expect(goJson(text)).toBe(expected);
  });

  it('escapes inside of lists and keys too', () => {
    expect(goJson([{ 'a<': ['>'] }, null, 1.5, true])).toBe('[{"a\\u003c":["\\u003e"]},null,1.5,true]');
  });
});
