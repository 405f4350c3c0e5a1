/** Where an ACI comes together: hashes its bytes in order and notes which parts they are. */

import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { FetchError, throwIfAborted } from '../src/errors.js';
import type { BlobName } from '../src/store/layout.js';
import type { WireExtent } from '../src/tasks/contract.js';
import type { Sha512 } from '../wasm/sha512.js';
import type { LayerFollower } from './follow-layer.js';

export interface AciOutput {
  literal(bytes: Buffer): Promise<void>;
  /** Adds a range of a layer; adjacent ones become one. */
  range(layer: number, start: number, end: number): Promise<void>;
  finish(): Promise<{ sha512: string; sizeBytes: number; extents: WireExtent[] }>;
}

/** Literal bytes become part of the image's record, and images that need more than a few headers of their own are rare. */
const MAX_LITERAL_BYTES = 128 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;
/** Hashing this much takes some 10 ms; then messages and the other tasks of the thread have their turn. */
const YIELD_BYTES = 4 * READ_BYTES;

interface Run {
  readonly layer: number;
  readonly start: number;
  hashedTo: number;
  end: number;
}

export interface AciInput {
  readonly hash: Sha512;
  /** Name and content of each layer, top layer first. */
  readonly blobs: readonly BlobName[];
  readonly followers: readonly LayerFollower[];
  readonly signal: AbortSignal;
}

export function createAciOutput({ hash, blobs, followers, signal }: AciInput): AciOutput {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  const extents: WireExtent[] = [];
  let literals: Buffer[] = [];
  let literalBytes = 0;
  let run: Run | undefined;
  let sizeBytes = 0;
  let sinceYield = 0;

  async function hashRun(current: Run): Promise<void> {
    const follower = followers[current.layer] as LayerFollower;
    while (current.hashedTo < current.end) {
      const wanted = Math.min(current.end, current.hashedTo + READ_BYTES);
      const to = await follower.readableTo(current.hashedTo, wanted);
      const length = to - current.hashedTo;
      follower.read(buffer, current.hashedTo, length);
      hash.update(buffer.subarray(0, length));
      current.hashedTo = to;
      sinceYield += length;
      if (sinceYield >= YIELD_BYTES) {
        sinceYield = 0;
        await yieldToEvents();
        throwIfAborted(signal);
      }
    }
  }

  async function endRun(): Promise<void> {
    if (run === undefined) return;
    await hashRun(run);
    const blob = blobs[run.layer] as BlobName;
    extents.push({ blob, offset: run.start, sizeBytes: run.end - run.start });
    run = undefined;
  }

  function endLiterals(): void {
    if (literals.length > 0) extents.push({ bytes: Buffer.concat(literals) });
    literals = [];
  }

  return {
    async literal(bytes) {
      literalBytes += bytes.length;
      if (literalBytes > MAX_LITERAL_BYTES) {
        throw new FetchError('ERR_LIMIT', 'too many headers of the image have to be written anew', {
          stage: 'convert',
        });
      }
      await endRun();
      hash.update(bytes);
      literals.push(bytes);
      sizeBytes += bytes.length;
    },
    async range(layer, start, end) {
      sizeBytes += end - start;
      if (run !== undefined && run.layer === layer && run.end === start) {
        run.end = end;
        // Small entries are hashed together; big ones as they grow.
        if (run.end - run.hashedTo >= READ_BYTES) await hashRun(run);
        return;
      }
      await endRun();
      endLiterals();
      run = { layer, start, hashedTo: start, end };
    },
    async finish() {
      await endRun();
      endLiterals();
      return { sha512: hash.digestHex(), sizeBytes, extents };
    },
  };
}
