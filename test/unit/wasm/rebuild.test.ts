/** The kernels in the tree are what their sources and the pinned compiler make. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { INFLATE_WASM_BASE64 } from '../../../wasm/inflate-bytes.js';
import { SHA512_WASM_BASE64 } from '../../../wasm/sha512-bytes.js';
import { run } from '../../support/process.js';
import { projectDir } from '../../support/project.js';
import { tempDir } from '../../support/temp.js';

const folder = join(projectDir, 'wasm');

it('compiles to the bytes in the tree', async () => {
  const out = tempDir();
  const { code, stderr } = await run(process.execPath, [join(folder, 'build.mjs'), '--out', out]);
  expect(code, stderr).toBe(0);
  for (const name of ['sha512.wasm', 'sha512-bytes.ts', 'inflate.wasm', 'inflate-bytes.ts']) {
    expect(readFileSync(join(out, name)).equals(readFileSync(join(folder, name))), name).toBe(true);
  }
});

it.each([
  ['sha512', SHA512_WASM_BASE64],
  ['inflate', INFLATE_WASM_BASE64],
])('is the same in the module that the program loads: %s', (name, base64) => {
  expect(Buffer.from(base64, 'base64').equals(readFileSync(join(folder, `${name}.wasm`)))).toBe(true);
});
