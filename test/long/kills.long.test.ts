/** Many kills at random moments: what one run in sixty leaves behind must do no harm either. */

import { afterAll, beforeAll, describe, it } from 'vitest';
import { fetchOne } from '../integration/support/commands.js';
import { killAtRandomMoments } from '../integration/support/kills.js';
import { buildDockerImage } from '../support/images/docker.js';
import { createRandom } from '../support/images/random.js';
import { startRegistry, type TestRegistry } from '../support/servers/registry.js';

const random = createRandom(12);
let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
  const layers = [0, 1, 2].map((layer) => [{ path: `data-${layer}`, data: random.bytes(2_000_000) }]);
  registry.push('team/app', '1', buildDockerImage({ layers }));
});
afterAll(() => registry.close());

describe('sixty kills of a fetching process', () => {
  it('leave a store that opens, and a fetch that completes it', async () => {
    const image = `docker://${registry.host}/team/app:1`;
    const { id } = await fetchOne(image);
    await killAtRandomMoments({ kills: 60, registry, image, id });
  });
});
