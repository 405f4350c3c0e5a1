/** The dependency directions of ARCHITECTURE.md and the shape of every source file, checked on the sources. */

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

interface PartRule {
  /** Files (`src/errors.ts`) and folders (`src/http/`) that are this part; the longest match decides. */
  readonly files: readonly string[];
  /** Parts that it may import, itself aside. */
  readonly may: readonly string[];
  /** Parts that it may import types from. */
  readonly mayTypes?: readonly string[];
}

const ALL_BELOW_FETCH = [
  'types',
  'errors',
  'events',
  'reference',
  'json',
  'auth',
  'config',
  'tar',
  'codec',
  'aci',
  'http',
  'trust',
  'store',
  'registry',
  'discovery',
  'convert',
  'layout',
  'contract',
  'tasks',
] as const;

/** ARCHITECTURE.md shows the same table. */
const PARTS: Readonly<Record<string, PartRule>> = {
  types: { files: ['src/types.ts'], may: [], mayTypes: ['errors'] },
  errors: { files: ['src/errors.ts'], may: [], mayTypes: ['types'] },
  events: { files: ['src/events.ts'], may: [], mayTypes: ['types', 'errors'] },
  reference: { files: ['src/reference/'], may: ['types', 'errors'] },
  json: { files: ['src/aci/json-fields.ts'], may: ['errors'] },
  auth: { files: ['src/auth/'], may: ['types', 'errors', 'reference'] },
  config: {
    files: ['src/config/'],
    may: ['types', 'errors', 'reference', 'json', 'auth'],
    mayTypes: ['events', 'engine'],
  },
  tar: { files: ['src/tar/'], may: ['types', 'errors'] },
  codec: { files: ['src/codec/'], may: ['types', 'errors', 'wasm'] },
  aci: { files: ['src/aci/'], may: ['types', 'errors', 'tar', 'reference', 'json'] },
  http: { files: ['src/http/'], may: ['types', 'errors', 'reference', 'auth'] },
  trust: { files: ['src/trust/'], may: ['types', 'errors', 'reference', 'store', 'wasm'] },
  store: {
    files: ['src/store/'],
    may: ['types', 'errors', 'tar', 'aci', 'reference'],
    mayTypes: ['http', 'trust'],
  },
  registry: { files: ['src/registry/'], may: ['types', 'errors', 'http', 'reference', 'json', 'auth'] },
  discovery: { files: ['src/discovery/'], may: ['types', 'errors', 'http', 'reference'] },
  convert: {
    files: ['src/convert/'],
    may: ['types', 'errors', 'tar', 'aci', 'reference', 'json'],
    mayTypes: ['store'],
  },
  layout: {
    files: ['src/layout/'],
    may: ['types', 'errors', 'tar', 'codec', 'aci', 'reference', 'registry', 'convert', 'json'],
  },
  contract: {
    files: ['src/tasks/contract.ts'],
    may: ['types', 'errors'],
    mayTypes: ['http', 'store', 'trust', 'auth'],
  },
  pool: { files: ['src/tasks/pool.ts'], may: ['types', 'errors', 'contract', 'tasks'] },
  tasks: { files: ['src/tasks/'], may: ['types', 'errors', 'contract'] },
  fetch: { files: ['src/fetch/'], may: [...ALL_BELOW_FETCH, 'wasm'] },
  engine: { files: ['src/engine.ts'], may: [...ALL_BELOW_FETCH, 'fetch', 'pool'] },
  index: { files: ['src/index.ts'], may: [...ALL_BELOW_FETCH, 'fetch', 'engine'] },
  cli: { files: ['src/cli/'], may: ['index'] },
  wasm: { files: ['wasm/'], may: [] },
  workers: {
    files: ['workers/'],
    may: [...ALL_BELOW_FETCH.filter((part) => part !== 'config' && part !== 'layout'), 'wasm'],
  },
};

/** The files or folders that alone may import a package, and Node's modules that are kept in one place. */
const ONLY_IMPORTERS: Readonly<Record<string, readonly string[]>> = {
  aws4: ['src/auth/authorization.ts'],
  clipanion: ['src/cli/'],
  fzstd: ['src/codec/library-stages.ts'],
  'hash-wasm': ['wasm/'],
  htmlparser2: ['src/discovery/meta-tags.ts'],
  openpgp: ['src/trust/'],
  piscina: ['src/tasks/pool.ts'],
  'tar-stream': ['src/tar/'],
  undici: ['src/http/client.ts'],
  'xz-decompress': ['src/codec/library-stages.ts'],
  'node:zlib': ['src/codec/'],
};

