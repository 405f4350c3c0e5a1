/** What a command loads before it answers: the start of a program is mostly the reading of its modules. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildAci } from '../support/images/aci.js';
import { aciEnvironment, run } from '../support/process.js';
import { aciScript } from '../support/project.js';
import { tempDir } from '../support/temp.js';
import { fetchOne } from './support/commands.js';

/** Writes down the URL of every module that is asked for. */
const HOOKS = `
import { appendFileSync } from 'node:fs';
export async function resolve(specifier, context, next) {
  const resolved = await next(specifier, context);
  appendFileSync(process.env.LOADED_MODULES, resolved.url + '\\n');
  return resolved;
}
`;

let id = '';
let dir = '';
beforeAll(async () => {
  dir = tempDir();
  const path = join(tempDir(), 'app.aci');
  writeFileSync(path, buildAci({ name: 'example.test/app' }));
  ({ id } = await fetchOne(path, { dir }));
});

/** Packages, and how many modules of the project's own. */
async function loadedBy(args: readonly string[]): Promise<{ packages: string[]; own: number }> {
  const folder = tempDir();
  const [hook, list] = [join(folder, 'hook.mjs'), join(folder, 'loaded.txt')];
  const source = `data:text/javascript,${encodeURIComponent(HOOKS)}`;
  writeFileSync(hook, `import { register } from 'node:module';\nregister(${JSON.stringify(source)});\n`);
  const env = { ...aciEnvironment({ dir }), LOADED_MODULES: list };
  // Newer Nodes warn of `register`; what they have in its place is not in Node 20.
  const options = ['--disable-warning=DEP0205', '--import', hook];
  const { code, stderr } = await run(process.execPath, [...options, aciScript, ...args], { env });
  expect([code, stderr]).toEqual([0, '']);
  const urls = [...new Set(readFileSync(list, 'utf8').split('\n'))];
  const packages = urls.flatMap((url) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []);
  return {
    packages: [...new Set(packages)].sort(),
    own: urls.filter((url) => /\/dist\/(src|wasm|workers)\//.test(url)).length,
  };
}

describe('the modules that are loaded', () => {
  it('by aci version are next to none', async () => {
    const { packages, own } = await loadedBy(['version']);
    expect(packages).toEqual([]);
    expect(own).toBeLessThan(10);
  });

  it.each([
    ['a list of images', ['image', 'list', '--json']],
    ['a fetch by ID', ['fetch', '--quiet']],
    [
      'a fetch by name from the store',
      ['fetch', '--quiet', '--store-only', '--insecure-options=image', 'example.test/app'],
    ],
  ])('by %s are those that it needs', async (_, args) => {
    const { packages, own } = await loadedBy(
      args[2] === undefined && args[0] === 'fetch' ? [...args, id] : args,
    );
    expect(packages).toEqual(['clipanion']);
    expect(own).toBeLessThan(140);
  });
});
