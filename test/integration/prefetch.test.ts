/** `aci prefetch`: lists of images through the built command line, against servers that count what is asked of them. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildAci } from '../support/images/aci.js';
import { buildDockerImage, type DockerImage } from '../support/images/docker.js';
import { createRandom } from '../support/images/random.js';
import { type AciRunOptions, type RunResult, runAci, startAci } from '../support/process.js';
import { type AciServer, startAciServer } from '../support/servers/aci-server.js';
import type { Fault, FaultPlan } from '../support/servers/faults.js';
import { startRegistry, type TestRegistry } from '../support/servers/registry.js';
import { tempDir } from '../support/temp.js';
import { INSECURE, jsonLines, type OutcomeRecord } from './support/commands.js';

const random = createRandom(11);
const file = (path: string, sizeBytes: number) => [{ path, data: random.bytes(sizeBytes) }];
const BASE = file('base', 900_000);
const IMAGES: readonly DockerImage[] = Array.from({ length: 6 }, (_, at) =>
  buildDockerImage({ layers: [BASE, file(`own-${at}`, 150_000)], config: { Cmd: [`/bin/${at}`] } }),
);
const LAYERS = new Set<string>(IMAGES.flatMap(({ layers }) => layers.map(({ digest }) => digest)));
const ACI = buildAci({ name: 'example.test/app', entries: file('x', 200_000) });

let registry: TestRegistry;
let server: AciServer;
beforeAll(async () => {
  [registry, server] = await Promise.all([startRegistry(), startAciServer()]);
  for (const [at, image] of IMAGES.entries()) registry.push(`team/app-${at}`, '1', image);
  server.putAci('/app.aci', ACI);
});
afterAll(() => Promise.all([registry.close(), server.close()]));
afterEach(() => {
  for (const one of [registry, server]) {
    one.setFaults([]);
    one.requests.length = 0;
    expect(one.violations).toEqual([]);
  }
});

const docker = (at: number): string => `docker://${registry.host}/team/app-${at}:1`;
const all = (): string[] => IMAGES.map((_, at) => docker(at));

function prefetch(args: readonly string[], options: AciRunOptions = {}): Promise<RunResult> {
  return runAci(['prefetch', INSECURE, ...args], options);
}

function listFile(text: string): string {
  const path = join(tempDir(), 'images.txt');
  writeFileSync(path, text);
  return path;
}

/** How often each layer was asked for. */
function layerRequests(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { path, method } of registry.requestsTo('/blobs/')) {
    const digest = path.slice(path.lastIndexOf('/') + 1);
    if (method === 'GET' && LAYERS.has(digest)) counts.set(digest, (counts.get(digest) ?? 0) + 1);
  }
  return counts;
}
const everyLayerOnce = new Map([...LAYERS].map((digest) => [digest, 1]));
const sorted = (counts: Map<string, number>): unknown[] => [...counts].sort();
const statuses = ({ stdout }: RunResult): string[] =>
  stdout.split('\n').map((line) => line.split('\t')[0] ?? '');

