/** One store, several processes: real ones, with the built library. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { layerBlob } from '../../../src/store/layout.js';
import { type RunningProcess, start } from '../../support/process.js';
import { projectDir } from '../../support/project.js';
import { addImage, addLayer, digestOf, idOf, NEVER, newStore } from './stored-images.js';

const STORE_MODULE = pathToFileURL(join(projectDir, 'dist', 'src', 'store', 'store.js')).href;

/** Runs a script that has the open `store` and a `signal`. */
function inProcess(dir: string, body: string): RunningProcess {
  const script = `
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
const { openStore } = await import(${JSON.stringify(STORE_MODULE)});
const store = await openStore(${JSON.stringify(dir)});
const { signal } = new AbortController();
const ready = () => process.stderr.write('ready');
const forEver = () => new Promise(() => setInterval(() => {}, 1000));
${body}`;
  return start(process.execPath, ['--input-type=module', '-e', script], { timeoutMs: 30_000 });
}

async function killed(child: RunningProcess): Promise<void> {
  child.kill('SIGKILL');
  await child.done;
}

describe('processes with one store', () => {
  it('hold a lock one at a time', async () => {
    const { dir } = await newStore();
    const log = join(dir, 'log');
    writeFileSync(log, '');
    const body = `
for (let round = 0; round < 5; round++) {
  const lock = await store.lock('x', signal);
  appendFileSync(${JSON.stringify(log)}, 'enter ' + process.pid + '\\n');
  for (let i = 0; i < 20; i++) await turn();
  appendFileSync(${JSON.stringify(log)}, 'leave ' + process.pid + '\\n');
  await lock.release();
  await turn();
}`;
    const children = [1, 2, 3].map(() => inProcess(dir, body));
    for (const child of children) expect((await child.done).code, child.stderr()).toBe(0);
    const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
    expect(lines.length).toBe(2 * 3 * 5);
    for (let at = 0; at < lines.length; at += 2) {
      expect(lines[at]).toMatch(/^enter \d+$/);
      expect(lines[at + 1]).toBe(lines[at]?.replace('enter', 'leave'));
    }
  });

  it('take over the lock and clear the folder of one that was killed', async () => {
    const { store, dir } = await newStore();
    const child = inProcess(
      dir,
      `const lease = await store.lease(signal);
writeFileSync(join(lease.folder, 'big'), 'x');
await store.lock('layer x', signal);
ready();
await forEver();`,
    );
    await child.waitForStderr(/ready/);
    await expect(store.lock('layer x', AbortSignal.timeout(200))).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    });
    const before = readdirSync(store.layout.ingestDir);
    expect(before.length).toBe(2);
    await killed(child);
    const lock = await store.lock('layer x', AbortSignal.timeout(5000));
    await lock.release();
    const lease = await store.lease(NEVER);
    expect(readdirSync(store.layout.ingestDir)).toEqual([basename(lease.folder)]);
  });

  it('take over the sweep lock of one that was killed', async () => {
    const { store, dir } = await newStore();
    const child = inProcess(dir, `await store.lock('sweep', signal); ready(); await forEver();`);
    await child.waitForStderr(/ready/);
    await killed(child);
    await store.sweepBlobs(AbortSignal.timeout(5000));
  });

  it('remove no blob that another one may count on, until it has ended', async () => {
    const { store, lease, dir } = await newStore();
    const digest = await addLayer(store, lease, 'x');
    await addImage(store, lease, 'a', { layers: [digest] });
    const child = inProcess(dir, `await store.lease(signal); ready(); await forEver();`);
    await child.waitForStderr(/ready/);
    await store.removeImage(idOf('a'));
    await store.sweepBlobs(NEVER);
    expect(existsSync(store.layout.blobFile(layerBlob(digest)))).toBe(true);
    await killed(child);
    await store.sweepBlobs(NEVER);
    expect(existsSync(store.layout.blobFile(layerBlob(digest)))).toBe(false);
  });

  it('remove blobs when the others have given their leases back', async () => {
    const { store, lease, dir } = await newStore();
    await addLayer(store, lease, 'x');
    const child = inProcess(dir, `await (await store.lease(signal)).release(); ready(); await forEver();`);
    await child.waitForStderr(/ready/);
    await store.sweepBlobs(NEVER);
    expect(await store.hasLayer(digestOf('x'))).toBe(false);
    await killed(child);
  });

  it('see what the others have committed', async () => {
    const { store, dir } = await newStore();
    const child = inProcess(
      dir,
      `const lease = await store.lease(signal);
for (const kind of ['tar', 'index']) writeFileSync(join(lease.folder, kind), 'x');
await store.commitLayer(${JSON.stringify(digestOf('x'))}, join(lease.folder, 'tar'), join(lease.folder, 'index'));
await lease.release();`,
    );
    expect((await child.done).code, child.stderr()).toBe(0);
    expect(await store.hasLayer(digestOf('x'))).toBe(true);
  });

  it('end by themselves, whatever they hold', async () => {
    const { dir } = await newStore();
    const child = inProcess(dir, `await store.lease(signal); await store.lock('x', signal);`);
    expect((await child.done).code, child.stderr()).toBe(0);
  });

  it('may open a new store at the same time', async () => {
    const { dir } = await newStore();
    const fresh = join(dir, 'fresh');
    const children = [1, 2, 3, 4].map(() => inProcess(fresh, 'await store.listImages();'));
    for (const child of children) expect((await child.done).code, child.stderr()).toBe(0);
    expect(readdirSync(join(fresh, 'ingest'))).toEqual([]);
  });
});
