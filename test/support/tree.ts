/** File trees as plain data, and what differs between two of them. */

import { createHash } from 'node:crypto';
import { type BigIntStats, createReadStream } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { run } from './process.js';
import { hasTool } from './tools.js';

export type NodeType = 'file' | 'directory' | 'symlink' | 'character' | 'block' | 'fifo' | 'socket';

export interface TreeNode {
  readonly type: NodeType;
  /** Permissions with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes; files only. */
  readonly size?: number | undefined;
  /** Files only. */
  readonly sha256?: string | undefined;
  /** Symlinks only. */
  readonly linkTarget?: string | undefined;
  /** Smallest path of all in the tree that are the same file; absent for a file with one name. */
  readonly hardLinkGroup?: string | undefined;
  /** `MAJOR:MINOR`; devices only. */
  readonly rdev?: string | undefined;
  /** Nanoseconds. */
  readonly mtime: bigint;
  /** Values in base64; absent where the tool that reads them is. */
  readonly xattrs?: Readonly<Record<string, string>> | undefined;
}

/** Paths from the root (which is `.`), with bytes that are no UTF-8 written as `\xNN`. */
export type Tree = Map<string, TreeNode>;

export interface TreeOptions {
  /** Default: true where getfattr is installed. */
  readonly xattrs?: boolean | undefined;
}

/** Describes everything in a folder; symlinks are not followed. */
export async function describeTree(directory: string, options: TreeOptions = {}): Promise<Tree> {
  const xattrs = (options.xattrs ?? hasTool('getfattr')) ? await readXattrs(directory) : undefined;
  const entries = await listTree(directory);
  const groups = hardLinkGroups(entries);
  const tree: Tree = new Map();
  for (const { path, absolute, stats } of entries) {
    const type = typeOf(stats);
    tree.set(path, {
      type,
      mode: Number(stats.mode & 0o7777n),
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      mtime: stats.mtimeNs,
      ...(type === 'file' ? { size: Number(stats.size), sha256: await hashFile(absolute) } : {}),
      ...(type === 'symlink'
        ? { linkTarget: displayName(await readlink(absolute, { encoding: 'buffer' })) }
        : {}),
      ...(type === 'character' || type === 'block' ? { rdev: deviceNumbers(stats.rdev) } : {}),
      hardLinkGroup: groups.get(inodeKey(stats)),
      xattrs: xattrs === undefined ? undefined : (xattrs.get(path) ?? {}),
    });
  }
  return tree;
}

export interface DiffOptions {
  /** Facts that are left out, and paths that are. */
  readonly ignore?: readonly (keyof TreeNode | RegExp)[] | undefined;
  readonly labels?: readonly [string, string] | undefined;
}

/** One line for each difference, sorted by path; empty when the trees are the same. */
export function diffTrees(left: Tree, right: Tree, options: DiffOptions = {}): string[] {
  const ignore = options.ignore ?? [];
  const [leftLabel, rightLabel] = options.labels ?? ['left', 'right'];
  const lines: string[] = [];
  for (const path of [...new Set([...left.keys(), ...right.keys()])].sort()) {
    if (ignore.some((rule) => rule instanceof RegExp && path.search(rule) >= 0)) continue;
    const [one, other] = [left.get(path), right.get(path)];
    if (one === undefined || other === undefined) {
      lines.push(`${path}: only in ${one === undefined ? rightLabel : leftLabel}`);
      continue;
    }
    const keys = new Set([...Object.keys(one), ...Object.keys(other)]) as Set<keyof TreeNode>;
    for (const key of keys) {
      if (ignore.includes(key)) continue;
      const [a, b] = [factText(one[key]), factText(other[key])];
      if (a !== b) lines.push(`${path}: ${key} ${a} in ${leftLabel}, ${b} in ${rightLabel}`);
    }
  }
  return lines;
}

interface ListedEntry {
  readonly path: string;
  readonly absolute: Buffer;
  readonly stats: BigIntStats;
}

async function listTree(directory: string): Promise<ListedEntry[]> {
  const entries: ListedEntry[] = [];
  async function visit(absolute: Buffer, path: string): Promise<void> {
    const stats = await lstat(absolute, { bigint: true });
    entries.push({ path, absolute, stats });
    if (!stats.isDirectory()) return;
    for (const name of await readdir(absolute, { encoding: 'buffer' })) {
      const below = path === '.' ? displayName(name) : `${path}/${displayName(name)}`;
      await visit(Buffer.concat([absolute, Buffer.from('/'), name]), below);
    }
  }
  await visit(Buffer.from(directory), '.');
  return entries;
}

function hardLinkGroups(entries: readonly ListedEntry[]): Map<string, string> {
  const groups = new Map<string, string[]>();
  for (const { path, stats } of entries) {
    if (stats.isDirectory() || stats.nlink < 2n) continue;
    groups.set(inodeKey(stats), [...(groups.get(inodeKey(stats)) ?? []), path]);
  }
  const shared = [...groups].filter(([, paths]) => paths.length > 1);
  return new Map(shared.map(([key, paths]) => [key, paths.sort()[0] ?? '']));
}

function inodeKey(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}`;
}

function typeOf(stats: BigIntStats): NodeType {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isCharacterDevice()) return 'character';
  if (stats.isBlockDevice()) return 'block';
  return stats.isFIFO() ? 'fifo' : 'socket';
}

/** The split of Linux's 64-bit device numbers. */
function deviceNumbers(rdev: bigint): string {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & ~0xffn & 0xffffffffn);
  return `${major}:${minor}`;
}

async function hashFile(path: Buffer): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** One call for the whole tree; its text has octal escapes in names and `0s` before base64. */
async function readXattrs(directory: string): Promise<Map<string, Record<string, string>>> {
  const args = ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'base64', '--', '.'];
  const { stdoutBytes } = await run('getfattr', args, { cwd: directory });
  const found = new Map<string, Record<string, string>>();
  let current: Record<string, string> = {};
  for (const line of stdoutBytes.toString('latin1').split('\n')) {
    const file = /^# file: (.*)$/.exec(line)?.[1];
    if (file !== undefined) {
      current = {};
      found.set(displayName(unescapeOctal(file)), current);
    }
    const pair = /^([^#=][^=]*)=0s(.*)$/.exec(line);
    if (pair?.[1] !== undefined) current[displayName(unescapeOctal(pair[1]))] = pair[2] ?? '';
  }
  return found;
}

function unescapeOctal(text: string): Buffer {
  const bytes = text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
  return Buffer.from(bytes, 'latin1');
}

function displayName(name: Buffer): string {
  const text = name.toString('utf8');
  if (Buffer.from(text).equals(name)) return text;
  return name
    .toString('latin1')
    .replaceAll(/[^\x20-\x7e]/g, (char) => `\\x${char.charCodeAt(0).toString(16)}`);
}

function factText(value: TreeNode[keyof TreeNode]): string {
  if (typeof value !== 'object') return String(value);
  return JSON.stringify(Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))));
}
