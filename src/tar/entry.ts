/** What one entry of a tar archive says, independent of the header format that said it. */

/**
 * A string whose characters are bytes (0 to 255, "latin1"): paths and links in archives are bytes without an
 * encoding, and must come out as they went in.
 */
export type ByteString = string;

export type EntryType = 'file' | 'hardlink' | 'symlink' | 'char' | 'block' | 'directory' | 'fifo';

export interface TarEntry {
  readonly path: ByteString;
  readonly type: EntryType;
  /** Permission bits with setuid, setgid and sticky (0o7777). */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of content; 0 for everything but files. */
  readonly sizeBytes: number;
  /** Whole seconds since 1970, and the nanoseconds above them. */
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  /** Target of hard and symbolic links, else empty. */
  readonly linkPath: ByteString;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  /** Name and value of every extended attribute. */
  readonly xattrs: ReadonlyMap<ByteString, ByteString>;
}

export const BLOCK_BYTES = 512;

/** `sizeBytes` rounded up to whole tar blocks. */
export function paddedBytes(sizeBytes: number): number {
  return Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
}

const DEFAULTS = {
  mode: 0o644,
  uid: 0,
  gid: 0,
  sizeBytes: 0,
  mtimeSeconds: 0,
  mtimeNanoseconds: 0,
  linkPath: '',
  deviceMajor: 0,
  deviceMinor: 0,
  xattrs: new Map<ByteString, ByteString>(),
} as const;

/** An entry of our own making: owner root, the epoch as time, no content unless said otherwise. */
export function makeEntry(fields: Partial<TarEntry> & Pick<TarEntry, 'path' | 'type'>): TarEntry {
  return { ...DEFAULTS, ...fields };
}

/** For messages to people: bytes as the UTF-8 text they usually are. */
export function displayPath(path: ByteString): string {
  return Buffer.from(path, 'latin1').toString('utf8');
}
