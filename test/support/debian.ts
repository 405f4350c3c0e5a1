/** A whole Debian as debootstrap installs it, and packages of the same release, from where apt has them on this machine. */

import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { arch } from 'node:os';
import { join } from 'node:path';
import { run, runTool } from './process.js';
import { cachedFolder } from './rootfs.js';

const MINUTE_MS = 60_000;

/** The tree of a smallest Debian; of the cache, not to be changed. Rejects where it cannot be had. */
export async function debianBase(): Promise<string> {
  const { mirror, suite } = await aptSource();
  const cache = await cachedFolder(`debian-${suite}-${arch()}`, async (work) => {
    const root = join(work, 'root');
    const args = ['--variant=minbase', suite, root, mirror];
    await runTool('debootstrap', args, { timeoutMs: 8 * MINUTE_MS });
    for (const path of ['var/cache/apt', 'var/lib/apt/lists']) rmSync(join(root, path), { recursive: true });
  });
  return join(cache, 'root');
}

/** Installs packages into such a tree with its own dpkg. */
export async function installPackages(root: string, packages: readonly string[]): Promise<void> {
  const debs = join(root, 'debs');
  mkdirSync(debs);
  await runTool('apt-get', ['download', '-qq', ...packages], { cwd: debs, timeoutMs: 4 * MINUTE_MS });
  await dpkg(root, ['--install', ...readdirSync(debs).map((name) => `/debs/${name}`)]);
  rmSync(debs, { recursive: true });
}

/** Takes packages with their configuration out of such a tree. */
export async function purgePackages(root: string, packages: readonly string[]): Promise<void> {
  await dpkg(root, ['--purge', ...packages]);
}

async function dpkg(root: string, args: readonly string[]): Promise<void> {
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
  await runTool('chroot', [root, 'dpkg', ...args], { env, timeoutMs: 4 * MINUTE_MS });
}

/** The first archive of packages that apt uses here, and its release. */
async function aptSource(): Promise<{ mirror: string; suite: string }> {
  const args = ['indextargets', '--format', '$(REPO_URI) $(RELEASE)', 'Created-By: Packages'];
  const { stdout } = await run('apt-get', args);
  const [mirror, suite] = (stdout.split('\n')[0] ?? '').split(' ');
  if (mirror === undefined || suite === undefined || mirror === '')
    throw new Error('apt has no packages here');
  return { mirror, suite };
}
