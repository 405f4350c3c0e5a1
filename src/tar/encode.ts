/** Encodes tar headers in the one canonical form that every layer and ACI of the store is kept in. */

import { BLOCK_BYTES, type ByteString, type EntryType, paddedBytes, type TarEntry } from './entry.js';

/**
 * The canonical form, so that equal entries always give equal bytes: a ustar header with numeric owners only;
 * before it a PAX header exactly when a field does not fit (a path or link over 100 bytes, a number over its
 * octal field, a time before 1970 or with a fraction, extended attributes), its records sorted by key.
 * Formats: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Extended Header".
 */
export function encodeHeader(entry: TarEntry): Buffer {
  const path = entry.type === 'directory' && !entry.path.endsWith('/') ? `${entry.path}/` : entry.path;
  const records = paxRecords(entry, path);
  const header = ustarBlock({ ...entry, path }, TYPE_FLAGS[entry.type]);
  if (records.length === 0) return header;
  const body = Buffer.from(records.join(''), 'latin1');
  const pax = ustarBlock({ ...PAX_ENTRY, path: 'PaxHeaders/entry', sizeBytes: body.length }, 'x');
  const padding = Buffer.alloc(paddedBytes(body.length) - body.length);
  return Buffer.concat([pax, body, padding, header]);
}

/** The two zero blocks at the end of an archive. */
export function endOfArchive(): Buffer {
  return Buffer.alloc(2 * BLOCK_BYTES);
}

const TYPE_FLAGS: Readonly<Record<EntryType, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

const PAX_ENTRY = {
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtimeSeconds: 0,
  linkPath: '',
  deviceMajor: 0,
  deviceMinor: 0,
} as const;

const MAX_NAME_BYTES = 100;
const MAX_OCTAL_7 = 0o7777777;
const MAX_OCTAL_11 = 0o77777777777;

function paxRecords(entry: TarEntry, path: ByteString): string[] {
  const records: [key: string, value: string][] = [];
  if (entry.gid > MAX_OCTAL_7) records.push(['gid', String(entry.gid)]);
  if (entry.linkPath.length > MAX_NAME_BYTES) records.push(['linkpath', entry.linkPath]);
  if (entry.mtimeNanoseconds !== 0 || entry.mtimeSeconds < 0 || entry.mtimeSeconds > MAX_OCTAL_11) {
    records.push(['mtime', paxTime(entry.mtimeSeconds, entry.mtimeNanoseconds)]);
  }
  if (path.length > MAX_NAME_BYTES) records.push(['path', path]);
  if (entry.sizeBytes > MAX_OCTAL_11) records.push(['size', String(entry.sizeBytes)]);
  if (entry.uid > MAX_OCTAL_7) records.push(['uid', String(entry.uid)]);
  for (const [name, value] of entry.xattrs) records.push([`SCHILY.xattr.${name}`, value]);
  records.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return records.map(([key, value]) => paxRecord(key, value));
}

/** `LENGTH KEY=VALUE\n`, where LENGTH counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}

/** Decimal seconds with as many digits of the fraction as it has; -1.5 s is -2 s and 500,000,000 ns. */
function paxTime(seconds: number, nanoseconds: number): string {
  if (nanoseconds === 0) return String(seconds);
  const negative = seconds < 0;
  const whole = negative ? -(seconds + 1) : seconds;
  const fraction = String(negative ? 1e9 - nanoseconds : nanoseconds)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return `${negative ? '-' : ''}${whole}.${fraction}`;
}

type UstarFields = Pick<
  TarEntry,
  'path' | 'mode' | 'uid' | 'gid' | 'sizeBytes' | 'mtimeSeconds' | 'linkPath' | 'deviceMajor' | 'deviceMinor'
>;

function ustarBlock(fields: UstarFields, typeFlag: string): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  block.write(fields.path.slice(0, MAX_NAME_BYTES), 0, 'latin1');
  writeOctal(block, 100, 7, fields.mode);
  writeOctal(block, 108, 7, fields.uid > MAX_OCTAL_7 ? 0 : fields.uid);
  writeOctal(block, 116, 7, fields.gid > MAX_OCTAL_7 ? 0 : fields.gid);
  writeOctal(block, 124, 11, fields.sizeBytes > MAX_OCTAL_11 ? 0 : fields.sizeBytes);
  const seconds = fields.mtimeSeconds;
  writeOctal(block, 136, 11, seconds < 0 || seconds > MAX_OCTAL_11 ? 0 : seconds);
  block.write(typeFlag, 156, 'latin1');
  block.write(fields.linkPath.slice(0, MAX_NAME_BYTES), 157, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  if (typeFlag === '3' || typeFlag === '4') {
    writeOctal(block, 329, 7, fields.deviceMajor);
    writeOctal(block, 337, 7, fields.deviceMinor);
  }
  block.fill(0x20, 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function writeOctal(block: Buffer, offset: number, digits: number, value: number): void {
  const text = value.toString(8).padStart(digits, '0');
  // The decoder lets nothing in that does not fit; a digit more would be in the next field.
  if (text.length > digits) throw new RangeError(`${value} does not fit a field of ${digits} digits`);
  block.write(text, offset, 'latin1');
}
