/** One call from bytes to verdict: the way that content, its hashes and its signature take in a fetch. */

import { startContentHashes } from '../../../src/trust/digest.js';
import { type PublicKeyFacts, readKeys } from '../../../src/trust/read-keys.js';
import { readSignature } from '../../../src/trust/read-signature.js';
import { hashRequestsOf, type KeptHash } from '../../../src/trust/signature.js';
import { type Verdict, verifySignature } from '../../../src/trust/verify.js';

/** What a worker keeps of `content` for this signature. */
export async function keep(signature: Uint8Array, content: Uint8Array): Promise<KeptHash[]> {
  const hashes = await startContentHashes(hashRequestsOf(await readSignature(signature)));
  for (let at = 0; at < content.length; at += 1000) hashes.update(content.subarray(at, at + 1000));
  return hashes.finish();
}

/** The verdict on each signature of the file. */
export async function verdictsOn(
  signature: Uint8Array,
  content: Uint8Array,
  keyFiles: readonly Uint8Array[],
  now?: Date,
): Promise<Verdict[]> {
  return verifySignature({
    signature: await readSignature(signature),
    hashes: await keep(signature, content),
    keys: (await Promise.all(keyFiles.map(keysIn))).flat(),
    now,
  });
}

/** `good`, `unknown-key`, `unchecked`, the reason of a bad one, or the code of the error; of the first signature. */
export async function outcomeOf(...args: Parameters<typeof verdictsOn>): Promise<string> {
  try {
    const [verdict] = await verdictsOn(...args);
    return verdict?.status === 'bad' ? verdict.reason : (verdict?.status ?? 'none');
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

const keysOfFile = new WeakMap<Uint8Array, Promise<PublicKeyFacts[]>>();

function keysIn(file: Uint8Array): Promise<PublicKeyFacts[]> {
  const keys = keysOfFile.get(file) ?? readKeys(file);
  keysOfFile.set(file, keys);
  return keys;
}
