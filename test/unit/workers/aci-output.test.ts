/** Where an ACI comes together. */

import { expect, it } from 'vitest';
import { createSha512 } from '../../../wasm/sha512.js';
import { createAciOutput } from '../../../workers/aci-output.js';

it('has a bound on the bytes that are in no layer', async () => {
  const { signal } = new AbortController();
  const output = createAciOutput({ hash: await createSha512(), blobs: [], followers: [], signal });
  const megabyte = Buffer.alloc(1024 * 1024);
  for (let count = 0; count < 128; count += 1) await output.literal(megabyte);
  await expect(output.literal(Buffer.alloc(1))).rejects.toMatchObject({ code: 'ERR_LIMIT', exitCode: 7 });
});
