/** The papers of the project against the code: links, paths, tables, examples and the list of exports. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import * as library from '../../src/index.js';
import { buildAci, imageIdOf } from '../support/images/aci.js';
import { buildDockerImage } from '../support/images/docker.js';
import { writeOciLayout } from '../support/images/oci-layout.js';
import { run } from '../support/process.js';
import { projectDir } from '../support/project.js';
import { tempDir } from '../support/temp.js';

const papers = ['.', 'docs', 'examples', 'bench'].flatMap((folder) =>
  readdirSync(join(projectDir, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name)),
);

function readText(path: string): string {
  return readFileSync(join(projectDir, path), 'utf8');
}

function proseOf(paper: string): string {
  return readText(paper).replaceAll(/^```[\s\S]*?^```$/gm, '');
}

/** The link targets of a paper, without those that leave the project. */
function linksOf(paper: string): string[] {
  return [...proseOf(paper).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target));
}

function anchorsOf(paper: string): string[] {
  return [...proseOf(paper).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function leadsSomewhere(paper: string, target: string): boolean {
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? paper : relative(projectDir, join(projectDir, dirname(paper), path));
  if (!existsSync(join(projectDir, file))) return false;
  return anchor === undefined || anchorsOf(file).includes(anchor);
}

/** The fenced blocks of one language, without their fences. */
function blocksOf(paper: string, language: string): string[] {
  const fenced = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm');
  return [...readText(paper).matchAll(fenced)].map(([, block = '']) => block);
}

describe('the papers', () => {
  it.each(papers)('%s has links that lead somewhere', (paper) => {
    expect(linksOf(paper).filter((target) => !leadsSomewhere(paper, target))).toEqual([]);
  });

  it.each(papers)('%s names files and folders that exist', (paper) => {
    const places = /`((?:src|workers|wasm|test|docs|examples|bench|\.ci)\/[\w./-]*)`/g;
    // The one part of the table that is still to come.
    const named = [...proseOf(paper).matchAll(places)].map(([, path = '']) => path);
    const missing = named.filter((path) => path !== 'src/trust/' && !existsSync(join(projectDir, path)));
    expect(missing).toEqual([]);
  });

  it('have generated pages that are up to date', async () => {
    const script = join(projectDir, 'dist', 'docs', 'generate.js');
    const { code, stderr } = await run(process.execPath, [script, '--check']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});

interface PartRule {
  readonly files: readonly string[];
  readonly may: readonly string[];
  readonly mayTypes?: readonly string[] | undefined;
}

interface ImportTables {
  readonly PARTS: Readonly<Record<string, PartRule>>;
  readonly ONLY_IMPORTERS: Readonly<Record<string, readonly string[]>>;
}

/** The tables of the architecture test, which as a test cannot be imported: its plain data, without the types. */
function importTables(): ImportTables {
  const source = readText('test/architecture.test.ts');
  const data = source
    .slice(source.indexOf('const ALL_BELOW_FETCH'), source.indexOf('const BARRELS'))
    .replaceAll(/^const (\w+): .* = \{$/gm, 'const $1 = {')
    .replaceAll('] as const;', '];');
  return runInNewContext(`${data};\n({ PARTS, ONLY_IMPORTERS })`) as ImportTables;
}

/** The rows below the mark `<!-- NAME -->`, as cells without backticks. */
function tableOf(paper: string, name: string): string[][] {
  const [, rows = ''] =
    new RegExp(`<!-- ${name} -->\\n(?:\\|.*\\n){2}((?:\\|.*\\n)+)`).exec(readText(paper)) ?? [];
  return rows
    .trimEnd()
    .split('\n')
    .map((row) =>
      row
        .slice(1, -1)
        .replaceAll('`', '')
        .split('|')
        .map((cell) => cell.trim()),
    );
}

describe('ARCHITECTURE.md', () => {
  it('shows the import table that the sources are checked against', () => {
    const rows = Object.entries(importTables().PARTS).map(([part, { files, may, mayTypes = [] }]) => [
      part,
      files.join(' '),
      may.join(', '),
      mayTypes.join(', '),
    ]);
    expect(rows.length).toBeGreaterThan(10);
    expect(tableOf('ARCHITECTURE.md', 'parts')).toEqual(rows);
  });

  it('shows where each package is kept', () => {
    const rows = Object.entries(importTables().ONLY_IMPORTERS).map(([name, files]) => [
      name,
      files.join(' '),
    ]);
    expect(rows.length).toBeGreaterThan(3);
    expect(tableOf('ARCHITECTURE.md', 'packages')).toEqual(rows);
  });
});

describe('docs/events.md', () => {
  const ONLY_OUTPUT = ['blob.progress', 'summary', 'error'];
  const titles = [...readText('docs/events.md').matchAll(/^## (.*)$/gm)].map(([, title]) => title);

  it('describes every event', () => {
    const events = [...readText('src/events.ts').matchAll(/readonly event: '([^']+)'/g)].map(
      ([, name]) => name,
    );
    expect(events.length).toBeGreaterThan(5);
    expect(titles.toSorted()).toEqual([...events, ...ONLY_OUTPUT].toSorted());
  });

  it('has an example of each, with the fields that every line has', () => {
    const lines = blocksOf('docs/events.md', 'json').map(
      (block) => JSON.parse(block) as Record<string, unknown>,
    );
    expect(lines.map((line) => line['event'])).toEqual(titles);
    for (const line of lines) {
      expect(line['time']).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
      expect('image' in line).toBe(!['host.held', 'summary', 'error'].includes(String(line['event'])));
    }
  });
});

describe('the examples', () => {
  const [snippet = ''] = blocksOf('README.md', 'ts');

  it('hold the code of the README, line by line', () => {
    const example = readText('examples/fetch-one.ts').replace("'../src/index.js'", "'acifetch'");
    const lines = example.replace(', isFetchError', '').split('\n');
    const shown = snippet.trimEnd().split('\n');
    expect(shown.length).toBeGreaterThan(5);
    expect(shown.filter((line) => !lines.includes(line))).toEqual([]);
  });

  const aci = buildAci({ name: 'example.test/app', entries: [{ path: 'bin/app', data: 'x' }] });
  const id = imageIdOf(aci);

  function runExample(name: string, args: readonly string[]) {
    return run(process.execPath, [join(projectDir, 'dist', 'examples', name), ...args]);
  }

  it('fetch-one fetches an image, and tells an error by its code and exit code', async () => {
    const folder = tempDir();
    const file = join(folder, 'app.aci');
    writeFileSync(file, aci);
    const good = await runExample('fetch-one.js', [join(folder, 'store'), file]);
    expect({ code: good.code, stdout: good.stdout }).toEqual({
      code: 0,
      stdout: `${id} example.test/app (fetched)\n`,
    });
    const bad = await runExample('fetch-one.js', [join(folder, 'store'), join(folder, 'none.aci')]);
    expect(bad.code).toBe(library.ERROR_CODES.ERR_NOT_FOUND.exitCode);
    expect(bad.stderr).toMatch(/^ERR_NOT_FOUND: /);
  });

  it('custom-events prints the events, and an outcome for each image', async () => {
    const folder = tempDir();
    const file = join(folder, 'app.aci');
    writeFileSync(file, aci);
    const missing = join(folder, 'none.aci');
    const { code, stdout, stderr } = await runExample('custom-events.js', [
      join(folder, 'store'),
      file,
      missing,
    ]);
    expect(code).toBe(1);
    expect(stdout.trimEnd().split('\n').toSorted()).toEqual(
      [`${file}: ${id}, 0 bytes downloaded`, `${missing}: ERR_NOT_FOUND`].toSorted(),
    );
    expect(stderr).toContain(`blob.done file://${file}\n`);
    expect(stderr).toContain(`image.failed ${missing}\n`);
  });

  it('convert-layout writes the ACI of an image on disk to stdout, and its ID to stderr', async () => {
    const layout = tempDir();
    const image = buildDockerImage({ layers: [[{ path: 'x', data: 'x' }]], mediaTypes: 'oci' });
    await writeOciLayout(layout, [{ ref: '1', image }]);
    const { code, stdoutBytes, stderr } = await runExample('convert-layout.js', [`oci:${layout}`]);
    expect([code, stderr.split(' ')[0]]).toEqual([0, imageIdOf(stdoutBytes)]);
    expect((await runExample('convert-layout.js', [`oci:${layout}/none`])).code).toBe(3);
  });

  it.each(['fetch-one.js', 'custom-events.js', 'convert-layout.js'])(
    '%s says how it is called',
    async (name) => {
      const { code, stderr } = await runExample(name, []);
      expect(code).toBe(2);
      expect(stderr).toContain('usage: ');
    },
  );
});

describe('the library', () => {
  it('exports these values and no others', () => {
    expect(Object.keys(library).toSorted()).toEqual([
      'ERROR_CODES',
      'FetchError',
      'GLOBAL_OPTIONS',
      'IMAGE_LIST_MAX_BYTES',
      'REQUIRE_SIGNATURE',
      'SETTING_OPTIONS',
      'causeLines',
      'createEngine',
      'createKeyring',
      'engineOptionsFrom',
      'flagFromWord',
      'foldImages',
      'formatPlatform',
      'insecureFlags',
      'isFetchError',
      'loadSettings',
      'openCredentialSource',
      'parseImageList',
      'parsePlatform',
      'readEnvironment',
      'requestKey',
      'resolveOptions',
      'resolveSettings',
    ]);
  });

  it('exports these types and no others', () => {
    const lists = [...readText('src/index.ts').matchAll(/^export type \{([^}]*)\}/gm)];
    const names = lists.flatMap(([, list = '']) => list.split(',').map((name) => name.trim()));
    expect(names.filter((name) => name !== '').toSorted()).toEqual([
      'BlobKind',
      'Credential',
      'CredentialSource',
      'CredentialSourceOptions',
      'Digest',
      'Engine',
      'EngineEvent',
      'EngineLimits',
      'EngineOptions',
      'Environment',
      'ErrorCode',
      'EventSink',
      'EventSubject',
      'ExportTarget',
      'ExtractOptions',
      'ExtractReport',
      'FailedImage',
      'FetchAllOptions',
      'FetchErrorOptions',
      'FetchOutcome',
      'FetchRequest',
      'FetchedImage',
      'FoundKey',
      'ImageFailure',
      'ImageId',
      'InsecureOptions',
      'KeyRequest',
      'Keyring',
      'KeyringOptions',
      'Labels',
      'ListedImage',
      'ListedKey',
      'LoadedSettings',
      'OptionSpec',
      'OptionValues',
      'Origin',
      'PlanAllOptions',
      'PlannedBlob',
      'PlannedImage',
      'Platform',
      'PublicKeyFacts',
      'PullPolicy',
      'RawValues',
      'RegistryCredential',
      'ResolveOverride',
      'ResolvedSettings',
      'SettingOrigins',
      'Settings',
      'SettingsInput',
      'Sourced',
      'Stage',
      'StoredImage',
      'SubkeyFacts',
      'TrustDirs',
      'TrustPlace',
      'UntrustedKey',
      'WarningCode',
    ]);
  });
});
