/** Engines of the built library on stores of their own. */

import { createEngine, type Engine, type EngineOptions } from '../../../dist/src/index.js';
import { tempDir } from '../../support/temp.js';

const INSECURE = { image: true, http: true } as const;

/** An engine for registries without TLS; default: two workers and a new store. */
export function testEngine(options: Partial<EngineOptions> = {}): Promise<Engine> {
  return createEngine({ storeDir: tempDir('acifetch-store-'), workers: 2, insecure: INSECURE, ...options });
}

/** Runs `use` on such an engine, and closes it. */
export async function withEngine<T>(
  options: Partial<EngineOptions>,
  use: (engine: Engine) => Promise<T>,
): Promise<T> {
  const engine = await testEngine(options);
  try {
    return await use(engine);
  } finally {
    await engine.close();
  }
}
