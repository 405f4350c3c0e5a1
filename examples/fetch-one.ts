/** Fetches one image into a store: `node dist/examples/fetch-one.js STORE_DIR IMAGE`. Elsewhere, import `acifetch`. */

import { createEngine, isFetchError } from '../src/index.js';

const [storeDir, image] = process.argv.slice(2);
if (storeDir === undefined || image === undefined) {
  console.error('usage: node dist/examples/fetch-one.js STORE_DIR IMAGE');
  process.exit(2);
}

const engine = await createEngine({ storeDir, insecure: { image: true } });
try {
  const { id, name, status } = await engine.fetch({ image });
  console.log(`${id} ${name} (${status})`);
} catch (error) {
  if (!isFetchError(error)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = error.exitCode;
} finally {
  await engine.close();
}
