/** SHA-512 of a stream, for a kernel that knows whole blocks only: the bytes between, the length, the padding. */

import { openState, sealState } from './saved-state.js';
import { type Kernel, STATE_BYTES } from './sha512-kernel.js';

const BLOCK_BYTES = 128;
/** At the end of the last block: the length of the message in bits, in 128 bits. */
const LENGTH_FIELD_BYTES = 16;

/** The body of a saved state: the length in bytes (64 bits, big endian), the state, the begun block. */
const SAVED_LABEL = 'sha512k1';
const SAVED_STATE_AT = 8;
const SAVED_PENDING_AT = SAVED_STATE_AT + STATE_BYTES;

/** Any number of hashes may use the same `kernel` in turn. */
export function startSha512(kernel: Kernel) {
  const state = new Uint8Array(STATE_BYTES);
  const pending = new Uint8Array(BLOCK_BYTES);
  let pendingBytes = 0;
  /** Exact up to 2^53. */
  let lengthBytes = 0;
  let hasEnded = false;

  kernel.reset();
  state.set(kernel.state);

  function assertRunning(): void {
    if (hasEnded) throw new Error('this hash has ended');
  }

  function absorb(bytes: Uint8Array): void {
    if (pendingBytes + bytes.length < BLOCK_BYTES) {
      pending.set(bytes, pendingBytes);
      pendingBytes += bytes.length;
      return;
    }
    const { input } = kernel;
    kernel.state.set(state);
    input.set(pending.subarray(0, pendingBytes));
    let filled = pendingBytes;
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + input.length - filled);
      input.set(bytes.subarray(at, end), filled);
      filled += end - at;
      at = end;
      kernel.compress(Math.floor(filled / BLOCK_BYTES));
      // Only the last piece may end within a block.
      pendingBytes = filled % BLOCK_BYTES;
      pending.set(input.subarray(filled - pendingBytes, filled));
      filled = 0;
    }
    state.set(kernel.state);
  }

  return {
    update(bytes: Uint8Array): void {
      assertRunning();
      absorb(bytes);
      lengthBytes += bytes.length;
    },

    digestHex(): string {
      assertRunning();
      hasEnded = true;
      const usedBytes = pendingBytes + 1 + LENGTH_FIELD_BYTES;
      const padding = Buffer.alloc((usedBytes > BLOCK_BYTES ? 2 : 1) * BLOCK_BYTES - pendingBytes);
      padding[0] = 0x80;
      padding.writeBigUInt64BE(8n * BigInt(lengthBytes), padding.length - 8);
      absorb(padding);
      return Buffer.from(state).swap64().toString('hex');
    },

    save(): Uint8Array {
      assertRunning();
      const body = Buffer.alloc(SAVED_PENDING_AT + pendingBytes);
      body.writeBigUInt64BE(BigInt(lengthBytes));
      body.set(state, SAVED_STATE_AT);
      body.set(pending.subarray(0, pendingBytes), SAVED_PENDING_AT);
      return sealState(SAVED_LABEL, body);
    },

    /** Leaves the hash as it is when it throws. @throws TypeError */
    load(saved: Uint8Array): void {
      const body = Buffer.from(openState(SAVED_LABEL, saved));
      const savedLength = body.length < SAVED_PENDING_AT ? Number.NaN : Number(body.readBigUInt64BE());
      const savedPending = savedLength % BLOCK_BYTES;
      if (!Number.isSafeInteger(savedLength) || body.length !== SAVED_PENDING_AT + savedPending) {
        throw new TypeError('the saved state of a hash contradicts itself');
      }
      state.set(body.subarray(SAVED_STATE_AT, SAVED_PENDING_AT));
      pendingBytes = savedPending;
      pending.set(body.subarray(SAVED_PENDING_AT));
      lengthBytes = savedLength;
      hasEnded = false;
    },
  };
}
