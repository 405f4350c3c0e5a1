/** Archives of real files, which compress as images do: made once by the system's tar and gzip, and kept. */

import { existsSync, mkdirSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aciManifest } from '../test/support/images/aci.js';
import { measure } from './measure.js';

/** What is here may be removed whenever no benchmark runs. */
export const cacheDir = join(tmpdir(), 'acifetch-bench');

/** Where real files are on every Linux machine; the first ones of them are taken. */
const SOURCE = '/usr';

/** Files for archives of these sizes, each file in one of them. */
export function splitFiles(tarBytes: readonly number[]): string[][] {
  const groups: string[][] = [];
  const files = filesBelow(SOURCE);
  for (const wantedBytes of tarBytes) {
    const group: string[] = [];
    let total = 0;
    while (total < wantedBytes) {
      const { value: path, done } = files.next();
      if (done === true) throw new Error(`not enough files in ${SOURCE}`);
      group.push(path);
      total += Math.ceil(statSync(path).size / 512) * 512 + 512;
    }
    groups.push(group);
  }
  return groups;
}

function* filesBelow(directory: string): Generator<string, undefined> {
  const entries = readdirSync(directory, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile() && !path.includes('\n')) yield path;
  }
}

/** Adds to a tar, or begins one; `prefix` is put before every path. */
export async function tarFiles(tar: string, files: readonly string[], prefix = ''): Promise<void> {
  const list = `${tar}.list`;
  writeFileSync(list, files.join('\n'));
  const mode = existsSync(tar) ? '-r' : '-c';
  const options = `--transform='s,^/*,${prefix},' --ignore-failed-read -T '${list}'`;
  await measure(`tar -C / ${mode}f '${tar}' ${options} 2>/dev/null; rm '${list}'`);
}

export interface AciFile {
  /** The folder that has nothing else in it. */
  readonly directory: string;
  /** In it. */
  readonly name: string;
  readonly path: string;
  readonly wireBytes: number;
  readonly tarBytes: number;
}

/** The name in the manifest of `aciFile`. */
export const ACI_NAME = 'example.test/bench';

/** An ACI of about this size, before gzip makes it smaller. */
export async function aciFile(tarBytes: number, compression: 'plain' | 'gzip'): Promise<AciFile> {
  const plain = join(cacheDir, `aci-${tarBytes}`, 'plain');
  const name = 'bench.aci';
  const tar = join(plain, name);
  if (!existsSync(tar)) await writeAci(tar, tarBytes);
  const directory = join(cacheDir, `aci-${tarBytes}`, compression);
  const path = join(directory, name);
  if (!existsSync(path)) {
    mkdirSync(directory, { recursive: true });
    await measure(`gzip -6 -n <'${tar}' >'${directory}.part' && mv '${directory}.part' '${path}'`);
  }
  return { directory, name, path, wireBytes: statSync(path).size, tarBytes: statSync(tar).size };
}

async function writeAci(path: string, tarBytes: number): Promise<void> {
  const skeleton = `${path}.skeleton`;
  const part = `${path}.part`;
  mkdirSync(join(skeleton, 'rootfs'), { recursive: true });
  writeFileSync(join(skeleton, 'manifest'), JSON.stringify(aciManifest({ name: ACI_NAME })));
  await measure(`rm -f '${part}'; tar -C '${skeleton}' -cf '${part}' manifest rootfs; rm -r '${skeleton}'`);
  for (const files of splitFiles([tarBytes])) await tarFiles(part, files, 'rootfs/');
  renameSync(part, path);
}
