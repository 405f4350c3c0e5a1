/** Converts an image on disk to an ACI on stdout: `node dist/examples/convert-layout.js oci:DIR[:REF] > image.aci`. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, isFetchError } from '../src/index.js';

const [image] = process.argv.slice(2);
if (image === undefined) {
  console.error(
    'usage: node dist/examples/convert-layout.js oci:DIR[:REF]|docker-archive:FILE[:REF] > image.aci',
  );
  process.exit(2);
}

// Layers are kept in a store. One that stays makes the next conversion of a similar image faster.
const storeDir = mkdtempSync(join(tmpdir(), 'convert-layout-'));
const engine = await createEngine({ storeDir, insecure: { image: true } });
try {
  const { id, sizeBytes } = await engine.fetch({ image, output: process.stdout });
  console.error(`${id} (${sizeBytes} bytes)`);
} catch (error) {
  if (!isFetchError(error)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = error.exitCode;
} finally {
  await engine.close();
  rmSync(storeDir, { recursive: true });
}
