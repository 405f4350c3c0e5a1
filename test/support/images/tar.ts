/** Tar archives from a declaration, ordinary and odd ones alike, by an encoder that shares nothing with src/tar. */

export type EntryType =
  | 'file'
  | 'hardlink'
  | 'symlink'
  | 'character'
  | 'block'
  | 'directory'
  | 'fifo'
  | 'contiguous';

export interface NamedEntry {
  /** As it goes into the archive; a directory gets its slash. A Buffer is taken byte for byte. */
  readonly path: string | Buffer;
  /** Default `file`. */
  readonly type?: EntryType | undefined;
  /** Default 0o755 for directories, else 0o644. */
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly uname?: string | undefined;
  readonly gname?: string | undefined;
  /** Seconds; a fraction or a negative number goes into a pax record. Default 2020-01-01. */
  readonly mtime?: number | undefined;
  /** Content. */
  readonly data?: Uint8Array | string | undefined;
  /** Without `data`: that many bytes of a pattern. With `data`: the size that the header claims. */
  readonly size?: number | undefined;
  readonly linkname?: string | undefined;
  readonly devmajor?: number | undefined;
  readonly devminor?: number | undefined;
  /** Become `SCHILY.xattr.*` pax records. */
  readonly xattrs?: Readonly<Record<string, Uint8Array | string>> | undefined;
  /** Further pax records; they win over those that the encoder makes. */
  readonly pax?: Readonly<Record<string, Uint8Array | string>> | undefined;
  /** How what does not fit a ustar header is written. Default `pax`. */
  readonly format?: 'pax' | 'gnu' | undefined;
  /** The type character of the header itself, when it is not that of `type`. */
  readonly typeflag?: string | undefined;
  /** Changes the 512 bytes of the header; the checksum is made after it. */
  readonly patch?: ((header: Buffer) => void) | undefined;
  /** Leaves a wrong checksum. */
  readonly badChecksum?: boolean | undefined;
}

/** Bytes that go into the archive as they are. */
export interface RawEntry {
  readonly raw: Uint8Array;
}

export type TarEntry = NamedEntry | RawEntry;

export interface TarOptions {
  /** Zero blocks at the end. Default 2. */
  readonly endBlocks?: number | undefined;
  /** Pad the archive with zeros to a multiple of this. Default 512. */
  readonly recordBytes?: number | undefined;
}

const BLOCK = 512;
const TYPEFLAGS: Readonly<Record<EntryType, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
  contiguous: '7',
};
const DEFAULT_MTIME = Date.UTC(2020, 0, 1) / 1000;

/** The bytes of an archive of the entries in their order. */
export function buildTar(entries: readonly TarEntry[], options: TarOptions = {}): Buffer {
  const parts = entries.flatMap((entry) => ('raw' in entry ? [Buffer.from(entry.raw)] : encodeEntry(entry)));
  parts.push(Buffer.alloc(BLOCK * (options.endBlocks ?? 2)));
  const sizeBytes = parts.reduce((sum, part) => sum + part.length, 0);
  const recordBytes = options.recordBytes ?? BLOCK;
  parts.push(Buffer.alloc((recordBytes - (sizeBytes % recordBytes)) % recordBytes));
  return Buffer.concat(parts);
}

/** The content of an entry that was declared by `size` alone. */
export function patternBytes(sizeBytes: number): Buffer {
  const pattern = Buffer.from(Array.from({ length: 251 }, (_, index) => index));
  return Buffer.alloc(sizeBytes, pattern);
}

