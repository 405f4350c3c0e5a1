/** Temporary folders that are gone when the process, or the whole test run, has ended. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Set by the global setup of vitest, which removes all of it when the run ends. */
export const TEMP_ROOT_VARIABLE = 'ACI_TEST_TEMP';

const directories = new Set<string>();
let hooked = false;

/** A new empty folder. */
export function tempDir(prefix = 'acifetch-'): string {
  if (!hooked) process.once('exit', removeTempDirs);
  hooked = true;
  const directory = mkdtempSync(join(process.env[TEMP_ROOT_VARIABLE] ?? tmpdir(), prefix));
  directories.add(directory);
  return directory;
}

/** Removes the folders that this process made with `tempDir`. */
export function removeTempDirs(): void {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  directories.clear();
}
