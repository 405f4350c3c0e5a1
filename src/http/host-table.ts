/** What is known of hosts, in memory that all threads share: a hash table of a fixed size that only grows. */

/** A number that several threads read and write. */
export interface SharedNumber {
  read(): bigint;
  write(value: bigint): void;
  /** If it is `known`; returns what it was. */
  replace(known: bigint, value: bigint): bigint;
  /** Returns what it is then. */
  increment(): bigint;
}

export interface HostEntry {
  /** In microseconds of the monotonic clock; 0 where it never was. */
  readonly heldUntil: SharedNumber;
  /** In a row. */
  readonly failures: SharedNumber;
}

export interface HostTable {
  of(host: string): HostEntry;
}

/** Beyond so many, some share an entry and are held together. */
const PLACES = 1024;
/** Key, `heldUntil`, `failures`. */
const WORDS = 3;

export const HOST_TABLE_BYTES = 8 * WORDS * PLACES;

/** `offset`: where in the memory it begins, a multiple of 8. */
export function openHostTable(memory: SharedArrayBuffer, offset: number): HostTable {
  const words = new BigInt64Array(memory, offset, WORDS * PLACES);
  const entries = new Map<string, HostEntry>();

  /** The place of the key, or the next free one, which it takes. */
  function placeOf(key: bigint): number {
    const first = Number(BigInt.asUintN(32, key) % BigInt(PLACES));
    for (let tried = 0; tried < PLACES; tried += 1) {
      const at = WORDS * ((first + tried) % PLACES);
      const known = Atomics.compareExchange(words, at, 0n, key);
      if (known === 0n || known === key) return at;
    }
    return WORDS * first;
  }

  function numberAt(at: number): SharedNumber {
    return {
      read: () => Atomics.load(words, at),
      write: (value) => void Atomics.store(words, at, value),
      replace: (known, value) => Atomics.compareExchange(words, at, known, value),
      increment: () => Atomics.add(words, at, 1n) + 1n,
    };
  }

  return {
    of(host) {
      let entry = entries.get(host);
      if (entry === undefined) {
        const at = placeOf(keyOf(host));
        entry = { heldUntil: numberAt(at + 1), failures: numberAt(at + 2) };
        entries.set(host, entry);
      }
      return entry;
    },
  };
}

const FNV_OFFSET = 0xcbf29ce484222325n;
const FNV_PRIME = 0x100000001b3n;

/** FNV-1a of 64 bits; never 0, which is what a free place has. */
function keyOf(host: string): bigint {
  let hash = FNV_OFFSET;
  for (const byte of Buffer.from(host)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * FNV_PRIME);
  return BigInt.asIntN(64, hash === 0n ? 1n : hash);
}
