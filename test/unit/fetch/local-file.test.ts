/** Small local files: plain ones, and pipes that may never have a writer. */

import { createWriteStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readLocalFile } from '../../../src/fetch/local-file.js';
import { readPublicKeysFrom } from '../../../src/fetch/public-keys.js';
import { readSignatureAt } from '../../../src/fetch/signature-file.js';
import { createHttpClient } from '../../../src/http/client.js';
import { DEFAULT_HTTP_OPTIONS } from '../../../src/http/options.js';
import { runTool } from '../../support/process.js';
import { tempDir } from '../../support/temp.js';

const { signal } = new AbortController();
const at = (path: string) => ({ path, maxBytes: 100_000, stage: 'resolve' }) as const;

async function makePipe(): Promise<string> {
  const path = join(tempDir(), 'pipe');
  await runTool('mkfifo', [path]);
  return path;
}

describe('a file', () => {
  it('is read whole', async () => {
    const path = join(tempDir(), 'file');
    writeFileSync(path, 'x'.repeat(100_000));
    expect((await readLocalFile({ ...at(path), isPlain: true }, signal)).length).toBe(100_000);
  });

  it.each([
    ['is not there', 'none', { code: 'ENOENT' }],
    ['is a folder', '.', { code: 'EISDIR' }],
    ['does not end', '/dev/zero', { code: 'ERR_LIMIT' }],
  ])('that %s is refused', async (_, name, error) => {
    const path = name.startsWith('/') ? name : join(tempDir(), name);
    await expect(readLocalFile(at(path), signal)).rejects.toMatchObject(error);
  });
});

describe('a pipe', () => {
  it.each([
    ['to its end', 100_000, 100_000],
    ['to its bound', 1_000_000, 'ERR_LIMIT'],
  ])('is read %s, however late its writer comes', async (_, sizeBytes, expected) => {
    const path = await makePipe();
    const read = readLocalFile(at(path), signal).then(
      ({ length }) => length,
      (error: { code: string }) => error.code,
    );
    const writer = createWriteStream(path);
    writer.on('error', () => {});
    writer.end(Buffer.alloc(sizeBytes));
    expect(await read).toBe(expected);
  });

  it('that nobody names is refused at once', async () => {
    const path = await makePipe();
    const optional = readSignatureAt({ path, isOptional: true }, signal);
    await expect(optional).rejects.toMatchObject({ code: 'ERR_IO', exitCode: 8 });
  });

  it('without a writer is waited for until the signal is aborted', async () => {
    const http = createHttpClient(DEFAULT_HTTP_OPTIONS);
    for (const read of [
      (path: string, ends: AbortSignal) => readSignatureAt({ path, isOptional: false }, ends),
      (path: string, ends: AbortSignal) =>
        readPublicKeysFrom({ http, insecureHttp: false, retries: 0 }, path, ends),
    ]) {
      const path = await makePipe();
      const ends = AbortSignal.timeout(50);
      await expect(read(path, ends)).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    }
    await http.close();
  });
});
