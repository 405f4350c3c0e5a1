/** Two hundred small fetches of all kinds at once: none hangs, and nothing is left of them but the images. */

import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { testEngine } from '../integration/support/engine.js';
import { buildAci } from '../support/images/aci.js';
import { buildDockerImage } from '../support/images/docker.js';
import { createRandom, runSeed } from '../support/images/random.js';
import { type AciServer, startAciServer } from '../support/servers/aci-server.js';
import { startRegistry, type TestRegistry } from '../support/servers/registry.js';
import { tempDir } from '../support/temp.js';

const FETCHES = 200;
const random = createRandom(runSeed());
const SHARED = [{ path: 'shared', data: random.bytes(200_000) }];

let registry: TestRegistry;
let server: AciServer;
const images: string[] = [];
beforeAll(async () => {
  [registry, server] = await Promise.all([startRegistry({ auth: 'token' }), startAciServer()]);
  const folder = tempDir();
  for (let at = 0; at < FETCHES; at += 1) {
    const own = [{ path: `own-${at}`, data: random.bytes(random.int(0, 50_000)) }];
    const aci = () => buildAci({ name: `example.test/app-${at}`, entries: own });
    if (at % 4 === 0) {
      images.push(server.putAci(`/app-${at}.aci`, aci()));
    } else if (at % 4 === 1) {
      const path = join(folder, `app-${at}.aci`);
      writeFileSync(path, aci());
      images.push(path);
    } else {
      registry.push(`team/app-${at}`, '1', buildDockerImage({ layers: [SHARED, own] }));
      images.push(`docker://${registry.host}/team/app-${at}:1`);
    }
  }
});
afterAll(() => Promise.all([registry.close(), server.close()]));

const openFiles = (): number => readdirSync('/proc/self/fd').length;
const threads = (): number => readdirSync('/proc/self/task').length;

it.each([1, 2, 8])('with %d workers', async (workers) => {
  // The first engine of a process loads what stays.
  await (await testEngine({ workers: 1 })).close();
  const before = { files: openFiles(), threads: threads() };
  const storeDir = tempDir();
  const engine = await testEngine({ storeDir, workers, jobs: 50, connections: 40, connectionsPerHost: 20 });
  const outcomes = await engine.fetchAll(images.map((image) => ({ image })));
  expect(outcomes.filter(({ status }) => status !== 'fetched')).toEqual([]);
  expect(await engine.listImages()).toHaveLength(FETCHES);
  await engine.close();
  expect(readdirSync(join(storeDir, 'ingest'))).toEqual([]);
  expect(readdirSync(join(storeDir, 'locks'))).toEqual([]);
  // Sockets that the servers of this process have for it close a moment later.
  for (let left = 50; left > 0 && (openFiles() > before.files || threads() > before.threads); left -= 1) {
    await sleep(100);
  }
  expect({ files: openFiles(), threads: threads() }).toEqual({
    files: expect.toSatisfy((files: number) => files <= before.files),
    threads: expect.toSatisfy((count: number) => count <= before.threads),
  });
});
