/** Many engines, threads and processes, started and ended at all moments. */

import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { INSECURE } from '../integration/support/commands.js';
import { withEngine } from '../integration/support/engine.js';
import { buildDockerImage } from '../support/images/docker.js';
import { createRandom, randomFiles, withRandom } from '../support/images/random.js';
import { run, startAci } from '../support/process.js';
import { projectDir } from '../support/project.js';
import { startRegistry, type TestRegistry } from '../support/servers/registry.js';
import { tempDir } from '../support/temp.js';

const random = createRandom(11);
const image = buildDockerImage({
  layers: Array.from({ length: 8 }, (_, index) => [
    ...randomFiles(random, { count: 15, directory: `layer-${index}`, maxSizeBytes: 100_000 }),
    { path: 'shared', data: `layer ${index}` },
    { path: `.wh.layer-${index - 3}` },
  ]),
});

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
  registry.push('team/app', '1.0', image);
});
afterAll(() => registry.close());
const source = () => `docker://${registry.host}/team/app:1.0`;

describe('the ID of an image', () => {
  it('is one in ten fetches with each of ten numbers of workers, with layers late at random', async () => {
    await withRandom(async (draw) => {
      const ids = new Set<string>();
      for (let workers = 1; workers <= 10; workers++) {
        for (let round = 0; round < 10; round++) {
          registry.setFaults(
            image.layers.map(({ digest }) => ({
              match: digest,
              fault: { kind: 'delay', delayMs: draw.int(0, 60) },
            })),
          );
          await withEngine({ workers, connections: draw.int(1, 10) }, async (engine) => {
            ids.add((await engine.fetch({ image: source() })).id);
          });
        }
      }
      registry.setFaults([]);
      expect(ids.size).toBe(1);
    });
  });
});

describe('a pool of threads', () => {
  it('can be closed at any moment while they load', async () => {
    const script = join(tempDir(), 'close.mjs');
    const pool = join(projectDir, 'dist', 'src', 'tasks', 'pool.js');
    // A child process, because what could go wrong ends all of it.
    writeFileSync(
      script,
      `import { createPool } from ${JSON.stringify(pool)};
      const { signal } = new AbortController();
      const startedAt = performance.now();
      const first = createPool(4);
      await first.run('extract', { parts: [], directory: '/', id: '' }, { signal }).catch(() => {});
      const loadMs = performance.now() - startedAt;
      await first.close();
      for (let round = 0; round < 200; round++) {
        const next = createPool(4);
        await new Promise((resolve) => setTimeout(resolve, (loadMs * (round % 100)) / 100));
        await next.close();
      }`,
    );
    const result = await run(process.execPath, [script], { timeoutMs: 600_000 });
    expect(result).toMatchObject({ code: 0, signal: null, stderr: '' });
  });
});

describe('processes side by side', () => {
  it('download each layer once for one store, round after round', async () => {
    for (let round = 0; round < 10; round++) {
      const home = tempDir();
      registry.requests.length = 0;
      const running = Array.from({ length: 5 }, () =>
        startAci(['fetch', INSECURE, '--full', source()], { home }),
      );
      const results = await Promise.all(running.map(({ done }) => done));
      expect(new Set(results.map(({ code, stdout }) => `${code} ${stdout}`)).size).toBe(1);
      expect(results[0]?.code).toBe(0);
      const counts = image.layers.map(({ digest }) => registry.requestsTo(digest).length);
      expect(counts).toEqual(image.layers.map(() => 1));
      const files = readdirSync(join(home, 'store'), { recursive: true, encoding: 'utf8' });
      expect(files.filter((file) => file.endsWith('.part'))).toEqual([]);
    }
  });
});
