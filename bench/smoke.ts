/** `smoke`: every scenario at a size that takes seconds, so that none of them rots; its figures mean nothing. */

import { buildDockerImage } from '../test/support/images/docker.js';
import { createRandom } from '../test/support/images/random.js';
import { aciScript } from '../test/support/project.js';
import { startRegistry } from '../test/support/servers/registry.js';
import { removeTempDirs, tempDir } from '../test/support/temp.js';
import { hasTool } from '../test/support/tools.js';
import { benchHash } from './hash.js';
import { measure } from './measure.js';
import { type Report, report } from './report.js';
import { benchSigned } from './signed.js';

export async function benchSmoke(): Promise<Report> {
  await benchHash(4, 1);
  if (hasTool('gpg')) await benchSigned(2e6, 1);
  const random = createRandom(1);
  const image = buildDockerImage({
    layers: [0, 1].map((layer) => [{ path: `data-${layer}`, data: random.bytes(1_000_000) }]),
  });
  const registry = await startRegistry();
  try {
    registry.push('bench/small', '1.0', image);
    const store = tempDir('acifetch-bench-');
    const aci = `node '${aciScript}' --dir '${store}' --insecure-options=image,http --progress=none`;
    const run = () => measure(`${aci} fetch docker://${registry.host}/bench/small:1.0`);
    const contenders = [{ name: 'aci fetch', prepare: async () => {}, run }];
    const size = { tarBytes: 2e6, gzipBytes: 2e6, layers: 2 };
    return await report({ scenario: 'smoke', ...size, contenders, runs: 1, check() {} });
  } finally {
    await registry.close();
    removeTempDirs();
  }
}
