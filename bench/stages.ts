/** Measures each stage of a fetch by itself, in CPU time: what the bound is computed from. */

import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync, rmSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { createDecompressor } from '../src/codec/decompress.js';
import { createSha512 } from '../wasm/sha512.js';
import type { StageCosts } from './bound.js';
import { cpuMsOf, processCpuMs } from './measure.js';

export interface StagesInput {
  readonly urls: readonly string[];
  /** Of the server, for its share. */
  readonly serverPid: number;
  /** File with the certificate that is trusted. */
  readonly caFile?: string | undefined;
  /** What the URLs bring, for the inflater; none when it is not compressed. */
  readonly gzipFiles: readonly string[];
  readonly wireBytes: number;
  /** Inflated, which is what is written. */
  readonly tarBytes: number;
  /** What the image's ID is the hash of. Default: `tarBytes`. */
  readonly hashedBytes?: number | undefined;
  /** Whether the wire's bytes have a digest of their own. */
  readonly hasWireDigest: boolean;
  /** Exists, on the disk that the store is on. */
  readonly directory: string;
}

const PIECE_BYTES = 1024 * 1024;
/** Of the stages whose cost is the same for any bytes, so much is done and the rest computed. */
const SAMPLE_BYTES = 256 * PIECE_BYTES;

/** One after another, with the project's own kernels and the cheapest calls that Node has for the rest. */
export async function measureStages(input: StagesInput): Promise<StageCosts> {
  const { wireBytes, tarBytes, hashedBytes = tarBytes } = input;
  const servedMs = processCpuMs(input.serverPid);
  const downloadMs = await cpuMsOf(() => downloadAll(input));
  const servingMs = processCpuMs(input.serverPid) - servedMs;
  const sha256 = createHash('sha256');
  const sha512 = await createSha512();
  const path = join(input.directory, 'written');
  const fd = openSync(path, 'w');
  try {
    return {
      downloadMs,
      servingMs,
      sha256Ms: input.hasWireDigest ? await sampleMs(wireBytes, (piece) => void sha256.update(piece)) : 0,
      inflateMs: await cpuMsOf(() => inflateAll(input)),
      sha512Ms: await sampleMs(hashedBytes, (piece) => sha512.update(piece)),
      writeMs: await sampleMs(tarBytes, (piece) => void writeSync(fd, piece)),
    };
  } finally {
    closeSync(fd);
    rmSync(path);
  }
}

async function sampleMs(totalBytes: number, work: (piece: Buffer) => void): Promise<number> {
  const piece = Buffer.alloc(PIECE_BYTES, 'acifetch');
  const pieces = Math.ceil(Math.min(totalBytes, SAMPLE_BYTES) / PIECE_BYTES);
  const ms = await cpuMsOf(async () => {
    for (let at = 0; at < pieces; at++) work(piece);
  });
  return (ms * totalBytes) / (pieces * PIECE_BYTES);
}

async function inflateAll({ gzipFiles, tarBytes }: StagesInput): Promise<void> {
  if (gzipFiles.length === 0) return;
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  let outputBytes = 0;
  for (const path of gzipFiles) {
    const decompressor = createDecompressor((chunk) => {
      outputBytes += chunk.length;
    });
    const fd = openSync(path, 'r');
    for (let length = readSync(fd, piece); length > 0; length = readSync(fd, piece))
      await decompressor.write(piece.subarray(0, length));
    await decompressor.end();
    decompressor.destroy();
    closeSync(fd);
  }
  if (outputBytes !== tarBytes) throw new Error(`inflated ${outputBytes} bytes instead of ${tarBytes}`);
}

async function downloadAll({ urls, caFile, wireBytes }: StagesInput): Promise<void> {
  const ca = caFile === undefined ? undefined : readFileSync(caFile);
  let receivedBytes = 0;
  for (const url of urls) receivedBytes += await receive(new URL(url), ca);
  if (receivedBytes < wireBytes) throw new Error(`${receivedBytes} bytes instead of ${wireBytes}`);
}

/** Reads an answer, head and all, into one buffer again and again. */
function receive(url: URL, ca: Buffer | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    let receivedBytes = 0;
    const onread = {
      buffer: Buffer.allocUnsafeSlow(PIECE_BYTES),
      callback(length: number) {
        receivedBytes += length;
        return true;
      },
    };
    const to = { host: url.hostname, port: Number(url.port), onread };
    // The types of Node 20 do not know that TLS has `onread` too.
    const socket = url.protocol === 'https:' ? connectTls({ ...to, ca } as ConnectionOptions) : connect(to);
    socket.on('error', reject);
    socket.on('close', () => resolve(receivedBytes));
    socket.write(`GET ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\nConnection: close\r\n\r\n`);
  });
}