const BARRELS = ['src/index.ts'];
/** Of the command line; elsewhere what may not reach a terminal is not taken out. */
const JSON_WRITERS = ['src/cli/text.ts'];
const ENVIRONMENT_READERS = ['src/config/env.ts'];
const MAX_LINES = 350;

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
  /** `export … from`. */
  readonly reexport: boolean;
}

interface SourceFile {
  /** From the root of the project. */
  readonly path: string;
  readonly text: string;
  /** The text without comments. */
  readonly code: string;
  readonly imports: readonly Import[];
}

const STATEMENT = /^(import|export)\s+(?:(type)\s+)?([^;'"]*?)\s*from\s*'([^']+)'/gm;
const BARE_OR_DYNAMIC = /(?:^import\s+|\bimport\(\s*)'([^']+)'/gm;

function importsOf(code: string): Import[] {
  const statements = [...code.matchAll(STATEMENT)].map(
    ([, word, typeWord, names = '', specifier = '']): Import => {
      const list = /^\{([^}]*)\}$/.exec(names.trim())?.[1]?.split(',') ?? [];
      const named = list.map((name) => name.trim()).filter((name) => name !== '');
      const allTypes = named.length > 0 && named.every((name) => name.startsWith('type '));
      return { specifier, typeOnly: typeWord !== undefined || allTypes, reexport: word === 'export' };
    },
  );
  const others = [...code.matchAll(BARE_OR_DYNAMIC)].map(
    ([, specifier = '']): Import => ({ specifier, typeOnly: false, reexport: false }),
  );
  return [...statements, ...others];
}

/** Takes out block comments, and line comments that are alone on their line. */
function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8');
  const code = withoutComments(text);
  return { path, text, code, imports: importsOf(code) };
}

/** The file of the project that a relative import means, or undefined for a package. */
function targetOf(file: SourceFile, { specifier }: Import): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  return normalize(join(dirname(file.path), specifier)).replace(/\.js$/, '.ts');
}

/** `undici` of `undici/types`, `@scope/name` of `@scope/name/x`. */
function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier;
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

function isAmong(path: string, places: readonly string[]): boolean {
  return places.some((place) => (place.endsWith('/') ? path.startsWith(place) : path === place));
}

function partOf(path: string): string | undefined {
  const matches = Object.entries(PARTS).flatMap(([part, { files }]) =>
    files.filter((place) => isAmong(path, [place])).map((place) => ({ part, length: place.length })),
  );
  return matches.sort((a, b) => b.length - a.length)[0]?.part;
}

function mayImport(from: string, to: string, typeOnly: boolean): boolean {
  const rule = PARTS[from];
  if (rule === undefined || from === to) return true;
  return rule.may.includes(to) || (typeOnly && rule.mayTypes?.includes(to) === true);
}

