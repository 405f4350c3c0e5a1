/** What `aci prefetch` leaves for scripts to read: `--report` and the records of `--progress=json`. */

import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildDockerImage, buildIndex, type DockerImage } from '../support/images/docker.js';
import { createRandom } from '../support/images/random.js';
import { aciEnvironment, run, runAci, startAci } from '../support/process.js';
import { aciScript } from '../support/project.js';
import { startRegistry, type TestRegistry } from '../support/servers/registry.js';
import { tempDir } from '../support/temp.js';
import { INSECURE, type OutcomeRecord } from './support/commands.js';

const random = createRandom(13);
const BASE = [{ path: 'base', data: random.bytes(400_000) }];
const COUNT = 3;

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
  for (let at = 0; at < COUNT; at++) {
    const own = [{ path: 'own', data: random.bytes(1000) }];
    registry.push(`team/app-${at}`, '1', buildDockerImage({ layers: [BASE, own] }));
  }
});
afterAll(() => registry.close());
afterEach(() => registry.setFaults([]));

const docker = (at: number): string => `docker://${registry.host}/team/app-${at}:1`;
const images = (): string[] => Array.from({ length: COUNT }, (_, at) => docker(at));
const slow = (): void =>
  registry.setFaults([{ match: '/blobs/', fault: { kind: 'slow', bytesPerSecond: 100_000 } }]);

interface Report {
  readonly summary: Readonly<Record<string, number>>;
  readonly images: readonly OutcomeRecord[];
}
const readReport = (path: string): Report => JSON.parse(readFileSync(path, 'utf8'));

describe('an interrupted prefetch', () => {
  it('reports every image in the order of the list, and nothing as shared that never came', async () => {
    const report = join(tempDir(), 'report.json');
    const list = JSON.stringify([docker(0), { image: docker(1), platform: 'linux/amd64' }, docker(2)]);
    slow();
    const args = ['--progress=json', `--report=${report}`, '-f', '-'];
    const running = startAci(['prefetch', INSECURE, ...args], { input: list });
    await running.waitForStderr(/"event":"blob.cached".*\n(.*\n)*.*"event":"blob.cached"/);
    running.kill('SIGINT');
    const { code, stderr } = await running.done;
    expect(code).toBe(130);
    const { summary, images: records } = readReport(report);
    expect(records.map(({ image, platform }) => [image, platform])).toEqual([
      [docker(0), undefined],
      [docker(1), 'linux/amd64'],
      [docker(2), undefined],
    ]);
    for (const { status, error } of records) expect([status, error?.code]).toEqual(['failed', 'ERR_ABORTED']);
    expect(summary).toMatchObject({ images: 3, fetched: 0, cached: 0, failed: 3, sharedBytes: 0 });
    expect(stderr).toContain('"event":"summary","images":3,"fetched":0,"cached":0,"failed":3,');
  });

  it('keeps what was complete before', async () => {
    const report = join(tempDir(), 'report.json');
    const args = ['--jobs=1', `--report=${report}`, ...images()];
    const dir = tempDir();
    await runAci(['prefetch', INSECURE, docker(0)], { dir });
    slow();
    const running = startAci(['prefetch', INSECURE, '--progress=json', ...args], { dir });
    await running.waitForStderr(/"event":"image.done"/);
    await running.waitForStderr(/"event":"blob.started"/);
    running.kill('SIGINT');
    await running.done;
    const { images: records, summary } = readReport(report);
    expect(records.map(({ status }) => status)).toEqual(['cached', 'failed', 'failed']);
    expect(summary).toMatchObject({ cached: 1, failed: 2 });
    expect(running.stdout()).toBe(`cached\t${records[0]?.id?.slice(0, 39)}\t${docker(0)}\n`);
  });
});

it('an interrupted dry run reports what it knows, and the others as interrupted', async () => {
  const report = join(tempDir(), 'report.json');
  registry.setFaults([{ match: 'app-0/manifests', fault: { kind: 'stall', afterBytes: 10 } }]);
  const running = startAci(['prefetch', INSECURE, '--dry-run', `--report=${report}`, docker(0), docker(1)]);
  const startedAt = performance.now();
  while (running.stdout() === '' && performance.now() - startedAt < 20_000) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  running.kill('SIGINT');
  const { code, stderr } = await running.done;
  expect([code, stderr]).toEqual([130, expect.stringMatching(/1 image: .* to download; /)]);
  const { summary, images: plans } = readReport(report);
  expect(plans).toMatchObject([
    { image: docker(0), status: 'failed', error: { code: 'ERR_ABORTED' } },
    { image: docker(1), status: 'planned' },
  ]);
  expect(summary['downloadBytes']).toBeGreaterThan(400_000);
});

