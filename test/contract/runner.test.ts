/** The runners by one suite: the one without threads, and the pool of the built library. */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { TaskRunner } from '../../src/tasks/runner.js';
import { inlineRunner } from '../support/layer-assembly.js';
import { run } from '../support/process.js';
import { projectDir } from '../support/project.js';
import { describeRunner } from './runner-suite.js';

/** The pool's threads need compiled files. */
const builtModule = (name: string): string =>
  pathToFileURL(join(projectDir, 'dist', 'src', 'tasks', name)).href;
const POOL_MODULE = builtModule('pool.js');
const COUNTERS_MODULE = builtModule('counters.js');

async function createBuiltPool(workers: number): Promise<TaskRunner> {
  const { createPool } = (await import(POOL_MODULE)) as typeof import('../../src/tasks/pool.js');
  return createPool(workers);
}

describeRunner('inline', async () => inlineRunner);
describeRunner('pool of one thread', () => createBuiltPool(1));
describeRunner('pool of two threads', () => createBuiltPool(2));

/** Runs a script with a `pool` of two threads; resolves to its exit code. */
async function exitCodeOf(body: string): Promise<number | null> {
  const script = `
const { createPool } = await import(${JSON.stringify(POOL_MODULE)});
const pool = createPool(2);
const { signal } = new AbortController();
${body}`;
  const { code, stderr } = await run(process.execPath, ['--input-type=module', '-e', script], {
    timeoutMs: 20_000,
  });
  expect(stderr).toBe('');
  return code;
}

describe('the pool', () => {
  it.each([
    ['nothing', ''],
    ['a task', `await pool.run('assemble', { manifest: '{}', layers: [] }, { signal });`],
    [
      'a task that failed',
      `await pool.run('extract', { parts: [], id: 'x', directory: '.', rootfsOnly: false }, { signal }).catch(() => {});`,
    ],
  ])('lets the process exit after close, when it has done %s', async (_, body) => {
    expect(await exitCodeOf(`${body}\nawait pool.close();`)).toBe(0);
  });

  it('ends the tasks that are still running when it is closed', async () => {
    const code = await exitCodeOf(`
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
const file = mkdtempSync(tmpdir() + '/acifetch-') + '/x';
writeFileSync(file, '');
const { memory: counters } = (await import(${JSON.stringify(COUNTERS_MODULE)})).newBlobCounters();
const layer = { digest: 'sha256:0', tarFiles: [file], indexFiles: [file], counters };
const running = pool.run('assemble', { manifest: '{}', layers: [layer] }, { signal });
const failed = running.then(() => 'no error', (error) => error.code);
await new Promise((resolve) => setTimeout(resolve, 100));
await pool.close();
process.exitCode = (await failed) === 'ERR_WORKER_DIED' ? 0 : 3;`);
    expect(code).toBe(0);
  });
});
