/** A real root file system: Debian packages unpacked without a chroot, kept in a cache for the next run. */

import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { arch, tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, runTool } from './process.js';
import { hasTool, isRoot } from './tools.js';

/** In the order in which they are unpacked: shells and setuid programs, hard links, a libc, a perl. */
const PACKAGES = [
  'base-files',
  'libc6',
  'bash',
  'coreutils',
  'dpkg',
  'tar',
  'perl-base',
  'login',
  'passwd',
  'libpam-modules',
  'e2fsprogs',
] as const;

export interface RootfsPart {
  readonly name: string;
  /** A tree to be copied over the root. */
  readonly dir: string;
}

export interface Rootfs {
  /** `debian` for packages, `host` for a selection of this machine's own files. */
  readonly origin: 'debian' | 'host';
  /** The whole root; shared between runs, not to be changed. */
  readonly dir: string;
  /** The same in parts, one for each package. */
  readonly parts: readonly RootfsPart[];
}

/** The cache's name changes with its content. */
const CACHE_VERSION = 2;

/** The root file system of the cache, made there when it is the first call on this machine. */
export async function buildRootfs(): Promise<Rootfs> {
  const target = await cachedFolder(`rootfs-${CACHE_VERSION}-${arch()}`, async (work) => {
    mkdirSync(join(work, 'root'));
    if (!(await unpackPackages(work))) await copyHost(work);
  });
  return readCache(target);
}

/** A folder that stays on this machine between runs; `build` fills it when it is not there yet. */
export async function cachedFolder(name: string, build: (work: string) => Promise<void>): Promise<string> {
  const cacheDir = join(tmpdir(), `acifetch-test-cache-${process.getuid?.() ?? 0}`);
  const target = join(cacheDir, name);
  if (existsSync(target)) return target;
  // There are setuid programs in it, which nobody else shall reach.
  mkdirSync(cacheDir, { recursive: true, mode: 0o700 });
  const work = `${target}.${process.pid}.tmp`;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work);
  try {
    await build(work);
    renameSync(work, target);
  } catch (error) {
    rmSync(work, { recursive: true, force: true });
    // Another process may have been faster; its result is as good.
    if (!existsSync(target)) throw error;
  }
  return target;
}

/** Copies a tree with everything that the file system keeps. */
export async function copyTree(from: string, to: string): Promise<void> {
  await runTool('cp', ['-a', '--reflink=auto', '--', `${from}/.`, to], { timeoutMs: 300_000 });
}

function readCache(target: string): Rootfs {
  const partsDir = join(target, 'parts');
  const order: readonly string[] = PACKAGES;
  const names = readdirSync(partsDir).sort((a, b) => order.indexOf(a) - order.indexOf(b));
  return {
    origin: names.includes('host') ? 'host' : 'debian',
    dir: join(target, 'root'),
    parts: names.map((name) => ({ name, dir: join(partsDir, name) })),
  };
}

/** Returns false where the packages cannot be had. */
async function unpackPackages(work: string): Promise<boolean> {
  if (!hasTool('apt-get') || !hasTool('dpkg-deb')) return false;
  const debs = join(work, 'debs');
  mkdirSync(debs);
  const download = () => run('apt-get', ['download', '-qq', ...PACKAGES], { cwd: debs });
  let downloaded = await download();
  if (downloaded.code !== 0 && isRoot()) {
    await run('apt-get', ['update', '-qq'], { timeoutMs: 300_000 });
    downloaded = await download();
  }
  if (downloaded.code !== 0) {
    rmSync(debs, { recursive: true, force: true });
    return false;
  }
  const files = readdirSync(debs);
  for (const name of PACKAGES) {
    const file = files.find((candidate) => candidate.startsWith(`${name}_`));
    if (file === undefined) throw new Error(`apt-get download did not leave ${name}`);
    const part = join(work, 'parts', name);
    mkdirSync(part, { recursive: true });
    await runTool('dpkg-deb', ['--extract', join(debs, file), part]);
    await runTool('dpkg-deb', ['--extract', join(debs, file), join(work, 'root')]);
  }
  rmSync(debs, { recursive: true, force: true });
  return true;
}

async function copyHost(work: string): Promise<void> {
  const part = join(work, 'parts', 'host');
  mkdirSync(part, { recursive: true });
  const wanted = ['/etc/alternatives', '/etc/default', '/usr/bin', '/usr/sbin'].filter((path) =>
    existsSync(path),
  );
  // Sockets, unreadable files and the like are no reason to stop.
  await run('cp', ['-a', '--parents', '--one-file-system', ...wanted, part], { timeoutMs: 300_000 });
  await copyTree(part, join(work, 'root'));
}