describe('a list', () => {
  it('of images of all kinds is fetched, what they share once, and a second time asks one question each', async () => {
    const dir = tempDir();
    const path = join(tempDir(), 'local.aci');
    writeFileSync(path, buildAci({ name: 'example.test/local' }));
    const list = listFile(
      ['# the fleet', ...all(), '', `${docker(0)}   # again`, `${server.url}/app.aci`, path].join('\n'),
    );
    const first = await prefetch(['-f', list, '--full'], { dir });
    expect(first.stderr).toMatch(/8 images: 8 fetched; .* downloaded, .* shared, in /);
    expect(first.code).toBe(0);
    const lines = first.stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(8);
    for (const line of lines) expect(line).toMatch(/^fetched\tsha512-[0-9a-f]{128}\t\S+$/);
    expect(new Set(lines.map((line) => line.split('\t')[2]))).toEqual(
      new Set([...all(), `${server.url}/app.aci`, path]),
    );
    expect(sorted(layerRequests())).toEqual(sorted(everyLayerOnce));

    registry.requests.length = 0;
    server.requests.length = 0;
    const again = await prefetch(['-f', list], { dir });
    expect([again.code, statuses(again).filter((status) => status === 'cached').length]).toEqual([0, 8]);
    expect(registry.requestsTo('/blobs/')).toEqual([]);
    expect(registry.requestsTo('/manifests/')).toHaveLength(IMAGES.length);
    expect(server.requestsTo('/app.aci').map(({ status }) => status)).toEqual([304]);

    registry.requests.length = 0;
    server.requests.length = 0;
    const without = await prefetch(['-f', list, '--pull-policy=new'], { dir });
    expect(without.code).toBe(0);
    expect([registry.requests, server.requests]).toEqual([[], []]);
  });

  it('may be JSON, come through a pipe, and stand beside arguments', async () => {
    const dir = tempDir();
    const json = JSON.stringify([docker(0), { image: docker(1), platform: 'linux/amd64' }]);
    const result = await prefetch(['--json', '-f', '-', docker(2)], { dir, input: json });
    const records = jsonLines<OutcomeRecord>(result);
    expect(records.map(({ image, status }) => [image, status]).sort()).toEqual(
      [0, 1, 2].map((at) => [docker(at), 'fetched']),
    );
    expect(result.code).toBe(0);
    // Only that one was asked for by its platform.
    const platforms = (run: RunResult) =>
      jsonLines<OutcomeRecord>(run)
        .map(({ image, platform }) => [image, platform])
        .sort();
    const asked = [
      [docker(0), undefined],
      [docker(1), 'linux/amd64'],
      [docker(2), undefined],
    ];
    expect(platforms(result)).toEqual(asked);
    const plan = await prefetch(['--json', '--dry-run', '-f', '-', docker(2)], { dir, input: json });
    expect(platforms(plan)).toEqual(asked);
  });

  it.each<[string, string, RegExp]>([
    ['a line that is no image', 'docker://UPPER/case\nok.test/app', /line 1/],
    ['several such lines', 'docker://UPPER/x\nok.test/app\nhttps://', /line 1: .*line 3: /],
    ['an unknown field', '[{"image":"ok.test/app","sig":"x"}]', /entry 1: .*"sig"/],
    ['an entry without an image', '["ok.test/app",{"platform":"linux/amd64"}]', /entry 2/],
    ['a platform that is none', '[{"image":"ok.test/app","platform":"linux"}]', /entry 1/],
    ['half of a JSON', '["ok.test/app"', /JSON/],
    ['nothing', '# nothing\n\n', /no image/],
  ])('with %s is an error before anything is fetched', async (_, text, message) => {
    const { code, stdout, stderr } = await prefetch(
      ['-f', listFile(text), docker(0)].slice(0, text.includes('nothing') ? 2 : 3),
    );
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(registry.requests).toEqual([]);
  });

  it('that cannot be read is one too', async () => {
    for (const list of [join(tempDir(), 'none'), '/dev/zero']) {
      const { code, stderr } = await prefetch(['-f', list, docker(0)]);
      expect(code).toBe(2);
      expect(stderr).toContain('cannot be read');
    }
  });
});

