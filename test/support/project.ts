/** Where the project is, seen from the sources as well as from what is compiled of them. */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder with package.json. */
export const projectDir = findProject(dirname(fileURLToPath(import.meta.url)));

/** The built command line. */
export const aciScript = join(projectDir, 'dist', 'src', 'cli', 'main.js');

function findProject(from: string): string {
  if (existsSync(join(from, 'package.json'))) return from;
  const parent = dirname(from);
  if (parent === from) throw new Error('no package.json above the test support files');
  return findProject(parent);
}
