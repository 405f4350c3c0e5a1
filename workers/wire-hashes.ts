/** The hashes over an ACI as it comes, which signatures need: where it is not compressed, the one of its ID serves too. */

import { keepSha512, startContentHashes } from '../src/trust/digest.js';
import type { ContentHashRequest, KeptHash } from '../src/trust/signature.js';

export interface WireHashes {
  /** Takes the next bytes, once it is known whether they are the ACI as it stands. */
  update(bytes: Buffer, isPlain: boolean | undefined): void;
  /** `plainState`: the state of the SHA-512 over the ACI. */
  finish(isPlain: boolean, plainState: Uint8Array): Promise<KeptHash[]>;
}

/** Bytes that come before the kind of the file is known are few: they are kept until then. */
export async function startWireHashes(requests: readonly ContentHashRequest[]): Promise<WireHashes> {
  const isShared = ({ algorithm, salt }: ContentHashRequest): boolean =>
    algorithm === 'sha512' && salt === undefined;
  const shared = requests.filter(isShared);
  const always = await startContentHashes(requests.filter((request) => !isShared(request)));
  const whenCompressed = await startContentHashes(shared);
  let undecided: Buffer[] = [];

  function update(bytes: Buffer, isPlain: boolean | undefined): void {
    always.update(bytes);
    if (isPlain === undefined) {
      undecided.push(Buffer.from(bytes));
      return;
    }
    if (isPlain) return;
    for (const early of undecided) whenCompressed.update(early);
    undecided = [];
    whenCompressed.update(bytes);
  }

  return {
    update,
    async finish(isPlain, plainState) {
      const others = await always.finish();
      if (!isPlain) {
        update(Buffer.alloc(0), false);
        return [...(await whenCompressed.finish()), ...others];
      }
      const trailers = shared.flatMap((request) => request.trailers);
      return [await keepSha512(plainState, trailers), ...others];
    },
  };
}
