/** Compressing with the real tools, and inflating as the program does. */

import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createDecompressor } from '../../src/codec/decompress.js';
import type { Output, Stage } from '../../src/codec/stage.js';
import { run } from './process.js';
import { tempDir } from './temp.js';
import { requireTools, type Tool } from './tools.js';

export const compression = { code: 'ERR_COMPRESSION', stage: 'convert' };

/** Writes pieces, one after another, and returns what came out. The memory of each is used again at once. */
export async function inflate(
  pieces: readonly Buffer[],
  create: (onOutput: Output) => Stage | Promise<Stage> = createDecompressor,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const decompressor = await create((chunk) => void chunks.push(Buffer.from(chunk)));
  try {
    for (const piece of pieces) {
      const memory = Buffer.from(piece);
      await decompressor.write(memory);
      memory.fill(0xee);
    }
    await decompressor.end();
  } finally {
    decompressor.destroy();
  }
  return Buffer.concat(chunks);
}

export function cut(bytes: Buffer, pieceBytes: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / pieceBytes) }, (_, at) =>
    bytes.subarray(at * pieceBytes, (at + 1) * pieceBytes),
  );
}

export interface CodecCase {
  readonly name: string;
  compress(bytes: Buffer): Promise<Buffer>;
}

/** What the tool writes to its standard output. */
export async function compressWith(tool: Tool, args: readonly string[], input: Buffer): Promise<Buffer> {
  return (await run(tool, ['-c', '-q', ...args], { input })).stdoutBytes;
}

/** A file of zeros, as the tool compresses it. */
export async function compressZeros(tool: Tool, sizeBytes: number): Promise<Buffer> {
  const zeros = join(tempDir(), 'zeros');
  writeFileSync(zeros, '');
  truncateSync(zeros, sizeBytes);
  return (await run(tool, ['-c', '-q', zeros])).stdoutBytes;
}

const withTool = (tool: Tool, ...args: string[]): CodecCase[] =>
  requireTools([tool])
    ? [{ name: [tool, ...args].join(' '), compress: (input) => compressWith(tool, args, input) }]
    : [];

export const CODECS: readonly CodecCase[] = [
  { name: 'nothing', compress: async (bytes) => bytes },
  { name: 'gzip of Node', compress: async (bytes) => gzipSync(bytes) },
  ...withTool('pigz', '-p', '3', '-b', '128'),
  ...withTool('zstd', '-3'),
  ...withTool('zstd', '-19', '--no-check'),
  ...withTool('xz', '-1'),
  ...withTool('xz', '-1', '--block-size=65536', '--check=crc32'),
  ...withTool('bzip2', '-1'),
  ...withTool('bzip2', '-9'),
];
