/** `docker-cold` and `docker-cached-layers`: an image of large gzip layers, beside skopeo and umoci and a pipe of tools. */

import { rmSync } from 'node:fs';
import { measure } from './measure.js';
import { blobFile, imageSet, type Layer, sizeOf } from './oci-layout.js';
import { type BenchRegistry, startRealRegistry, startSmallRegistry, TAG } from './registry.js';
import { type Contender, type Report, report } from './report.js';
import { aci, emptyWork, megabytes, type ScenarioOptions, sameId, workDir } from './scenario.js';
import { measureStages } from './stages.js';

const LAYERS = 6;
const BIG = 'bench/big';
/** All layers of `BIG` but the top one. */
const NEXT = 'bench/next';

const store = `${workDir}/store`;

interface Images {
  readonly registry: BenchRegistry;
  readonly layout: string;
  /** Base first: those of `BIG`, then the top one of `NEXT`. */
  readonly layers: readonly Layer[];
}

export function benchDockerCold(options: ScenarioOptions): Promise<Report> {
  return withImages(options, (images) => {
    const { registry } = images;
    const layers = images.layers.slice(0, LAYERS);
    const blobs = layers.map(({ digest }) => `http://${registry.host}/v2/${BIG}/blobs/${digest}`);
    const prepare = () => emptyWork(options.scale);
    const pipe = (inflate: string, hash: string): string =>
      `for url in ${blobs.join(' ')}; do curl -sS "$url" | ${inflate} -dc; done | ${hash}`;
    return report({
      scenario: 'docker-cold',
      about: `an image of ${about(layers)} into an empty store`,
      runs: options.runs,
      contenders: [
        { name: 'aci fetch', prepare, run: () => measure(fetchScript(registry, BIG)), check: sameId() },
        {
          name: 'skopeo copy + umoci unpack',
          tools: ['skopeo', 'umoci'],
          prepare,
          run: () => measure(peerScript(registry, BIG, 'layout', 'bundle')),
          aim: 0.33,
        },
        {
          name: 'curl \\| igzip -dc \\| openssl sha512',
          tools: ['curl', 'igzip', 'openssl'],
          prepare,
          run: () => measure(pipe('igzip', 'openssl sha512')),
          aim: 0.55,
        },
        {
          name: 'curl \\| gzip -dc \\| sha512sum',
          tools: ['curl', 'gzip', 'sha512sum'],
          prepare,
          run: () => measure(pipe('gzip', 'sha512sum')),
        },
      ],
      bound: {
        measure: () => stagesOf(images, BIG, layers, sizeOf(layers).tarBytes),
        serial: ['sha512Ms'],
        aim: 1.25,
      },
    });
  });
}

export function benchDockerCachedLayers(options: ScenarioOptions): Promise<Report> {
  return withImages(options, (images) => {
    const { registry } = images;
    const ownLayer = images.layers.slice(LAYERS);
    const layers = [...images.layers.slice(0, LAYERS - 1), ...ownLayer];
    const prepared = (script: string) => async () => {
      await emptyWork(options.scale);
      await measure(`${script}\nsync`);
    };
    const contenders: Contender[] = [
      {
        name: 'aci fetch',
        prepare: prepared(fetchScript(registry, BIG)),
        run: () => measure(fetchScript(registry, NEXT)),
        check: sameId(),
      },
      {
        name: 'skopeo copy + umoci unpack',
        tools: ['skopeo', 'umoci'],
        prepare: prepared(copyScript(registry, BIG, 'layout')),
        run: () => measure(peerScript(registry, NEXT, 'layout', 'bundle')),
      },
    ];
    return report({
      scenario: 'docker-cached-layers',
      about: `an image of ${about(layers)} into a store that has all layers but the top one`,
      runs: options.runs,
      contenders,
      bound: {
        measure: () => stagesOf(images, NEXT, ownLayer, sizeOf(layers).tarBytes),
        serial: ['sha512Ms'],
      },
    });
  });
}

async function withImages(
  { scale, isSmoke }: ScenarioOptions,
  body: (images: Images) => Promise<Report>,
): Promise<Report> {
  const order = Array.from({ length: LAYERS }, (_, layer) => layer);
  const { layout, layers } = await imageSet({
    name: 'docker',
    layerBytes: [...order, LAYERS].map(() => Math.round((1e9 * scale) / LAYERS)),
    images: { big: order, next: [...order.slice(0, -1), LAYERS] },
  });
  const registry = await (isSmoke ? startSmallRegistry() : startRealRegistry());
  try {
    await registry.push(layout, 'big', BIG);
    await registry.push(layout, 'next', NEXT);
    return await body({ registry, layout, layers });
  } finally {
    await registry.close();
    rmSync(workDir, { recursive: true, force: true });
  }
}

function stagesOf(
  { registry, layout }: Images,
  repository: string,
  layers: readonly Layer[],
  hashedBytes: number,
) {
  const { tarBytes, gzipBytes } = sizeOf(layers);
  return measureStages({
    urls: layers.map(({ digest }) => `http://${registry.host}/v2/${repository}/blobs/${digest}`),
    serverPid: registry.pid,
    gzipFiles: layers.map((layer) => blobFile(layout, layer)),
    wireBytes: gzipBytes,
    tarBytes,
    hashedBytes,
    hasWireDigest: true,
    directory: workDir,
  });
}

function fetchScript({ host }: BenchRegistry, repository: string): string {
  return `${aci({ store, insecure: 'image,http' })} fetch --full docker://${host}/${repository}:${TAG}`;
}

/** Into an OCI layout of the work folder. */
export function copyScript({ host }: BenchRegistry, repository: string, layout: string): string {
  const target = `oci:${workDir}/${layout}:${repository.replaceAll('/', '-')}`;
  return `skopeo copy --quiet --insecure-policy --src-tls-verify=false docker://${host}/${repository}:${TAG} ${target}`;
}

/** Copies to a layout and unpacks from it into a bundle. */
export function peerScript(
  registry: BenchRegistry,
  repository: string,
  layout: string,
  bundle: string,
): string {
  const rootless = process.getuid?.() === 0 ? '' : '--rootless';
  const image = `${workDir}/${layout}:${repository.replaceAll('/', '-')}`;
  return [
    copyScript(registry, repository, layout),
    `umoci unpack ${rootless} --image ${image} ${workDir}/${bundle} >/dev/null`,
  ].join('\n');
}

function about(layers: readonly Layer[]): string {
  const { tarBytes, gzipBytes } = sizeOf(layers);
  return `${megabytes(tarBytes)} in ${layers.length} gzip layers (${megabytes(gzipBytes)})`;
}