describe('an image that fails', () => {
  const poison = (): Fault => ({ kind: 'corrupt', atByte: 50 });
  const poisonedLayer = (): string => IMAGES[3]?.layers[1]?.digest ?? '';

  it('leaves the others alone, is told of at the end, and is all that the next run fetches', async () => {
    const dir = tempDir();
    const report = join(tempDir(), 'report.json');
    registry.setFaults([{ match: poisonedLayer(), fault: poison() }]);
    const { code, stdout, stderr } = await prefetch([...all(), `--report=${report}`], { dir });
    expect(code).toBe(9);
    expect(stdout).toContain(`failed\t-\t${docker(3)}`);
    expect(stdout.match(/^fetched/gm)).toHaveLength(5);
    expect(stderr).toContain('6 images: 5 fetched, 1 failed');
    expect(stderr).toContain(`failed: ${docker(3)} (ERR_DIGEST_MISMATCH)`);
    const { summary, images } = JSON.parse(readFileSync(report, 'utf8'));
    expect(summary).toMatchObject({ images: 6, fetched: 5, cached: 0, failed: 1 });
    expect(images.filter(({ error }: OutcomeRecord) => error !== undefined)).toMatchObject([
      { image: docker(3), error: { code: 'ERR_DIGEST_MISMATCH' } },
    ]);
    registry.setFaults([]);
    registry.requests.length = 0;
    const again = await prefetch(all(), { dir });
    expect(again.code).toBe(0);
    expect([...layerRequests().keys()]).toEqual([poisonedLayer()]);
  });

  it('for what its registry has of a layer does not fail the image of another one, which waits for the same layer', async () => {
    const mirror = await startRegistry();
    const image = IMAGES[3] as DockerImage;
    mirror.push('team/app', '1', image);
    const base = image.layers[0]?.digest ?? '';
    mirror.setFaults([{ match: base, fault: poison() }]);
    const bad = `docker://${mirror.host}/team/app:1`;
    // The second image finds the layer under way.
    registry.setFaults([{ match: '/manifests/', fault: { kind: 'delay', delayMs: 500 } }]);
    const report = join(tempDir(), 'report.json');
    const args = ['--limit-rate=400K', `--report=${report}`, bad, docker(3)];
    const { code, stdout } = await prefetch(args);
    await mirror.close();
    const { summary } = JSON.parse(readFileSync(report, 'utf8'));
    const blobs = [mirror, registry].flatMap((one) => one.requestsTo('/blobs/'));
    const sentBytes = blobs.reduce((sum, one) => sum + one.sentBytes, 0);
    // What the second image does not need of the first one's registry is in neither figure.
    expect(summary.sharedBytes).toBeLessThan(200_000);
    expect(summary.downloadedBytes).toBeGreaterThan(sentBytes - 200_000);
    expect(summary.downloadedBytes).toBeLessThanOrEqual(sentBytes);
    expect(code).toBe(9);
    expect(stdout).toContain(`failed\t-\t${bad}`);
    expect(stdout).toMatch(new RegExp(`^fetched\t\\S+\t${docker(3)}$`, 'm'));
    expect([mirror.requestsTo(base).length, registry.requestsTo(base).length]).toEqual([1, 1]);
  });

  it('ends the others with --fail-fast', async () => {
    registry.setFaults([
      { match: poisonedLayer(), fault: poison() },
      { match: '/blobs/', fault: { kind: 'slow', bytesPerSecond: 200_000 } },
    ]);
    const images = [docker(3), docker(0), docker(1)];
    const { code, stdout, stderr } = await prefetch(['--fail-fast', '--jobs=3', ...images]);
    expect(code).toBe(9);
    expect(statuses({ stdout } as RunResult).slice(0, 3)).toEqual(['failed', 'failed', 'failed']);
    // One line says why; the others are only in the list at the end.
    expect(stderr).not.toContain('given up');
    expect(stderr.match(/\(ERR_ABORTED\)/g)).toHaveLength(2);
  });

  it('fails with the code of its cause when it is the only one', async () => {
    const { code } = await prefetch([`docker://${registry.host}/team/none:1`]);
    expect(code).toBe(3);
  });

  it.each<[string, string[], number, RegExp]>([
    ['takes longer than --timeout', ['--timeout=1s'], 4, /did not come within 1 s/],
    ['needs space that --min-free keeps', ['--min-free=900T'], 8, /would be free/],
  ])('because it %s', async (_, options, exitCode, message) => {
    registry.setFaults([{ match: '/blobs/', fault: { kind: 'stall', afterBytes: 1000 } }]);
    const { code, stderr } = await prefetch([docker(0), ...options]);
    expect(stderr).toMatch(message);
    expect(code).toBe(exitCode);
  });
});

