/** Fifty images in one command, with everything that a network does to them at once. */

import { expect, it } from 'vitest';
import { buildDockerImage } from '../support/images/docker.js';
import { createRandom } from '../support/images/random.js';
import { runAci } from '../support/process.js';
import type { FaultPlan } from '../support/servers/faults.js';
import { startRegistry } from '../support/servers/registry.js';
import { tempDir } from '../support/temp.js';

const random = createRandom(5);
const BASE = [{ path: 'base', data: random.bytes(3_000_000) }];
const IMAGES = Array.from({ length: 50 }, (_, at) =>
  buildDockerImage({ layers: [BASE, [{ path: `own-${at}`, data: random.bytes(200_000) }]] }),
);

it('fifty images outlast 429s, resets and ten seconds without their host; one that is poisoned fails alone', async () => {
  const registry = await startRegistry({ auth: 'token', tokenTtlRequests: 20 });
  for (const [at, image] of IMAGES.entries()) registry.push(`team/app-${at}`, '1', image);
  const poisoned = IMAGES[17]?.layers[1]?.digest ?? '';
  const poison = { match: poisoned, fault: { kind: 'corrupt', atByte: 99 } } as const;
  const busy = { kind: 'status', status: 429, headers: { 'retry-after': '1' } } as const;
  const storm: FaultPlan = [
    poison,
    { match: '/v2/', skip: 10, times: 40, fault: busy },
    { match: '/blobs/', skip: 5, times: 6, fault: { kind: 'reset' } },
    { match: '/blobs/', skip: 9, times: 6, fault: { kind: 'drop', afterBytes: 50_000 } },
  ];
  registry.setFaults(storm);
  setTimeout(() => registry.setFaults([{ match: '/', fault: { kind: 'reset' } }]), 6000);
  setTimeout(() => registry.setFaults([poison]), 16_000);
  const dir = tempDir();
  const images = IMAGES.map((_, at) => `docker://${registry.host}/team/app-${at}:1`);
  const args = ['prefetch', '--insecure-options=image,http', '-f', '-'];
  const first = await runAci(args, { dir, input: images.join('\n'), timeoutMs: 300_000 });
  expect(first.stderr).toContain('50 images: 49 fetched, 1 failed');
  expect(first.code).toBe(9);
  registry.setFaults([]);
  registry.requests.length = 0;
  const second = await runAci(args, { dir, input: images.join('\n'), timeoutMs: 300_000 });
  expect(second.code).toBe(0);
  const asked = registry.requestsTo('/blobs/').map(({ path }) => path.slice(path.lastIndexOf('/') + 1));
  expect(asked.filter((digest) => digest !== IMAGES[17]?.configDigest)).toEqual([poisoned]);
  await registry.close();
});