/** Writes the checksum of a header of 512 bytes into it. */
export function writeChecksum(header: Buffer): void {
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

interface HeaderFields {
  readonly path: Buffer;
  readonly typeflag: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtime: number;
  readonly linkname: Buffer;
  readonly uname: string;
  readonly gname: string;
  readonly devmajor: number;
  readonly devminor: number;
}

function encodeEntry(entry: NamedEntry): Buffer[] {
  const type = entry.type ?? 'file';
  const data = contentOf(entry, type);
  const fields: HeaderFields = {
    path: pathBytes(entry.path, type),
    typeflag: entry.typeflag ?? TYPEFLAGS[type],
    mode: entry.mode ?? (type === 'directory' ? 0o755 : 0o644),
    uid: entry.uid ?? 0,
    gid: entry.gid ?? 0,
    sizeBytes: entry.size ?? data.length,
    mtime: entry.mtime ?? DEFAULT_MTIME,
    linkname: Buffer.from(entry.linkname ?? ''),
    uname: entry.uname ?? '',
    gname: entry.gname ?? '',
    devmajor: entry.devmajor ?? 0,
    devminor: entry.devminor ?? 0,
  };
  const gnu = entry.format === 'gnu';
  const records = { ...(gnu ? {} : paxRecordsFor(fields)), ...xattrRecords(entry), ...entry.pax };
  const header = encodeHeader(fields, gnu);
  entry.patch?.(header);
  writeChecksum(header);
  if (entry.badChecksum === true) header.write('7777777', 148, 'latin1');
  const before = [...(gnu ? gnuLongNames(fields) : []), ...paxEntry(records, 'x')];
  return [...before, header, data, padding(data.length)];
}

function contentOf(entry: NamedEntry, type: EntryType): Buffer {
  if (entry.data !== undefined) return toBuffer(entry.data);
  return type === 'file' || type === 'contiguous' ? patternBytes(entry.size ?? 0) : Buffer.alloc(0);
}

function pathBytes(path: string | Buffer, type: EntryType): Buffer {
  if (typeof path !== 'string') return path;
  return Buffer.from(type === 'directory' && !path.endsWith('/') ? `${path}/` : path);
}

function encodeHeader(fields: HeaderFields, gnu: boolean): Buffer {
  const header = Buffer.alloc(BLOCK);
  const split = gnu ? undefined : splitPath(fields.path);
  (split?.name ?? fields.path.subarray(0, 100)).copy(header, 0);
  split?.prefix.copy(header, 345);
  fields.linkname.subarray(0, 100).copy(header, 157);
  writeNumber(header, 100, 8, fields.mode, gnu);
  writeNumber(header, 108, 8, fields.uid, gnu);
  writeNumber(header, 116, 8, fields.gid, gnu);
  writeNumber(header, 124, 12, fields.sizeBytes, gnu);
  writeNumber(header, 136, 12, Math.floor(fields.mtime), gnu);
  header.write(fields.typeflag, 156, 'latin1');
  header.write(gnu ? 'ustar  \0' : 'ustar\u000000', 257, 'latin1');
  header.write(fields.uname.slice(0, 31), 265, 'utf8');
  header.write(fields.gname.slice(0, 31), 297, 'utf8');
  if (fields.typeflag === '3' || fields.typeflag === '4') {
    writeNumber(header, 329, 8, fields.devmajor, gnu);
    writeNumber(header, 337, 8, fields.devminor, gnu);
  }
  return header;
}

/** Octal where it fits; else base-256 for GNU, and zero for ustar, where a pax record says it. */
function writeNumber(header: Buffer, offset: number, width: number, value: number, gnu: boolean): void {
  if (fitsOctal(value, width)) {
    header.write(`${value.toString(8).padStart(width - 1, '0')}\0`, offset, 'latin1');
  } else if (!gnu) {
    header.write(`${'0'.repeat(width - 1)}\0`, offset, 'latin1');
  } else {
    let rest = BigInt(value);
    for (let at = width - 1; at >= 0; at -= 1) {
      header[offset + at] = Number(BigInt.asUintN(8, rest));
      rest >>= 8n;
    }
    header[offset] = (header[offset] ?? 0) | 0x80;
  }
}

function fitsOctal(value: number, width: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < 8 ** (width - 1);
}

/** The ustar split at a slash: at most 155 bytes of prefix and 100 of name; undefined where there is none. */
function splitPath(path: Buffer): { prefix: Buffer; name: Buffer } | undefined {
  if (path.length <= 100) return { prefix: Buffer.alloc(0), name: path };
  for (let slash = path.indexOf(0x2f); slash > 0 && slash <= 155; slash = path.indexOf(0x2f, slash + 1)) {
    const name = path.subarray(slash + 1);
    if (name.length > 0 && name.length <= 100) return { prefix: path.subarray(0, slash), name };
  }
  return undefined;
}

type PaxRecords = Readonly<Record<string, Uint8Array | string>>;

function paxRecordsFor(fields: HeaderFields): PaxRecords {
  const records: Record<string, Uint8Array | string> = {};
  if (splitPath(fields.path) === undefined || !isAscii(fields.path)) records['path'] = fields.path;
  if (fields.linkname.length > 100 || !isAscii(fields.linkname)) records['linkpath'] = fields.linkname;
  if (!fitsOctal(fields.uid, 8)) records['uid'] = String(fields.uid);
  if (!fitsOctal(fields.gid, 8)) records['gid'] = String(fields.gid);
  if (!fitsOctal(fields.sizeBytes, 12)) records['size'] = String(fields.sizeBytes);
  if (!fitsOctal(fields.mtime, 12)) records['mtime'] = String(fields.mtime);
  return records;
}

function xattrRecords(entry: NamedEntry): PaxRecords {
  const records = Object.entries(entry.xattrs ?? {}).map(
    ([name, value]) => [`SCHILY.xattr.${name}`, value] as const,
  );
  return Object.fromEntries(records);
}

/** The pax entry (`x` for the next entry, `g` for all that follow) with the records, or nothing without records. */
export function paxEntry(records: PaxRecords, typeflag: 'x' | 'g'): Buffer[] {
  const lines = Object.entries(records).map(([key, value]) => paxLine(key, toBuffer(value)));
  if (lines.length === 0) return [];
  return metaEntry('PaxHeaders/entry', typeflag, Buffer.concat(lines), false);
}

/** `LENGTH KEY=VALUE\n`, where LENGTH counts itself. */
function paxLine(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function gnuLongNames(fields: HeaderFields): Buffer[] {
  const longLink = (typeflag: string, name: Buffer): Buffer[] =>
    name.length <= 100
      ? []
      : metaEntry('././@LongLink', typeflag, Buffer.concat([name, Buffer.alloc(1)]), true);
  return [...longLink('K', fields.linkname), ...longLink('L', fields.path)];
}

function metaEntry(name: string, typeflag: string, data: Buffer, gnu: boolean): Buffer[] {
  const fields: HeaderFields = {
    path: Buffer.from(name),
    typeflag,
    mode: 0o644,
    uid: 0,
    gid: 0,
    sizeBytes: data.length,
    mtime: 0,
    linkname: Buffer.alloc(0),
    uname: '',
    gname: '',
    devmajor: 0,
    devminor: 0,
  };
  const header = encodeHeader(fields, gnu);
  writeChecksum(header);
  return [header, data, padding(data.length)];
}

function toBuffer(value: Uint8Array | string): Buffer {
  return typeof value === 'string' ? Buffer.from(value) : Buffer.from(value);
}

function padding(sizeBytes: number): Buffer {
  return Buffer.alloc((BLOCK - (sizeBytes % BLOCK)) % BLOCK);
}

function isAscii(bytes: Buffer): boolean {
  return bytes.every((byte) => byte > 0 && byte < 0x80);
}
