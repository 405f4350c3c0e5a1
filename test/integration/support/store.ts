/** What lies in the folder of a store, for tests that say what must be there and what must not. */

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const PARTIAL = /^ingest\/[^/]+\.part(\.json)?$/;

/** Every file below the folder with the hash of its content, and every folder; partial downloads aside. */
export function storeListing(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .map((entry) => ({ entry, path: join(entry.parentPath, entry.name).slice(dir.length + 1) }))
    .filter(({ path }) => !PARTIAL.test(path))
    .map(({ entry, path }) => (entry.isDirectory() ? `${path}/` : `${path} ${hashOf(join(dir, path))}`))
    .sort();
}

/** The unfinished downloads, by file name, with their sizes. */
export function partialFiles(dir: string): Map<string, number> {
  const names = listIfThere(join(dir, 'ingest')).filter((name) => name.endsWith('.part'));
  return new Map(names.map((name) => [join(dir, 'ingest', name), statSync(join(dir, 'ingest', name)).size]));
}

/** The records of images, whose being there makes images visible. */
export function imageRecords(dir: string): string[] {
  return filesBelow(join(dir, 'images')).filter((path) => path.endsWith('.json'));
}

function filesBelow(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function listIfThere(dir: string): string[] {
  return existsSync(dir) ? readdirSync(dir).sort() : [];
}

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16);
}
