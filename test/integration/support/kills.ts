/** Kills of a fetching process at random moments, and what has to hold after each. */

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { storeLayout } from '../../../src/store/layout.js';
import { withRandom } from '../../support/images/random.js';
import { startAci } from '../../support/process.js';
import type { TestRegistry } from '../../support/servers/registry.js';
import { tempDir } from '../../support/temp.js';
import { aci, fetchOne, INSECURE } from './commands.js';

export interface Kills {
  readonly kills: number;
  readonly registry: TestRegistry;
  readonly image: string;
  /** What the image has as its ID. */
  readonly id: string;
}

/** The store opens after every kill and shows the whole image or none; a last fetch completes it. */
export async function killAtRandomMoments({ kills, registry, image, id }: Kills): Promise<void> {
  await withRandom(async (random) => {
    let dir = tempDir();
    let isWhole = false;
    for (let kill = 0; kill < kills; kill++) {
      // Now and then from the beginning, else every kill but the first few meets a finished image.
      if (kill % 4 === 0) [dir, isWhole] = [tempDir(), false];
      const bytesPerSecond = random.int(2, 12) * 1_000_000;
      registry.setFaults([{ match: '/blobs/', fault: { kind: 'slow', bytesPerSecond } }]);
      const running = startAci(['fetch', INSECURE, ...(isWhole ? ['--no-store'] : []), image], { dir });
      await new Promise((resolve) => setTimeout(resolve, random.int(100, 2000)));
      running.kill('SIGKILL');
      await running.done;
      const { stdout } = await aci(['image', 'list', '--json'], { dir });
      const found = (JSON.parse(stdout) as { id: string }[]).map((listed) => listed.id);
      isWhole = found.length > 0;
      expect(found).toEqual(isWhole ? [id] : []);
    }
    registry.setFaults([]);
    expect((await fetchOne(image, { dir })).id).toBe(id);
    await aci(['image', 'export', id, join(tempDir(), 'out.aci')], { dir });
    const { ingestDir, locksDir } = storeLayout(dir);
    expect(readdirSync(ingestDir)).toEqual([]);
    // One without content was made in the very moment of a kill, and tells of nobody until it is old.
    const isNamed = (name: string): boolean => statSync(join(locksDir, name)).size > 0;
    expect(readdirSync(locksDir).filter(isNamed)).toEqual([]);
  });
}
