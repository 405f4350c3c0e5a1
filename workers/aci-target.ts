/** What passes between the source of an ACI and the pass over its bytes. */

/** Where the bytes of an ACI go as they arrive. */
export interface AciTarget {
  /** `wireBytes`: how many have arrived in all. */
  take(chunk: Buffer, wireBytes: number): Promise<void>;
  /** Forgets everything taken so far: the content has changed on the way. */
  restart(generation: number): Promise<void>;
}
