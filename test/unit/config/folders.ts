/** Configuration folders for tests: system, local and user, with files that only their owner can read. */

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ConfigFolder } from '../../../src/config/config-files.js';
import { tempDir } from '../../support/temp.js';

/** `system/auth.d/a.json` to text, or to what becomes its JSON. */
export type FolderContents = Readonly<Record<string, unknown>>;

export interface TestFolders {
  readonly root: string;
  /** System, local, user. */
  readonly folders: readonly ConfigFolder[];
}

export function makeFolders(contents: FolderContents): TestFolders {
  const root = tempDir('acifetch-config-');
  for (const [name, content] of Object.entries(contents)) {
    const path = join(root, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    chmodSync(path, 0o600);
  }
  const folders = (['system', 'local', 'user'] as const).map((origin) => ({
    origin,
    path: join(root, origin),
  }));
  return { root, folders };
}
