/** Parses PAX extended header records (POSIX.1-2017 pax, "pax Extended Header"). */

import { FetchError } from '../errors.js';
import type { ByteString } from './entry.js';

/** The records of one extended header: key to value, both as bytes. */
export type PaxRecords = Map<string, ByteString>;

/** Texts that a C program would cut at a NUL; other values are any bytes (Go's archive/tar has the same rule). */
const TEXT_KEYS = new Set(['path', 'linkpath', 'uname', 'gname', 'GNU.sparse.name']);

/** GNU's sparse format 0.0 repeats these two keys in turn, which format 0.1 made one list. */
const SPARSE_PAIR = new Set(['GNU.sparse.offset', 'GNU.sparse.numbytes']);

/** @throws FetchError ERR_TAR_INVALID */
export function parsePax(body: Buffer): PaxRecords {
  const records: PaxRecords = new Map();
  const sparseNumbers: ByteString[] = [];
  const text = body.toString('latin1');
  for (let at = 0; at < text.length; ) {
    const space = text.indexOf(' ', at);
    const digits = text.slice(at, space);
    if (space < 0 || !/^[0-9]{1,9}$/.test(digits)) {
      // Some writers pad the body with NULs; anything else there is damage.
      if (/^\0+$/.test(text.slice(at))) break;
      throw invalid('a record without a length');
    }
    const end = at + Number(digits);
    const equals = text.indexOf('=', space);
    if (end > text.length || text[end - 1] !== '\n' || equals < 0 || equals >= end) {
      throw invalid('a record that does not fit its length');
    }
    const key = text.slice(space + 1, equals);
    const value = text.slice(equals + 1, end - 1);
    if (key === '') throw invalid('a record without a name');
    if (key.includes('\0') || (TEXT_KEYS.has(key) && value.includes('\0'))) throw invalid('a NUL in a text');
    if (SPARSE_PAIR.has(key)) sparseNumbers.push(value);
    else records.set(key, value);
    at = end;
  }
  if (sparseNumbers.length > 0) records.set('GNU.sparse.map', sparseNumbers.join(','));
  return records;
}

/** A decimal number of a PAX record, not negative and exact. @throws FetchError ERR_TAR_INVALID */
export function paxInteger(records: PaxRecords, key: string): number | undefined {
  const text = records.get(key);
  if (text === undefined || text === '') return undefined;
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(value)) throw invalid(`${key} is not a number`);
  return value;
}

/** `mtime` with its fraction cut to nanoseconds. @throws FetchError ERR_TAR_INVALID */
export function paxTime(records: PaxRecords): { seconds: number; nanoseconds: number } | undefined {
  const text = records.get('mtime');
  if (text === undefined || text === '') return undefined;
  const match = /^(-?)([0-9]{1,16})(?:\.([0-9]*))?$/.exec(text);
  const whole = Number(match?.[2]);
  if (match === null || !Number.isSafeInteger(whole)) throw invalid('mtime is not a time');
  const nanoseconds = Number((match[3] ?? '').slice(0, 9).padEnd(9, '0'));
  if (match[1] !== '-') return { seconds: whole, nanoseconds };
  if (nanoseconds === 0) return { seconds: whole === 0 ? 0 : -whole, nanoseconds: 0 };
  return { seconds: -whole - 1, nanoseconds: 1e9 - nanoseconds };
}

function invalid(what: string): FetchError {
  return new FetchError('ERR_TAR_INVALID', `malformed PAX header: ${what}`, { stage: 'convert' });
}
