/** The task that puts an ACI together out of layers that may still be arriving, and hashes it. */

import { inRootfs } from '../src/convert/layer.js';
import { endOffset, type IndexEntry } from '../src/convert/layer-index.js';
import { createLayerMerge, type LayerMerge } from '../src/convert/merge.js';
import { type OverlayPiece, overlayLayers } from '../src/convert/overlay.js';
import { layerBlob } from '../src/store/layout.js';
import { encodeHeader, endOfArchive } from '../src/tar/encode.js';
import { makeEntry, paddedBytes, type TarEntry } from '../src/tar/entry.js';
import { createEntryBudget } from '../src/tar/entry-budget.js';
import { createTarParser } from '../src/tar/parser.js';
import type { AssembleInput, AssembleOutput, TaskContext, TaskHandler } from '../src/tasks/contract.js';
import { createSha512 } from '../wasm/sha512.js';
import { type AciOutput, createAciOutput } from './aci-output.js';
import { followLayer, type LayerFollower } from './follow-layer.js';

/**
 * The ACI is: manifest, rootfs, then what each layer shows, top layer first and in the layer's own order, then
 * the links that Docker images expect in /dev. The same manifest and layers always give the same bytes, whichever
 * way it takes: whether it takes the streaming one depends on the content alone.
 */
export const assemble: TaskHandler<'assemble'> = async (input, context) => {
  const streamed = await withAssembly(input, context, writeWhileStreaming);
  return streamed ?? withAssembly(input, context, writeComplete);
};

/** What the image has at a path. */
type KindOf = (path: string) => 'directory' | 'other' | undefined;

interface Assembly {
  readonly output: AciOutput;
  readonly followers: readonly LayerFollower[];
  finish(kindOf: KindOf): Promise<AssembleOutput>;
}

/** Writes the manifest, and hands what comes after it to `write`. */
async function withAssembly<T>(
  input: AssembleInput,
  context: TaskContext,
  write: (assembly: Assembly) => Promise<T>,
): Promise<T> {
  const followers: LayerFollower[] = [];
  try {
    for (const files of input.layers) followers.push(followLayer(files, context.signal));
    const blobs = input.layers.map(({ digest }) => layerBlob(digest));
    const output = createAciOutput({ hash: await createSha512(), blobs, followers, signal: context.signal });
    const manifest = Buffer.from(input.manifest);
    const header = encodeHeader(makeEntry({ path: 'manifest', type: 'file', sizeBytes: manifest.length }));
    const padding = Buffer.alloc(paddedBytes(manifest.length) - manifest.length);
    await output.literal(Buffer.concat([header, manifest, padding]));
    return await write({
      output,
      followers,
      async finish(kindOf) {
        for (const link of stdioLinks(kindOf)) await output.literal(encodeHeader(link));
        await output.literal(endOfArchive());
        const result = await output.finish();
        return { ...result, manifest: { offset: header.length, sizeBytes: manifest.length } };
      },
    });
  } finally {
    for (const follower of followers) follower.close();
  }
}

/** Undefined when an entry shows that the layers below decide about it. */
async function writeWhileStreaming({
  output,
  followers,
  finish,
}: Assembly): Promise<AssembleOutput | undefined> {
  const merge: LayerMerge = createLayerMerge();
  const remember = createEntryBudget();
  let isRootWritten = false;
  for (const [layer, follower] of followers.entries()) {
    for (
      let entries = await follower.nextEntries();
      entries !== undefined;
      entries = await follower.nextEntries()
    ) {
      for (const entry of entries) {
        remember(entry.path, entry.link);
        const decision = merge.decide(entry);
        if (decision === 'odd') return undefined;
        const isRoot = entry.path === '' && decision === 'keep';
        if (!isRootWritten && !isRoot) await output.literal(encodeHeader(ROOT));
        isRootWritten = true;
        if (decision === 'keep') await output.range(layer, entry.offset, endOffset(entry));
      }
    }
    merge.endLayer();
  }
  if (!isRootWritten) await output.literal(encodeHeader(ROOT));
  return finish(merge.kindOf);
}

async function writeComplete({ output, followers, finish }: Assembly): Promise<AssembleOutput> {
  const remember = createEntryBudget();
  const indexes: IndexEntry[][] = [];
  for (const follower of followers) indexes.push(await wholeIndex(follower, remember));
  const { root, pieces, kindOf } = overlayLayers(indexes);
  if (root === undefined) await output.literal(encodeHeader(ROOT));
  else await output.range(root.layer, root.entry.offset, endOffset(root.entry));
  for (const piece of pieces) {
    if (piece.kind === 'range') await output.range(piece.layer, piece.start, piece.end);
    else await output.literal(await rewrittenHeader(piece, followers[piece.layer] as LayerFollower));
  }
  return finish(kindOf);
}

async function wholeIndex(
  follower: LayerFollower,
  remember: ReturnType<typeof createEntryBudget>,
): Promise<IndexEntry[]> {
  const all: IndexEntry[] = [];
  for (
    let entries = await follower.nextEntries();
    entries !== undefined;
    entries = await follower.nextEntries()
  ) {
    for (const entry of entries) {
      remember(entry.path, entry.link);
      all.push(entry);
    }
  }
  return all;
}

type HeaderPiece = Extract<OverlayPiece, { kind: 'header' }>;

async function rewrittenHeader(piece: HeaderPiece, follower: LayerFollower): Promise<Buffer> {
  const { entry, link } = piece;
  const bytes = Buffer.allocUnsafe(entry.headerBytes);
  const end = entry.offset + entry.headerBytes;
  for (let at = entry.offset; at < end; ) at = await follower.readableTo(at, end);
  follower.read(bytes, entry.offset, entry.headerBytes);
  const source = decodeOne(bytes);
  const path = inRootfs(piece.path);
  if (link === undefined) return encodeHeader({ ...source, path });
  return encodeHeader({ ...source, path, type: 'hardlink', linkPath: inRootfs(link), sizeBytes: 0 });
}

function decodeOne(header: Buffer): TarEntry {
  let found: TarEntry | undefined;
  createTarParser({
    entry: (entry) => {
      found = entry;
    },
    data() {},
    hole() {},
    entryEnd() {},
  }).push(header);
  if (found === undefined) throw new Error('a header of the store that holds no entry');
  return found;
}

const ROOT = makeEntry({ path: 'rootfs', type: 'directory', mode: 0o755 });

/** As docker2aci adds them: stdout and stderr go to the console, which may be a socket of the journal. */
const STDIO_LINKS: readonly (readonly [path: string, target: string])[] = [
  ['dev/stdin', '/proc/self/fd/0'],
  ['dev/stdout', '/dev/console'],
  ['dev/stderr', '/dev/console'],
  ['dev/fd', '/proc/self/fd'],
];

function stdioLinks(kindOf: KindOf): TarEntry[] {
  const dev = kindOf('dev');
  if (dev === 'other') return [];
  const links = STDIO_LINKS.filter(([path]) => kindOf(path) === undefined).map(([path, linkPath]) =>
    makeEntry({ path: inRootfs(path), type: 'symlink', mode: 0o777, linkPath }),
  );
  if (links.length === 0 || dev === 'directory') return links;
  return [makeEntry({ path: inRootfs('dev'), type: 'directory', mode: 0o755 }), ...links];
}
