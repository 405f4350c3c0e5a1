/** What the command line loads: nothing that the answer at hand does without. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildAci } from '../support/images/aci.js';
import { runAci } from '../support/process.js';
import { tempDir } from '../support/temp.js';
import { type Publisher, startPublisher } from './support/appc-site.js';

const folder = tempDir();
const dir = join(folder, 'store');
const home = join(folder, 'home');

/** Notes every URL that an import of the main thread resolves to. */
const HOOKS = `
import { appendFileSync } from 'node:fs';
export async function resolve(specifier, context, next) {
  const resolved = await next(specifier, context);
  appendFileSync(process.env.LOADED_LIST, resolved.url + '\\n');
  return resolved;
}`;
const hooks = join(folder, 'hooks.mjs');
const register = join(folder, 'register.mjs');
writeFileSync(hooks, HOOKS);
writeFileSync(
  register,
  `import { register } from 'node:module';\nregister(${JSON.stringify(pathToFileURL(hooks).href)});\n`,
);
let count = 0;

/** The packages that a command line loads, and the parts of the project. */
async function loadedBy(args: readonly string[]): Promise<{ packages: string[]; sources: string[] }> {
  const list = join(folder, `loaded-${count++}`);
  const env = { NODE_OPTIONS: `--import=${pathToFileURL(register).href}`, LOADED_LIST: list };
  const { code, stderr } = await runAci(args, { dir, home, env });
  expect(stderr).toBe('');
  expect(code).toBe(0);
  const urls = [...new Set(readFileSync(list, 'utf8').split('\n'))];
  const matches = (pattern: RegExp): string[] =>
    [...new Set(urls.flatMap((url) => pattern.exec(url)?.[1] ?? []))].sort();
  return { packages: matches(/\/node_modules\/([^/]+)/), sources: matches(/\/dist\/(.*)\.js$/) };
}

let publisher: Publisher;
let url: string;
let id: string;

beforeAll(async () => {
  publisher = await startPublisher();
  const published = await publisher.publish('app', { entries: [{ path: 'x', data: 'x' }], sign: false });
  url = published.url;
});
afterAll(() => publisher.close());
