/** The checksum of zstd's frames (RFC 8878, 3.1.1), for where Node does not compute it. */

export interface Xxhash64 {
  reset(): void;
  update(bytes: Uint8Array): void;
  /** The low half of the hash. */
  low32(): number;
}

export async function createXxhash64(): Promise<Xxhash64> {
  const { createXXHash64 } = await import('hash-wasm');
  const hash = await createXXHash64();
  hash.init();
  return {
    reset: () => void hash.init(),
    update: (bytes) => void hash.update(bytes),
    low32: () => Buffer.from(hash.digest('binary')).readUInt32BE(4),
  };
}
