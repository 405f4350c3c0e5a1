/** What every task runner has to do, whether its tasks have threads or not. */

import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { DEFAULT_HTTP_OPTIONS } from '../../src/http/options.js';
import type { AssembleInput, FetchLayerInput, RegistryLayer, TaskNote } from '../../src/tasks/contract.js';
import { blobCounters, newBlobCounters } from '../../src/tasks/counters.js';
import type { TaskRunner } from '../../src/tasks/runner.js';
import type { Digest } from '../../src/types.js';
import { buildAci } from '../support/images/aci.js';
import { createRandom } from '../support/images/random.js';
import { buildTar } from '../support/images/tar.js';
import { startAciServer } from '../support/servers/aci-server.js';
import type { FaultPlan } from '../support/servers/faults.js';
import { tempDir } from '../support/temp.js';

const NEVER = new AbortController().signal;
// Every task listens to it.
setMaxListeners(0, NEVER);

/** Errors of the built library are of its own class; these are their facts. */
async function failureOf(running: Promise<unknown>): Promise<Record<string, unknown>> {
  const error = (await running.then(
    () => new Error('it did not fail'),
    (thrown: unknown) => thrown,
  )) as Record<string, unknown>;
  const { code, stage, hint, exitCode, message } = error;
  return { code, stage, hint, exitCode, message };
}

/** A layer of which nothing is there yet. */
function openLayer(): AssembleInput['layers'][number] {
  const dir = tempDir('layer-');
  for (const name of ['tar', 'index']) writeFileSync(join(dir, name), '');
  return {
    digest: `sha256:${'0'.repeat(64)}` as Digest,
    tarFiles: [join(dir, 'tar')],
    indexFiles: [join(dir, 'index')],
    counters: newBlobCounters().memory,
  };
}

interface LayerInput extends FetchLayerInput {
  readonly source: RegistryLayer;
  readonly started: Promise<unknown>;
}

async function layerInput(faults: FaultPlan = []): Promise<LayerInput> {
  const server = await startAciServer({ faults });
  onTestFinished(() => server.close());
  const bytes = buildTar([{ path: 'file', data: createRandom(1).bytes(200_000) }]);
  const layer = openLayer();
  const http = { ...DEFAULT_HTTP_OPTIONS, insecureHttp: true };
  return {
    source: {
      kind: 'registry',
      request: { url: server.putFile('/layer', bytes), http, retries: 0 },
      partialFile: `${layer.tarFiles[0]}.part`,
    },
    digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest,
    sizeBytes: bytes.length,
    priority: 0,
    tarFile: layer.tarFiles[0] ?? '',
    indexFile: layer.indexFiles[0] ?? '',
    counters: layer.counters,
    started: server.waitForRequest('/layer'),
  };
}

