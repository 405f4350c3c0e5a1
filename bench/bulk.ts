/** `bulk-20`: many images with a common base by one command, beside as many single commands. */

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StageName } from './bound.js';
import { peerScript } from './docker.js';
import { type Measurement, measure } from './measure.js';
import { blobFile, imageSet, sizeOf } from './oci-layout.js';
import {
  type BenchRegistry,
  type BlobRequest,
  startRealRegistry,
  startSmallRegistry,
  TAG,
} from './registry.js';
import { type Contender, type Figure, type Report, report } from './report.js';
import { aci, emptyWork, megabytes, type ScenarioOptions, workDir } from './scenario.js';
import { measureStages } from './stages.js';

const IMAGES = 20;
const SMOKE_IMAGES = 3;
const BASE_BYTES = 100e6;
const OWN_BYTES = 50e6;
/** The aim counts nothing else. */
const AIMED_STAGES: readonly StageName[] = ['downloadMs', 'inflateMs', 'sha512Ms'];

const repositoryOf = (image: number): string => `bench/bulk-${image}`;

export async function benchBulk(options: ScenarioOptions): Promise<Report> {
  const { scale, isSmoke, runs } = options;
  const numbers = Array.from({ length: isSmoke ? SMOKE_IMAGES : IMAGES }, (_, at) => at + 1);
  const { layout, layers } = await imageSet({
    name: 'bulk',
    layerBytes: [BASE_BYTES, ...numbers.map(() => OWN_BYTES)].map((bytes) => Math.round(bytes * scale)),
    images: Object.fromEntries(numbers.map((number) => [`image-${number}`, [0, number]])),
  });
  const registry = await (isSmoke ? startSmallRegistry() : startRealRegistry());
  try {
    for (const number of numbers) await registry.push(layout, `image-${number}`, repositoryOf(number));
    const { tarBytes, gzipBytes } = sizeOf(layers);
    const blobsPerRun: BlobRequest[][] = [];
    return await report({
      scenario: 'bulk-20',
      about: `${numbers.length} images of ${megabytes(scale * (BASE_BYTES + OWN_BYTES))} with a common base of ${megabytes(scale * BASE_BYTES)}`,
      runs,
      contenders: contenders(registry, scale, numbers, blobsPerRun),
      bound: {
        measure: () =>
          measureStages({
            urls: layers.map(
              ({ digest }, at) =>
                `http://${registry.host}/v2/${repositoryOf(Math.max(1, at))}/blobs/${digest}`,
            ),
            serverPid: registry.pid,
            gzipFiles: layers.map((layer) => blobFile(layout, layer)),
            wireBytes: gzipBytes,
            tarBytes,
            hashedBytes: tarBytes + (numbers.length - 1) * (layers[0]?.tarBytes ?? 0),
            hasWireDigest: true,
            directory: workDir,
          }),
        of: AIMED_STAGES,
        serial: [],
        aim: 1.3,
      },
      moreFigures: () => [wholeFigure(blobsPerRun), sentFigure(blobsPerRun, gzipBytes)],
    });
  } finally {
    await registry.close();
    rmSync(workDir, { recursive: true, force: true });
  }
}

function contenders(
  registry: BenchRegistry,
  scale: number,
  numbers: readonly number[],
  blobsPerRun: BlobRequest[][],
): Contender[] {
  const list = join(workDir, 'images.txt');
  const references = numbers.map((number) => `docker://${registry.host}/${repositoryOf(number)}:${TAG}`);
  const prepare = async (): Promise<void> => {
    await emptyWork(scale);
    writeFileSync(list, `${references.join('\n')}\n`);
  };
  const command = (store: string): string => aci({ store: `${workDir}/${store}`, insecure: 'image,http' });
  return [
    {
      name: 'aci prefetch',
      prepare,
      async run() {
        const before = registry.blobRequests().length;
        const measurement = await measure(`${command('store')} prefetch -f '${list}'`);
        blobsPerRun.push(registry.blobRequests().slice(before));
        return measurement;
      },
      check: fetched(numbers.length),
    },
    {
      name: 'xargs -P2 over aci fetch, a store each',
      prepare,
      // xargs replaces {} within the quotes of the shell that it starts.
      run: () =>
        measure(
          `nl -w1 -s' ' '${list}' | xargs -P2 -L1 bash -c '${command('store-$0').replaceAll("'", '"')} fetch $1'`,
        ),
      check: fetched(numbers.length),
      aim: 1 / 5,
    },
    {
      name: 'skopeo copy + umoci unpack, one by one',
      tools: ['skopeo', 'umoci'],
      prepare,
      run: () =>
        measure(
          numbers
            .map((number) => peerScript(registry, repositoryOf(number), 'layout', `bundle-${number}`))
            .join('\n'),
        ),
      aim: 1 / 3,
    },
  ];
}

function fetched(images: number): (measurement: Measurement) => void {
  return ({ stdout }) => {
    const ids = new Set(stdout.match(/sha512-[0-9a-f]{32,}/g) ?? []);
    if (ids.size !== images) throw new Error(`${ids.size} images instead of ${images}: ${stdout}`);
  };
}

/** Of every run the largest number of requests for the whole of one blob. */
function wholeFigure(blobsPerRun: readonly (readonly BlobRequest[])[]): Figure {
  const most = blobsPerRun.flatMap((blobs) => {
    const whole = blobs.filter(({ isPart }) => !isPart);
    return whole.map(({ digest }) => whole.filter((other) => other.digest === digest).length);
  });
  return { what: 'requests for one blob, parts apart, at most', value: Math.max(...most), atMost: 1 };
}

/** Beyond the blobs: configs, and of a request that was divided what was on its way when it was cut. */
function sentFigure(blobsPerRun: readonly (readonly BlobRequest[])[], blobBytes: number): Figure {
  const sent = blobsPerRun.map((blobs) => blobs.reduce((sum, { sentBytes }) => sum + sentBytes, 0));
  return { what: 'bytes sent / bytes of the blobs', value: Math.max(...sent) / blobBytes, atMost: 1.05 };
}