describe('a report that does not fit', () => {
  const none = (folder: string): string[] =>
    Array.from({ length: 20 }, (_, at) => `${join(folder, 'none')}-${at}.aci`);
  // Files end at 1024 bytes, and without the signal that would end the process.
  const limited = ['-c', `trap '' XFSZ; ulimit -f 2; exec "$@"`, 'sh', process.execPath, aciScript];

  it.each<[title: string, options: readonly string[], told: string]>([
    ['of a fetch', [], '20 images: 20 failed; '],
    ['of a dry run', ['--dry-run'], '0 images: 0 B to download; '],
  ])('leaves no part of it, and the one that was there, after the summary: %s', async (_, options, told) => {
    const folder = tempDir();
    const report = join(folder, 'report.json');
    writeFileSync(report, 'the earlier one');
    const args = ['prefetch', INSECURE, `--report=${report}`, ...options, ...none(folder)];
    const { code, stderr } = await run('sh', [...limited, ...args], { env: aciEnvironment({}) });
    expect(code).toBe(8);
    expect(stderr).toContain(`aci: ${told}`);
    expect(stderr.trimEnd().split('\n').at(-1)).toContain(`aci: the report ${report} cannot be written`);
    expect(readdirSync(folder)).toEqual(['report.json']);
    expect(readFileSync(report, 'utf8')).toBe('the earlier one');
  });

  it('is told of after an interruption too, which stays the exit code', async () => {
    const folder = join(tempDir(), 'reports');
    mkdirSync(folder);
    slow();
    const running = startAci(['prefetch', INSECURE, `--report=${join(folder, 'report.json')}`, docker(0)]);
    await running.waitForStderr(/signature verification/);
    rmdirSync(folder);
    running.kill('SIGINT');
    const { code, stderr } = await running.done;
    expect([code, stderr]).toEqual([130, expect.stringContaining('cannot be written')]);
    expect(stderr).toContain('1 image: 1 failed; ');
  });
});

it('with --progress=json the last record is the summary, once, as in the report', async () => {
  const report = join(tempDir(), 'report.json');
  const args = [
    '--progress=json',
    `--report=${report}`,
    ...images(),
    `docker://${registry.host}/team/none:1`,
  ];
  const { code, stderr } = await runAci(['prefetch', INSECURE, ...args]);
  expect(code).toBe(9);
  const records = stderr
    .trimEnd()
    .split('\n')
    .map((line): Record<string, unknown> => JSON.parse(line));
  const { time, ...summary } = records.at(-1) ?? {};
  expect(new Date(String(time)).toISOString()).toBe(time);
  expect(records.filter(({ event }) => event === 'summary')).toHaveLength(1);
  expect(summary).toEqual({ event: 'summary', ...readReport(report).summary });
  expect(summary).toMatchObject({ images: 4, fetched: 3, cached: 0, failed: 1 });
});

it('tells two platforms of one image apart, in its events and in what each has brought', async () => {
  const sizes = { amd64: 300_000, arm64: 200_000 };
  const [amd, arm] = Object.entries(sizes).map(([architecture, sizeBytes]) =>
    buildDockerImage({ layers: [[{ path: 'own', data: random.bytes(sizeBytes) }]], architecture }),
  ) as [DockerImage, DockerImage];
  const index = buildIndex([{ image: amd }, { image: arm }]);
  for (const one of [amd, arm]) registry.push('team/both', one.manifestDigest, one);
  registry.push('team/both', '1', index);
  const ownOf = ({ layers: [own] }: DockerImage) => ({
    digest: own?.digest ?? '',
    sizeBytes: own?.bytes.length,
  });
  registry.setFaults([{ match: ownOf(arm).digest, fault: { kind: 'corrupt', atByte: 50 } }]);
  const image = `docker://${registry.host}/team/both:1`;
  const platforms = ['linux/amd64', 'linux/arm64'];
  const input = JSON.stringify(platforms.map((platform) => ({ image, platform })));
  const report = join(tempDir(), 'report.json');
  const args = ['--progress=json', '--retries=0', `--report=${report}`, '-f', '-'];
  const { stderr } = await runAci(['prefetch', INSECURE, ...args], { input });
  const [first, second] = readReport(report).images;
  const downloadedBytes = (ownOf(amd).sizeBytes ?? 0) + amd.configBytes.length;
  expect(first).toMatchObject({ platform: 'linux/amd64', status: 'fetched', downloadedBytes });
  expect(second).toMatchObject({ platform: 'linux/arm64', status: 'failed' });
  expect(second?.downloadedBytes).toBeLessThanOrEqual(ownOf(arm).sizeBytes ?? 0);
  const events = stderr
    .trimEnd()
    .split('\n')
    .map((line): Record<string, unknown> => JSON.parse(line));
  for (const kind of ['image.started', 'image.resolved', 'blob.started']) {
    const told = events.filter(({ event }) => event === kind);
    expect(told.map(({ platform }) => platform).sort()).toEqual(platforms);
  }
  const begun = events.filter(({ event }) => event === 'blob.started');
  expect(begun.find(({ platform }) => platform === 'linux/arm64')?.['blob']).toBe(ownOf(arm).digest);
});

it('with --quiet there is no summary', async () => {
  const { code, stderr } = await runAci(['prefetch', INSECURE, '--progress=json', '--quiet', docker(0)]);
  expect([code, stderr]).toEqual([0, '']);
});
