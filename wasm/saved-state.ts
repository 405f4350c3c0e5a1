/** The form in which a running hash is kept: what wrote it, a check against damage, and its state. */

import { createHash } from 'node:crypto';
import type { IHasher } from 'hash-wasm';

/** The writer and its version. */
const LABEL_BYTES = 8;
/** Of the SHA-256 of all the rest. */
const CHECK_BYTES = 8;

/** `label`: eight ASCII characters. */
export function sealState(label: string, body: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(label, 'latin1'), checkOf(label, body), body]);
}

/** The body that {@link sealState} was given. @throws TypeError when `saved` is anything else, or was altered */
export function openState(label: string, saved: Uint8Array): Uint8Array {
  const found = Buffer.from(saved.subarray(0, LABEL_BYTES)).toString('latin1');
  if (found !== label) {
    throw new TypeError(`not a saved state of this hash: it begins with ${JSON.stringify(found)}`);
  }
  const check = saved.subarray(LABEL_BYTES, LABEL_BYTES + CHECK_BYTES);
  const body = saved.subarray(LABEL_BYTES + CHECK_BYTES);
  if (!checkOf(label, body).equals(check)) throw new TypeError('the saved state of a hash is damaged');
  return body;
}

/** A hash of hash-wasm with its state in this form. `label`: as for {@link sealState}. */
export function startSavable(hasher: IHasher, label: string) {
  hasher.init();
  return {
    update: (bytes: Uint8Array) => void hasher.update(bytes),
    digestHex: (): string => hasher.digest('hex'),
    save: (): Uint8Array => sealState(label, hasher.save()),
    load: (saved: Uint8Array) => void hasher.load(openState(label, saved)),
  };
}

function checkOf(label: string, body: Uint8Array): Buffer {
  return createHash('sha256').update(label, 'latin1').update(body).digest().subarray(0, CHECK_BYTES);
}
