/**
 * Makes a clone ready to use, with nothing but Node and npm: installs the packages of the lock file where they are
 * not the installed ones, and builds dist/ where it is not the build of the present sources. Does nothing otherwise.
 *
 * `--build-only` (npm's `prepare`, and the tests' global setup) leaves installed packages alone.
 */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const stampFile = join(dist, '.build-stamp');
const cliFile = join(dist, 'src', 'cli', 'main.js');
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
/** What tsconfig.build.json includes. */
const sourceDirs = ['src', 'workers', 'wasm', 'test/support', 'bench', 'docs', 'examples'];

main(process.argv.slice(2));

function main(args) {
  const buildOnly = args.includes('--build-only');
  if (!buildOnly && !isInstalled()) install();
  if (!existsSync(compiler)) {
    // An installation without devDependencies: it can run what is built, not build.
    if (existsSync(cliFile)) return;
    // `npm install -g .` on a fresh clone.
    install();
  }
  build();
}

/** Compares what npm noted down of its last installation with the lock file, package by package. */
function isInstalled() {
  const note = readJson(join(root, 'node_modules', '.package-lock.json'));
  const lock = readJson(join(root, 'package-lock.json'));
  if (note === undefined || lock === undefined) return false;
  return Object.entries(lock.packages).every(([path, wanted]) => {
    const found = note.packages[path];
    // Optional packages for other platforms are in the lock file only.
    if (found === undefined) return path === '' || wanted.optional === true;
    return found.version === wanted.version && found.integrity === wanted.integrity;
  });
}

function install() {
  say('installing the packages of package-lock.json (npm ci)');
  // Without --ignore-scripts npm would run `prepare`, and so this file again.
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = process.env.npm_execpath;
  const viaNode = npm !== undefined && /npm-cli\.c?js$/.test(npm);
  const [command, all] = viaNode ? [process.execPath, [npm, ...args]] : ['npm', args];
  // Under `npm install -g .` the environment says that everything is global.
  const { npm_config_global: _global, npm_config_prefix: _prefix, ...env } = process.env;
  const result = spawnSync(command, all, { cwd: root, env, stdio: ['ignore', 2, 2] });
  if (result.status !== 0) fail(`npm ci failed (${result.error?.message ?? `exit code ${result.status}`})`);
}

function build() {
  const sources = sourceDirs.flatMap((directory) => filesBelow(join(root, directory)));
  const stamp = stampOf([
    ...sources,
    join(root, 'tsconfig.json'),
    join(root, 'tsconfig.build.json'),
    compiler,
  ]);
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp && existsSync(cliFile)) return;
  say('building dist/');
  rmSync(stampFile, { force: true });
  const result = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  removeOrphans();
  if (existsSync(cliFile)) chmodSync(cliFile, 0o755);
  if (result.status !== 0) fail('the build failed');
  mkdirSync(dist, { recursive: true });
  writeFileSync(stampFile, stamp);
}

/** Removes what was compiled of sources that are gone. */
function removeOrphans() {
  for (const file of filesBelow(dist)) {
    const source = relative(dist, file).replace(/(\.d\.ts|\.js)$/, '.ts');
    if (source.endsWith('.ts') && !existsSync(join(root, source))) rmSync(file, { force: true });
  }
}

/** Changes when a file is added, removed or written. */
function stampOf(files) {
  const hash = createHash('sha256');
  for (const file of files.sort()) {
    const { mtimeMs, size } = statSync(file);
    hash.update(`${relative(root, file)} ${mtimeMs} ${size}\n`);
  }
  return hash.digest('hex');
}

function filesBelow(directory) {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}