describe('--dry-run', () => {
  it('tells what would be downloaded, and downloads nothing', async () => {
    const dir = tempDir();
    const images = [...all(), `${server.url}/app.aci`];
    const { code, stdout, stderr } = await prefetch(['--dry-run', '--full', ...images], { dir });
    const sizeOf = (image: DockerImage): number =>
      image.blobs.reduce((sum, { bytes }) => sum + bytes.length, 0);
    expect(code).toBe(0);
    expect(stdout.trimEnd().split('\n').sort()).toEqual(
      [
        ...IMAGES.map((image, at) => `${sizeOf(image)}\t${docker(at)}`),
        `${ACI.length}\t${server.url}/app.aci`,
      ].sort(),
    );
    expect(stderr).toMatch(/7 images: 2\.01 MB to download \(6\.51 MB without sharing\); .* may be written/);
    expect([...layerRequests()]).toEqual([]);
    expect(server.requestsTo('/app.aci').map(({ method }) => method)).toEqual(['HEAD']);

    await prefetch([docker(0), `${server.url}/app.aci`], { dir });
    const after = await prefetch(['--dry-run', '--json', ...images], { dir });
    expect(after.stderr).toMatch(/7 images: 2 cached \(\S+ MB\); 752 KB to download, 900 KB there already; /);
    const lines = jsonLines<{ image: string; status: string; downloadBytes: number }>(after);
    expect(lines.map(({ status }) => status)).toEqual(images.map(() => 'planned'));
    const plans = images.map((image) => lines.find((line) => line.image === image));
    const own = IMAGES.map((image) => image.configBytes.length + (image.layers[1]?.bytes.length ?? 0));
    expect(plans.map((plan) => plan?.downloadBytes)).toEqual([0, ...own.slice(1), 0]);
  });

  it('has a line for each image as soon as it is known, while others keep it waiting', async () => {
    registry.setFaults([{ match: 'app-0/manifests', fault: { kind: 'stall', afterBytes: 10 } }]);
    const running = startAci(['prefetch', INSECURE, '--dry-run', '--full', docker(0), docker(1)]);
    const startedAt = performance.now();
    while (running.stdout() === '' && performance.now() - startedAt < 20_000) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(running.stdout()).toMatch(new RegExp(`^\\d+\\t${docker(1)}\\n$`));
    running.kill('SIGKILL');
    await running.done;
  });

  it('fails for an image that is not there, and where the images do not fit', async () => {
    const missing = `docker://${registry.host}/team/none:1`;
    const { code, stdout } = await prefetch(['--dry-run', missing, docker(0)]);
    expect(code).toBe(9);
    expect(stdout.split('\n')).toContain(`failed\t${missing}`);
    const full = await prefetch(['--dry-run', '--min-free=900T', docker(0)]);
    expect(full.code).toBe(8);
  });
});

