/** Checks the structure of an ACI while it streams by, and takes its manifest out. */

import { FetchError } from '../errors.js';
import { displayPath, type TarEntry } from '../tar/entry.js';
import { createEntryBudget } from '../tar/entry-budget.js';
import { createTarParser, type TarParser } from '../tar/parser.js';
import { normalizePath } from '../tar/path.js';

export interface AciInspector {
  push(chunk: Buffer): void;
  /** @throws FetchError ERR_TAR_INVALID when the archive ends early or has no manifest or rootfs */
  end(): AciFacts;
}

export interface AciFacts {
  readonly manifest: { readonly bytes: Buffer; readonly offset: number };
}

/** Real manifests are a few KiB. */
export const MAX_ACI_MANIFEST_BYTES = 4 * 1024 * 1024;

/**
 * An ACI is a tar file without duplicate entries, with a regular file `manifest` and a directory `rootfs` and
 * nothing else at its top (appc spec, aci.md, "Image Archives").
 * @throws (from push) FetchError ERR_TAR_INVALID, ERR_UNSAFE_PATH, ERR_LIMIT
 */
export function createAciInspector(): AciInspector {
  const remember = createEntryBudget();
  const paths = new Set<string>();
  /** Names of hard links by their targets. */
  const links = new Map<string, string>();
  const chunks: Buffer[] = [];
  let inManifest = false;
  let manifestOffset: number | undefined;
  let hasRootfs = false;
  const parser: TarParser = createTarParser({
    entry(entry) {
      const path = normalizePath(entry.path);
      checkEntry(entry, path);
      remember(path, entry.linkPath);
      if (paths.has(path)) throw invalid(`two entries ${JSON.stringify(displayPath(path))}`);
      paths.add(path);
      if (path !== 'manifest') hasRootfs = true;
      if (entry.type === 'hardlink') links.set(normalizePath(entry.linkPath), path);
      inManifest = path === 'manifest';
      if (inManifest) manifestOffset = parser.position();
    },
    data(chunk) {
      if (inManifest) chunks.push(Buffer.from(chunk));
    },
    hole(sizeBytes) {
      if (inManifest) chunks.push(Buffer.alloc(sizeBytes));
    },
    entryEnd() {
      inManifest = false;
    },
  });
  return {
    push: (chunk) => parser.push(chunk),
    end() {
      parser.end();
      if (manifestOffset === undefined) throw invalid('no manifest');
      if (!hasRootfs) throw invalid('no rootfs');
      for (const [target, path] of links) {
        if (!paths.has(target)) throw invalid(`hard link ${JSON.stringify(displayPath(path))} to nothing`);
      }
      return { manifest: { bytes: Buffer.concat(chunks), offset: manifestOffset } };
    },
  };
}

function checkEntry(entry: TarEntry, path: string): void {
  if (path === 'manifest') {
    if (entry.type !== 'file') throw invalid('the manifest is not a regular file');
    if (entry.sizeBytes > MAX_ACI_MANIFEST_BYTES) {
      throw new FetchError('ERR_LIMIT', `a manifest of ${entry.sizeBytes} bytes`, { stage: 'verify' });
    }
  } else if (path === 'rootfs') {
    if (entry.type !== 'directory') throw invalid('rootfs is not a directory');
  } else if (!path.startsWith('rootfs/')) {
    throw invalid(`${JSON.stringify(displayPath(path))} is neither manifest nor below rootfs`);
  }
  if (entry.type === 'hardlink' && !normalizePath(entry.linkPath).startsWith('rootfs/')) {
    throw new FetchError('ERR_UNSAFE_PATH', `hard link ${JSON.stringify(displayPath(path))} leaves rootfs`, {
      stage: 'verify',
    });
  }
}

function invalid(what: string): FetchError {
  return new FetchError('ERR_TAR_INVALID', `not a valid ACI: ${what}`, { stage: 'verify' });
}
