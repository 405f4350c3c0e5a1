/** What cannot be fetched: the exit code, the error, the one line that names image and cause, and an untouched store. */

import { cpSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { outcomeRecord } from '../../dist/src/cli/outcome.js';
import { renderError } from '../../dist/src/cli/render-error.js';
import { runCli } from '../../dist/src/cli/run.js';
import { type Engine, type FetchOutcome, readEnvironment } from '../../dist/src/index.js';
import { createCertificate } from '../support/certificates.js';
import { buildAci } from '../support/images/aci.js';
import { aciEnvironment, type RunResult, runAci } from '../support/process.js';
import { type AciServer, startAciServer } from '../support/servers/aci-server.js';
import type { FaultPlan, FaultRule } from '../support/servers/faults.js';
import { startRegistry, type TestRegistry } from '../support/servers/registry.js';
import { tempDir } from '../support/temp.js';
import { requireTools } from '../support/tools.js';
import { BAD_IMAGES } from './support/bad-images.js';
import { type BadImage, placeFor, smallImage } from './support/bad-place.js';
import { fetchOne, INSECURE } from './support/commands.js';
import { testEngine } from './support/engine.js';
import { expectErrorLine, expectFailure } from './support/failure.js';
import { storeListing } from './support/store.js';

/** A store with one image in it; copied for every test that has one of its own. */
const seedDir = tempDir('acifetch-seed-');
let registry: TestRegistry;
let files: AciServer;
let goodImage: string;

beforeAll(async () => {
  [registry, files] = await Promise.all([startRegistry(), startAciServer()]);
  registry.push('good', 'v1', smallImage());
  goodImage = `docker://${registry.host}/good:v1`;
  await fetchOne(goodImage, { dir: seedDir });
});
afterAll(async () => {
  await Promise.all([registry.close(), files.close()]);
});

function seededStore(): string {
  const dir = tempDir('acifetch-store-');
  cpSync(seedDir, dir, { recursive: true });
  return dir;
}

/** Puts one row in place, and nothing else wrong. */
function arrange(bad: BadImage): string {
  const rules: FaultRule[] = [];
  const place = placeFor(String(BAD_IMAGES.indexOf(bad)), registry, files, rules);
  const image = bad.put(place);
  for (const server of [registry, files]) server.setFaults(rules);
  return image;
}

describe('an image that cannot be had or must not be kept', () => {
  let engine: Engine;
  let dir: string;

  beforeAll(async () => {
    dir = seededStore();
    engine = await testEngine({ storeDir: dir });
    await engine.fetch({ image: goodImage });
  });
  afterAll(() => engine.close());

  it.each(BAD_IMAGES)('$title is $code', async (bad) => {
    const image = arrange(bad);
    const before = storeListing(dir);
    const [outcome] = await engine.fetchAll([{ image, platform: bad.platform }]);
    expectFailedOutcome(outcome, image, bad);
    const added = storeListing(dir).filter((line) => !before.includes(line));
    if (bad.keepsLayers !== true) expect(added).toEqual([]);
    else expect(added.filter((line) => !line.startsWith('blobs/layer/'))).toEqual([]);
    expect(before.filter((line) => !storeListing(dir).includes(line))).toEqual([]);
  });

  function expectFailedOutcome(outcome: FetchOutcome | undefined, image: string, bad: BadImage): void {
    if (outcome?.status !== 'failed') throw new Error(`it ended as ${outcome?.status}`);
    expect(outcome.error.code, outcome.error.message).toBe(bad.code);
    if (bad.stage !== undefined) expect(outcome.error.stage).toBe(bad.stage);
    const [line, ...more] = renderError(outcome.cause, { debug: false, image }).split('\n');
    expect(line?.startsWith('aci: ')).toBe(true);
    expect(line).toContain(image);
    expect(more.length).toBeLessThanOrEqual(1);
    expect(outcomeRecord(outcome)).toMatchObject({
      image,
      status: 'failed',
      error: { code: bad.code, stage: outcome.error.stage, message: expect.stringMatching(/^.+$/) },
    });
  }
});

describe('the command', () => {
  const titles = [
    'a tag that the repository does not have',
    'an answer that is neither the content nor an error of HTTP',
    'a layer that is answered with 403',
    'a layer with other content of the same size',
    'a layer that is longer than announced, which only counting shows',
    'a layer with an entry that would leave the root',
    'a layer with a hard link to nothing',
    'an ACI with an entry twice',
  ];
  const rows = titles.map((title) => BAD_IMAGES.find((bad) => bad.title === title) as BadImage);
  let dir: string;

  beforeAll(() => {
    dir = seededStore();
  });

  it.each(rows)('says about $title what went wrong, and leaves nothing behind', async (bad) => {
    const image = arrange(bad);
    const before = storeListing(dir);
    const { platform } = bad;
    const options = platform === undefined ? [] : ['--platform', `${platform.os}/${platform.architecture}`];
    const result = await runAci(['fetch', INSECURE, '--json', ...options, image], { dir });
    expectFailure(result, image, bad.code);
    const isKept = (line: string): boolean => bad.keepsLayers === true && line.startsWith('blobs/layer/');
    expect(storeListing(dir).filter((line) => !isKept(line) || before.includes(line))).toEqual(before);
  });

  it('gives one line and the exit code 9 when one image of two fails, and keeps the other', async () => {
    const image = arrange(BAD_IMAGES[0] as BadImage);
    const result = await runAci(['fetch', INSECURE, '--full', image, goodImage], { dir: seededStore() });
    expect(result.code).toBe(9);
    expect(result.stdout).toMatch(/^\nsha512-[0-9a-f]{128}\n$/);
    expect(
      result.stderr.split('\n').filter((line) => line.includes(image) && line.includes('no such')),
    ).toHaveLength(1);
  });
});

describe('what is tried again', () => {
  /** The first request and three retries. */
  const ATTEMPTS = 4;

  async function fetchFrom(
    plan: FaultPlan,
    image: (server: TestRegistry) => string,
  ): Promise<[RunResult, TestRegistry]> {
    const server = await startRegistry({ faults: plan });
    server.push('app', 'v1', smallImage());
    const dir = seededStore();
    const before = storeListing(dir);
    const result = await runAci(['fetch', INSECURE, '--json', image(server)], { dir });
    await server.close();
    expect(storeListing(dir)).toEqual(before);
    return [result, server];
  }
  const app = (server: TestRegistry): string => `docker://${server.host}/app:v1`;

  it.concurrent.each([
    ['a manifest that is answered with 500', 'ERR_SERVER', /manifests/, { kind: 'status', status: 500 }],
    ['a layer that is answered with 503', 'ERR_SERVER', /blobs/, { kind: 'status', status: 503 }],
    [
      'a manifest that is answered with 429',
      'ERR_RATE_LIMITED',
      /manifests/,
      { kind: 'status', status: 429 },
    ],
    ['a layer that breaks off every time', 'ERR_NETWORK', /blobs/, { kind: 'drop', afterBytes: 1 }],
    ['a manifest whose connection is reset every time', 'ERR_NETWORK', /manifests/, { kind: 'reset' }],
  ] as const)('%s is %s after the retries', async (_, code, match, fault) => {
    // The config is asked for before the layer, and is not to fail.
    const skip = match.source === 'blobs' ? 1 : 0;
    const [result, server] = await fetchFrom([{ match, skip, fault }], app);
    expectFailure(result, app(server), code);
    expect(server.requestsTo(match)).toHaveLength(skip + ATTEMPTS);
  });

  it.concurrent('a port where nobody listens is ERR_NETWORK', async () => {
    const server = await startRegistry();
    await server.close();
    const result = await runAci(['fetch', INSECURE, '--json', app(server)], { dir: seededStore() });
    expectFailure(result, app(server), 'ERR_NETWORK');
  });

  it.concurrent('a host that does not exist is ERR_NETWORK', async () => {
    const image = 'https://no-such-host.invalid/app.aci';
    const result = await runAci(['fetch', INSECURE, '--json', image], { dir: seededStore() });
    expectFailure(result, image, 'ERR_NETWORK');
  });
});

describe('a body that stalls', () => {
  it('is asked for again and then given up', async () => {
    registry.setFaults([{ match: '/blobs/', fault: { kind: 'stall', afterBytes: 0 } }]);
    const engine = await testEngine({ stallTimeoutMs: 200 });
    registry.requests.length = 0;
    await expect(engine.fetch({ image: goodImage })).rejects.toMatchObject({
      code: 'ERR_NETWORK',
      exitCode: 4,
    });
    expect(registry.requestsTo('/blobs/').length).toBeGreaterThan(1);
    await engine.close();
    registry.setFaults([]);
  });
});

describe('who must not or cannot be trusted', () => {
  const dir = seededStore;

  it.runIf(requireTools(['openssl']))('takes no self-signed certificate, and asks once', async () => {
    const tls = await createCertificate();
    const server = await startRegistry({ tls });
    const image = `docker://${server.host}/app:v1`;
    server.push('app', 'v1', smallImage());
    expectFailure(await runAci(['fetch', INSECURE, '--json', image], { dir: dir() }), image, 'ERR_TLS');
    expect(server.requests).toEqual([]);
    await fetchOne(image, { dir: dir(), env: { NODE_EXTRA_CA_CERTS: tls.certPath } });
    await server.close();
  });

  it.each(['token', 'basic'] as const)('is ERR_AUTH where %s authentication lets nobody in', async (auth) => {
    const server = await startRegistry({ auth, credentials: { username: 'u', password: 'p' } });
    const image = `docker://${server.host}/app:v1`;
    server.push('app', 'v1', smallImage());
    expectFailure(await runAci(['fetch', INSECURE, '--json', image], { dir: dir() }), image, 'ERR_AUTH');
    await server.close();
  });

  it('refuses a Docker image that is to be verified, in the words of rkt', async () => {
    const result = await runAci(['fetch', '--json', goodImage], { dir: tempDir() });
    expectFailure(result, goodImage, 'ERR_SIGNATURE_REQUIRED');
    expect(result.stderr).toContain(
      'signature verification for docker images is not supported (try --insecure-options=image)',
    );
  });

  it('refuses an unsigned ACI where a signature is required', async () => {
    const image = files.putAci('/some.aci', buildAci({ name: 'example.test/app' }));
    const args = ['fetch', '--insecure-options=http', '--require-signature', '--json', image];
    expectFailure(await runAci(args, { dir: dir() }), image, 'ERR_SIGNATURE_REQUIRED');
  });

  it('refuses plain HTTP that was not allowed', async () => {
    const image = files.putAci('/plain.aci', Buffer.from('x'));
    const result = await runAci(['fetch', '--insecure-options=image', '--json', image], { dir: dir() });
    expectFailure(result, image, 'ERR_INSECURE_HTTP');
    expect(result.stderr).toContain('--insecure-options=http');
  });
});

/** Runs the command in this process: what is wrong here is found before anything starts. */
async function runHere(args: readonly string[]): Promise<RunResult> {
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
  const environment = { ...readEnvironment(), variables: aciEnvironment({}) };
  const code = await runCli(args, { ...streams, environment, signal: new AbortController().signal });
  const [stdoutBytes, stderrBytes] = [streams.stdout, streams.stderr].map(
    (stream) => (stream.read() as Buffer | null) ?? Buffer.alloc(0),
  ) as [Buffer, Buffer];
  return { code, signal: null, stdout: stdoutBytes.toString(), stderr: stderrBytes.toString(), stdoutBytes };
}

describe('wrong usage', () => {
  it.each([
    ['no image', ['fetch']],
    ['an option that does not exist', ['fetch', '--no-such-option', 'docker://a/b']],
    ['a policy that does not exist', ['fetch', '--pull-policy=always', 'docker://a/b']],
    ['a platform that is none', ['fetch', '--platform=amd64', 'docker://a/b']],
    ['a number of workers that is none', ['fetch', '--workers=0', 'docker://a/b']],
    ['an insecure option that does not exist', ['fetch', '--insecure-options=everything', 'docker://a/b']],
    ['one output file for two images', ['fetch', '--output=x', 'docker://a/b', 'docker://a/c']],
    ['policies that exclude each other', ['fetch', '--store-only', '--no-store', 'docker://a/b']],
    ['a command that does not exist', ['fetsch', 'docker://a/b']],
  ])('is %s', async (_, args) => {
    const result = await runHere(args);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expectErrorLine(result.stderr, '');
  });

  it.each([
    'docker://',
    'docker://UPPER/case:tag',
    'docker://a/b@sha256:12',
    'ftp://a/b.aci',
    'name with spaces',
  ])('is the image argument %j', async (image) => {
    expectFailure(await runHere(['fetch', INSECURE, '--json', image]), image, 'ERR_USAGE');
  });
});