describe('patience', () => {
  const busy: Fault = { kind: 'status', status: 429, headers: { 'retry-after': '1' } };

  it.each<[string, FaultPlan]>([
    ['a storm of 429', [{ match: '/', times: 10, fault: busy }]],
    [
      'a host that resets every second connection',
      Array.from({ length: 8 }, (_, at) => ({
        match: '/blobs/',
        skip: at,
        times: 1,
        fault: { kind: 'reset' } as const,
      })),
    ],
  ])('outlasts %s', async (_, faults) => {
    registry.setFaults(faults);
    const { code, stderr } = await prefetch(all());
    expect(stderr).toContain('6 images: 6 fetched');
    expect(code).toBe(0);
  });

  it('outlasts a host that is away for some seconds', async () => {
    registry.setFaults([{ match: '/', fault: { kind: 'reset' } }]);
    setTimeout(() => registry.setFaults([]), 3000);
    const { code, stderr } = await prefetch(all());
    expect(stderr).toContain('6 images: 6 fetched');
    expect(code).toBe(0);
  });

  it('outlasts tokens that expire with every second request', async () => {
    const impatient = await startRegistry({ auth: 'token', tokenTtlRequests: 2 });
    for (const [at, image] of IMAGES.entries()) impatient.push(`team/app-${at}`, '1', image);
    const { code } = await prefetch(IMAGES.map((_, at) => `docker://${impatient.host}/team/app-${at}:1`));
    expect([code, impatient.violations]).toEqual([0, []]);
    await impatient.close();
  });

  it('keeps to --limit-rate over all connections', async () => {
    const startedAt = performance.now();
    const { code } = await prefetch(['--limit-rate=1M', '--jobs=6', ...all()]);
    expect(code).toBe(0);
    // 1.8 MB, of which a tenth of a second's worth comes at once.
    expect(performance.now() - startedAt).toBeGreaterThan(1600);
  });

  it('lets no image of another host wait for hosts that are busy, and tells of them', async () => {
    const busyHosts = await Promise.all([startRegistry(), startRegistry()]);
    for (const one of busyHosts) {
      for (const [at, image] of IMAGES.entries()) one.push(`team/app-${at}`, '1', image);
      const asks = { kind: 'status', status: 429, headers: { 'retry-after': '60' } } as const;
      one.setFaults([{ match: '/blobs/', fault: asks }]);
    }
    const images = busyHosts.flatMap(({ host }) =>
      IMAGES.map((_, at) => `docker://${host}/team/app-${at}:1`),
    );
    const running = startAci(['prefetch', INSECURE, '--connections=2', '--jobs=1', ...images, ...all()]);
    const startedAt = performance.now();
    while (running.stdout().split('\n').length <= IMAGES.length && performance.now() - startedAt < 20_000) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    running.kill('SIGKILL');
    await running.done;
    const done = running.stdout().trimEnd().split('\n');
    expect(done.map((line) => line.split('\t')[2]).sort()).toEqual(all().sort());
    for (const { host } of busyHosts) {
      expect(running.stderr()).toMatch(`aci: ${host} is left alone for `);
    }
    await Promise.all(busyHosts.map((one) => one.close()));
  });

  it('works with one of everything', async () => {
    const strict = await startRegistry({ auth: 'token', tokenTtlRequests: 2 });
    for (const [at, image] of IMAGES.entries()) strict.push(`team/app-${at}`, '1', image);
    const images = IMAGES.map((_, at) => `docker://${strict.host}/team/app-${at}:1`);
    const limits = ['--jobs=1', '--connections=1', '--connections-per-host=1', '--workers=1'];
    const { code } = await prefetch([...limits, ...images]);
    expect([code, strict.violations]).toEqual([0, []]);
    await strict.close();
  });

  it.each([2, 4])('has no more than %i requests at once where it may not', async (most) => {
    const slow = { kind: 'delay', delayMs: 20 } as const;
    const own = await startRegistry({ faults: [{ match: '/', fault: slow }] });
    for (const [at, image] of IMAGES.entries()) own.push(`team/app-${at}`, '1', image);
    const images = IMAGES.map((_, at) => `docker://${own.host}/team/app-${at}:1`);
    const { code } = await prefetch([`--connections-per-host=${most}`, '--jobs=6', ...images]);
    expect([code, own.peakActive]).toEqual([0, most]);
    await own.close();
  });
});

describe('two at once on one store', () => {
  it('fetch every layer once', async () => {
    const dir = tempDir();
    registry.setFaults([{ match: '/blobs/', fault: { kind: 'slow', bytesPerSecond: 1_000_000 } }]);
    const results = await Promise.all([
      prefetch(all().slice(0, 4), { dir }),
      prefetch(all().slice(2), { dir }),
    ]);
    expect(results.map(({ code }) => code)).toEqual([0, 0]);
    expect(sorted(layerRequests())).toEqual(sorted(everyLayerOnce));
  });
});

describe('one that was killed', () => {
  it('is completed by the same command, without downloading anything complete again', async () => {
    const dir = tempDir();
    registry.setFaults([{ match: '/blobs/', fault: { kind: 'slow', bytesPerSecond: 400_000 } }]);
    const running = startAci(['prefetch', INSECURE, '--jobs=2', ...all()], { dir });
    await running.waitForStderr(/signature verification/);
    while (registry.requestsTo('/blobs/').reduce((sum, { sentBytes }) => sum + sentBytes, 0) < 700_000) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    running.kill('SIGKILL');
    await running.done;
    const before = registry.requestsTo('/blobs/').reduce((sum, { sentBytes }) => sum + sentBytes, 0);
    registry.setFaults([]);
    registry.requests.length = 0;
    const { code } = await prefetch(all(), { dir });
    expect(code).toBe(0);
    const allBytes = IMAGES.flatMap(({ blobs }) => blobs).reduce(
      (map, { digest, bytes }) => map.set(digest, bytes.length),
      new Map<string, number>(),
    );
    const total = [...allBytes.values()].reduce((sum, bytes) => sum + bytes, 0);
    const sent = registry.requestsTo('/blobs/').reduce((sum, { sentBytes }) => sum + sentBytes, 0);
    // What was on its way, and the configs, come again.
    expect(sent).toBeLessThan(total - before + 400_000);
  });
});
