/** GNU tar as the reference for archives. */

import { mkdir } from 'node:fs/promises';
import { runTool } from './process.js';

/** Unpacks an archive (compressed or not) with owners, modes and extended attributes as far as this user may. */
export async function extractWithTar(archive: string, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  const keep = ['--numeric-owner', '--same-permissions', '--xattrs', '--xattrs-include=*'];
  await runTool('tar', ['-x', '-f', archive, '-C', directory, ...keep], { timeoutMs: 300_000 });
}

/** The names in an archive, in their order. */
export async function listWithTar(archive: string): Promise<string[]> {
  const { stdout } = await runTool('tar', ['-t', '-f', archive, '--quoting-style=literal']);
  return stdout.split('\n').filter((name) => name !== '');
}
