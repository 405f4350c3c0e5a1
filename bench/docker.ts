/** `docker`: a large image of gzip layers from the real registry on loopback, beside skopeo and umoci. */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { startDockerRegistry } from '../test/support/docker-registry.js';
import { aciScript } from '../test/support/project.js';
import { pushLayout } from '../test/support/skopeo.js';
import { hasTool } from '../test/support/tools.js';
import { bigImage, cacheDir } from './big-image.js';
import { type Measurement, measure } from './measure.js';
import { type Contender, type Report, report } from './report.js';

export interface DockerBench {
  readonly tarBytes: number;
  readonly layers: number;
  readonly runs: number;
}

const IMAGE = 'bench/big:1.0';

export async function benchDocker({ tarBytes, layers, runs }: DockerBench): Promise<Report> {
  for (const tool of ['docker-registry', 'skopeo', 'umoci'] as const) {
    if (!hasTool(tool)) throw new Error(`${tool} is not installed: run the tests once, or install it`);
  }
  const image = await bigImage(tarBytes, layers);
  const registry = await startDockerRegistry({ dir: join(cacheDir, 'registry') });
  const work = join(cacheDir, 'work');
  try {
    await pushLayout({ layout: image.layout, ref: 'big', registryHost: registry.host, target: IMAGE });
    const store = join(work, 'store');
    const aci = `node '${aciScript}' --dir '${store}' --insecure-options=image,http --progress=none`;
    const source = `docker://${registry.host}/${IMAGE}`;
    const contenders: Contender[] = [
      { name: 'aci fetch', prepare: clean(work), run: () => measure(`${aci} fetch --full ${source}`) },
      {
        name: 'skopeo copy + umoci unpack',
        prepare: clean(work),
        run: () => measure(peerScript(source, work)),
      },
    ];
    const ids = new Set<string>();
    const check = (name: string, { stdout }: Measurement): void => {
      if (name !== 'aci fetch') return;
      if (!/^sha512-[0-9a-f]{128}\n$/.test(stdout)) throw new Error(`no image ID: ${stdout}`);
      ids.add(stdout);
      if (ids.size > 1) throw new Error('the image ID varies');
    };
    return await report({ scenario: 'docker', ...image, contenders, runs, check });
  } finally {
    await registry.close();
    rmSync(work, { recursive: true, force: true });
  }
}

function clean(work: string): () => Promise<void> {
  return async () => {
    // In a virtual machine the first touch of a page of memory costs ten times what writing to it costs: without
    // this the page cache of whoever comes first pays. Then nothing of the last run waits for the disk any more.
    const pages = `head -c 4000000000 /dev/zero >'${work}/pages'; rm '${work}/pages'`;
    await measure(`rm -rf '${work}'; mkdir -p '${work}'; ${pages}; sync`);
  };
}

function peerScript(source: string, work: string): string {
  return [
    `skopeo copy --quiet --insecure-policy --src-tls-verify=false ${source} oci:${work}/layout:big`,
    `umoci unpack ${process.getuid?.() === 0 ? '' : '--rootless'} --image ${work}/layout:big ${work}/bundle >/dev/null`,
  ].join('\n');
}
