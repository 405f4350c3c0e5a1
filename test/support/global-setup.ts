/** Runs once before the tests: the tools are installed where that is possible, and dist/ is built. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './process.js';
import { projectDir } from './project.js';
import { TEMP_ROOT_VARIABLE } from './temp.js';
import { hasTool, isCi, isRoot, missingTools, TOOLS, type Tool } from './tools.js';

/** Called by vitest; what it returns is called when the run has ended. */
export async function setup(): Promise<() => void> {
  await provideTools();
  await build();
  const tempRoot = mkdtempSync(join(tmpdir(), 'acifetch-test-'));
  process.env[TEMP_ROOT_VARIABLE] = tempRoot;
  return () => rmSync(tempRoot, { recursive: true, force: true });
}

async function provideTools(): Promise<void> {
  const names = Object.keys(TOOLS) as Tool[];
  if (missingTools(names).length > 0 && isRoot() && hasTool('apt-get')) await install(missingTools(names));
  const missing = missingTools(names);
  if (missing.length === 0) return;
  if (isCi()) throw new Error(`CI is set, and these tools are missing: ${missing.join(', ')}`);
  for (const name of missing) {
    process.stderr.write(`!! SKIPPED, no ${name} (package ${TOOLS[name].debian}): ${TOOLS[name].suites}\n`);
  }
}

async function install(tools: readonly Tool[]): Promise<void> {
  const packages = [...new Set(tools.map((name) => TOOLS[name].debian))];
  process.stderr.write(`installing ${packages.join(' ')}\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const install = ['install', '-y', '--no-install-recommends', ...packages];
  for (const args of [['update'], install]) {
    const result = await run('apt-get', args, { env, timeoutMs: 600_000 });
    if (result.code !== 0) process.stderr.write(`apt-get ${args.join(' ')} failed:\n${result.stderr}\n`);
  }
}

/** A build with type errors still leaves files to run: fatal in CI, loud elsewhere. */
async function build(): Promise<void> {
  const setupScript = join(projectDir, '.ci', 'setup.mjs');
  const result = await run(process.execPath, [setupScript, '--build-only'], { timeoutMs: 600_000 });
  if (result.code === 0) return;
  const report = `dist/ did not build:\n${result.stdout}${result.stderr}`;
  if (isCi()) throw new Error(report);
  process.stderr.write(`!! ${report}\n`);
}
