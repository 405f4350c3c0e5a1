/** The examples of docs/configuration.md are read without complaint. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readCredentialFiles } from '../../../src/config/credential-files.js';
import { readSettingFiles } from '../../../src/config/setting-files.js';
import { projectDir } from '../../support/project.js';
import { makeFolders } from './folders.js';

const FOLDERS: Readonly<Record<string, string>> = {
  aci: 'aci.d',
  paths: 'paths.d',
  auth: 'auth.d',
  dockerAuth: 'auth.d',
};

test('every example of the page on configuration is read', async () => {
  const page = readFileSync(join(projectDir, 'docs', 'configuration.md'), 'utf8');
  const blocks = [...page.matchAll(/^```json\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text);
  const kinds = blocks.map((text): string => JSON.parse(text).rktKind);
  expect(kinds.toSorted()).toEqual(Object.keys(FOLDERS).toSorted());
  const contents = blocks.map((text, index) => [`local/${FOLDERS[kinds[index] ?? '']}/${index}.json`, text]);
  const { folders } = makeFolders(Object.fromEntries(contents));
  expect(await readSettingFiles(folders)).toHaveLength(2);
  const { credentials } = await readCredentialFiles(folders);
  expect([credentials.domains.size, credentials.registries.size]).toEqual([2, 2]);
});