/** Registers the suite; `create` makes a runner that the suite closes. */
export function describeRunner(name: string, create: () => Promise<TaskRunner>): void {
  describe(`the ${name} runner`, () => {
    let runner: TaskRunner;
    beforeAll(async () => {
      runner = await create();
    });
    afterAll(() => runner.close());

    it('hands back results, bytes among them', async () => {
      const output = await runner.run('assemble', { manifest: '{}', layers: [] }, { signal: NEVER });
      const [extent] = output.extents;
      expect(output.extents.length).toBe(1);
      const bytes = extent !== undefined && 'bytes' in extent ? Buffer.from(extent.bytes) : Buffer.alloc(0);
      expect(bytes.toString('latin1', 0, 8)).toBe('manifest');
      expect(output.sha512).toBe(createHash('sha512').update(bytes).digest('hex'));
      expect(output.sizeBytes).toBe(bytes.length);
    });

    it('runs a whole download', async () => {
      const { started: _, ...input } = await layerInput();
      const output = await runner.run('fetchLayer', input, { signal: NEVER });
      expect(output).toEqual({ downloadedBytes: input.sizeBytes, resumedBytes: 0 });
      const counters = blobCounters(input.counters);
      expect([counters.state(), counters.read('wireBytes')]).toEqual(['complete', input.sizeBytes]);
    });

    it('lets a task follow another one that is still running', async () => {
      const { started: _, ...input } = await layerInput();
      const { digest, tarFile, indexFile, counters } = input;
      const layer = { digest, tarFiles: [tarFile], indexFiles: [indexFile], counters };
      const assembling = runner.run('assemble', { manifest: '{}', layers: [layer] }, { signal: NEVER });
      await runner.run('fetchLayer', input, { signal: NEVER });
      const { extents } = await assembling;
      expect(extents.some((extent) => 'blob' in extent && extent.blob === `layer:${digest}`)).toBe(true);
    });

    it('keeps code, stage, hint, exit code and message of an error', async () => {
      const layer = openLayer();
      writeFileSync(layer.indexFiles[0] ?? '', 'no index\n');
      const counters = blobCounters(layer.counters);
      counters.set('indexBytes', 9);
      counters.setState('complete');
      const running = runner.run('assemble', { manifest: '{}', layers: [layer] }, { signal: NEVER });
      expect(await failureOf(running)).toMatchObject({
        code: 'ERR_STORE_DAMAGED',
        stage: 'store',
        exitCode: 8,
      });
      const gone = { ...layer, tarFiles: ['/none/x'] };
      const opening = runner.run('assemble', { manifest: '{}', layers: [gone] }, { signal: NEVER });
      const { message } = await failureOf(opening);
      expect(message).toContain('/none/x');
      const short = openLayer();
      writeFileSync(short.indexFiles[0] ?? '', '["f","a",0,512,10]\n');
      blobCounters(short.counters).set('indexBytes', 19);
      blobCounters(short.counters).setState('complete');
      const shortFailure = await failureOf(
        runner.run('assemble', { manifest: '{}', layers: [short] }, { signal: NEVER }),
      );
      expect(shortFailure).toMatchObject({
        code: 'ERR_STORE_DAMAGED',
        hint: 'fetch it again with --no-store',
      });
    });

    it('keeps the kind of a network error', async () => {
      const { started: _, ...input } = await layerInput([
        { match: '/', fault: { kind: 'status', status: 404 } },
      ]);
      const failure = await failureOf(runner.run('fetchLayer', input, { signal: NEVER }));
      expect(failure).toMatchObject({ code: 'ERR_NOT_FOUND', stage: 'download', exitCode: 3 });
    });

    it('runs other tasks after one that failed', async () => {
      const failing = runner.run('extract', extractInput(tempDir(), 'x'), { signal: NEVER });
      expect(await failureOf(failing)).toMatchObject({ code: 'ERR_STORE_DAMAGED' });
      await runner.run('assemble', { manifest: '{}', layers: [] }, { signal: NEVER });
    });

    it('passes the notes of a task on, before its result', async () => {
      const fault = { kind: 'drop', afterBytes: 100_000 } as const;
      const { started: _, ...input } = await layerInput([{ match: '/', times: 1, fault }]);
      const notes: TaskNote[] = [];
      const onNote = (note: TaskNote): void => {
        notes.push(note);
        if (note.note === 'connection' && note.change > 0) blobCounters(input.counters).grant('first');
      };
      const request = { ...input.source.request, retries: 1 };
      const source = { ...input.source, request };
      await runner.run('fetchLayer', { ...input, source }, { signal: NEVER, onNote });
      expect(notes).toMatchObject([
        { note: 'opened', sizeBytes: input.sizeBytes, resumedBytes: 0 },
        { note: 'retry', attempt: 1 },
        { note: 'connection', change: -1, isFirst: true },
        { note: 'connection', change: 1, isFirst: true },
      ]);
    });

    it('loses no note while this thread is busy', async () => {
      const path = join(tempDir(), 'a.aci');
      const aci = buildAci({ name: 'example.test/app' });
      writeFileSync(path, aci);
      for (let round = 0; round < 5; round += 1) {
        const notes: TaskNote[] = [];
        const source = { kind: 'file', path } as const;
        const [aciFile, counters] = [join(tempDir(), 'aci'), newBlobCounters().memory];
        const input = { source, hashes: [], aciFile, counters };
        const running = runner.run('readAci', input, {
          signal: NEVER,
          onNote: (note) => void notes.push(note),
        });
        const busyUntil = performance.now() + 100;
        while (performance.now() < busyUntil);
        await running;
        expect(notes).toEqual([{ note: 'opened', sizeBytes: aci.length, resumedBytes: 0 }]);
      }
    });

    it('ends a task that waits within a second of its abort', async () => {
      const controller = new AbortController();
      const layer = openLayer();
      const running = runner.run(
        'assemble',
        { manifest: '{}', layers: [layer] },
        { signal: controller.signal },
      );
      setTimeout(() => controller.abort(), 50);
      const failure = failureOf(running);
      await new Promise((resolve) => controller.signal.addEventListener('abort', resolve));
      const abortedAt = performance.now();
      expect(await failure).toMatchObject({ code: 'ERR_ABORTED', exitCode: 130 });
      expect(performance.now() - abortedAt).toBeLessThan(1000);
    });

    it('ends a download that stalls within a second of its abort', async () => {
      const { started, ...input } = await layerInput([
        { match: '/', fault: { kind: 'stall', afterBytes: 10 } },
      ]);
      const controller = new AbortController();
      const failure = failureOf(runner.run('fetchLayer', input, { signal: controller.signal }));
      await started;
      const abortedAt = performance.now();
      controller.abort();
      expect(await failure).toMatchObject({ code: 'ERR_ABORTED' });
      expect(performance.now() - abortedAt).toBeLessThan(1000);
    });

    it('begins nothing after an abort', async () => {
      const { started: _, ...input } = await layerInput();
      const failure = await failureOf(runner.run('fetchLayer', input, { signal: AbortSignal.abort() }));
      expect(failure).toMatchObject({ code: 'ERR_ABORTED' });
    });

    it('aborts one task of many alone', async () => {
      const controllers = Array.from({ length: 4 }, () => new AbortController());
      const layers = controllers.map(openLayer);
      const results = controllers.map(({ signal }, at) =>
        runner.run(
          'assemble',
          { manifest: '{}', layers: [layers[at] as (typeof layers)[number]] },
          { signal },
        ),
      );
      const failures = results.slice(0, 3).map(failureOf);
      for (const controller of controllers.slice(0, 3)) controller.abort();
      for (const failure of failures) expect(await failure).toMatchObject({ code: 'ERR_ABORTED' });
      blobCounters((layers[3] as (typeof layers)[number]).counters).setState('complete');
      expect(await results[3]).toMatchObject({ manifest: { offset: 512, sizeBytes: 2 } });
    });

    it('takes many tasks that wait for each other', async () => {
      const layers = Array.from({ length: 40 }, openLayer);
      const running = layers.map((layer) =>
        runner.run('assemble', { manifest: '{}', layers: [layer] }, { signal: NEVER }),
      );
      for (const { counters } of [...layers].reverse()) blobCounters(counters).setState('complete');
      expect(new Set((await Promise.all(running)).map(({ sha512 }) => sha512)).size).toBe(1);
    });

    it('unpacks', async () => {
      const aci = buildAci({ name: 'example.test/app', entries: [{ path: 'a', data: 'x' }] });
      const id = `sha512-${createHash('sha512').update(aci).digest('hex')}`;
      const input = { ...extractInput(tempDir(), id), parts: [{ bytes: aci }] };
      const { notKept } = await runner.run('extract', input, { signal: NEVER });
      expect(Array.isArray(notKept)).toBe(true);
    });
  });
}

function extractInput(directory: string, id: string) {
  return { parts: [{ bytes: Buffer.alloc(1024) }], id, directory, rootfsOnly: false };
}