/** The files of one cycle of imports, the first repeated at the end; undefined where there is none. */
function findCycle(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const finished = new Set<string>();
  function visit(path: string, trail: readonly string[]): string[] | undefined {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
    if (finished.has(path)) return undefined;
    for (const next of graph.get(path) ?? []) {
      const cycle = visit(next, [...trail, path]);
      if (cycle !== undefined) return cycle;
    }
    finished.add(path);
    return undefined;
  }
  for (const path of graph.keys()) {
    const cycle = visit(path, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

const files = ['src', 'workers', 'wasm']
  .flatMap((directory) =>
    readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' }).map((path) =>
      join(directory, path),
    ),
  )
  .filter((path) => path.endsWith('.ts'))
  .sort()
  .map(readSource);

/** One line for every import that `isWrong` says so of. */
function importsWhere(isWrong: (file: SourceFile, found: Import) => boolean): string[] {
  return files.flatMap((file) =>
    file.imports
      .filter((found) => isWrong(file, found))
      .map(({ specifier }) => `${file.path} imports ${specifier}`),
  );
}

function filesWhere(isWrong: (file: SourceFile) => boolean): string[] {
  return files.filter(isWrong).map(({ path }) => path);
}

describe('the check itself', () => {
  it.each([
    ["import { a } from './a.js';", './a.js', false, false],
    ["import type { A } from './a.js';", './a.js', true, false],
    ["import { type A, type B } from './a.js';", './a.js', true, false],
    ["import { type A, b } from './a.js';", './a.js', false, false],
    ["import {\n  a,\n  b,\n} from './a.js';", './a.js', false, false],
    ["import * as a from 'undici';", 'undici', false, false],
    ["import './a.js';", './a.js', false, false],
    ["const a = await import('./a.js');", './a.js', false, false],
    ["export { a } from './a.js';", './a.js', false, true],
    ["export * from './a.js';", './a.js', false, true],
  ])('understands %j', (code, specifier, typeOnly, reexport) => {
    expect(importsOf(code)).toEqual([{ specifier, typeOnly, reexport }]);
  });

  it('takes no import from a comment', () => {
    expect(importsOf(withoutComments("/** import { a } from './a.js'; */\n// import './b.js';\n"))).toEqual(
      [],
    );
  });

  it('finds a cycle through several files', () => {
    const graph = new Map([
      ['a', ['b']],
      ['b', ['c', 'd']],
      ['c', []],
      ['d', ['b']],
    ]);
    expect(findCycle(graph)).toEqual(['b', 'd', 'b']);
  });

  it('tells the pool from the other tasks', () => {
    expect(partOf('src/tasks/pool.ts')).toBe('pool');
    expect(partOf('src/tasks/other.ts')).toBe('tasks');
    expect(mayImport('fetch', 'pool', false)).toBe(false);
    expect(mayImport('engine', 'pool', false)).toBe(true);
  });

  it('has sources to look at', () => {
    expect(files.length).toBeGreaterThan(10);
  });
});

describe('imports', () => {
  it('come from files that belong to a part of the table', () => {
    expect(filesWhere(({ path }) => partOf(path) === undefined)).toEqual([]);
  });

  it('go in the directions of the table', () => {
    const wrong = importsWhere((file, found) => {
      const target = targetOf(file, found);
      if (target === undefined) return false;
      const [from, to] = [partOf(file.path), partOf(target)];
      return from === undefined || to === undefined || !mayImport(from, to, found.typeOnly);
    });
    expect(wrong).toEqual([]);
  });

  it('of a package are in the one place that it has', () => {
    const wrong = importsWhere((file, { specifier }) => {
      const places = ONLY_IMPORTERS[packageOf(specifier)];
      if (places !== undefined) return !isAmong(file.path, places);
      return !specifier.startsWith('.') && !specifier.startsWith('node:');
    });
    expect(wrong).toEqual([]);
  });

  it('make no cycle, those of types included', () => {
    const graph = new Map(
      files.map((file) => [file.path, file.imports.flatMap((found) => targetOf(file, found) ?? [])] as const),
    );
    expect(findCycle(graph)).toBeUndefined();
  });

  it('are not passed on, but by the public interface', () => {
    expect(importsWhere((file, { reexport }) => reexport && !BARRELS.includes(file.path))).toEqual([]);
  });
});

describe('every source file', () => {
  it(`has at most ${MAX_LINES} lines`, () => {
    expect(filesWhere(({ text }) => text.trimEnd().split('\n').length > MAX_LINES)).toEqual([]);
  });

  it('opens with its purpose', () => {
    expect(filesWhere(({ text }) => !/^(#![^\n]*\n+)?\/\*\* ?\S/.test(text))).toEqual([]);
  });

  it('has named exports only', () => {
    expect(filesWhere(({ code }) => /^export default\b|\bas default\b/m.test(code))).toEqual([]);
  });

  it('of the command line leaves JSON to the one writer of it', () => {
    const writes = filesWhere(({ code }) => code.includes('JSON.stringify('));
    expect(writes.filter((path) => path.startsWith('src/cli/'))).toEqual(JSON_WRITERS);
  });

  it('leaves the environment to the one reader of it', () => {
    const reads =
      /\bprocess\s*\.\s*env\b|\bprocess\[|\{[^}]*\benv\b[^}]*\}\s*(=\s*process\b|from 'node:process')/;
    expect(filesWhere(({ path, code }) => reads.test(code) && !ENVIRONMENT_READERS.includes(path))).toEqual(
      [],
    );
  });
});
