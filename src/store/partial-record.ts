/** What the main thread wants of an interrupted download: how much is there, and the state of the hash over it. */

import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { partialRecordFile, unfinishedRecordFile } from './layout.js';
import { type PartialHash, parsePartialRecord } from './records.js';

/** Bytes that need not come again; 0 where there are none. */
export async function partialBytes(partialFile: string): Promise<number> {
  try {
    const { received } = parsePartialRecord(await readFile(partialRecordFile(partialFile), 'utf8')) ?? {};
    const { size } = await stat(partialFile);
    return (
      received?.reduce((sum, { start, end }) => sum + Math.min(end, size) - Math.min(start, size), 0) ?? size
    );
  } catch {
    return 0;
  }
}

/** Undefined where there is none, or where anything has been written to the bytes since: then they are hashed again. */
export async function readPartialHash(partialFile: string): Promise<PartialHash | undefined> {
  try {
    const { hashed } = parsePartialRecord(await readFile(partialRecordFile(partialFile), 'utf8')) ?? {};
    if (hashed?.changedAtMs !== (await stat(partialFile)).ctimeMs) return undefined;
    return hashed;
  } catch {
    return undefined;
  }
}

/** After the last byte was written. What keeps it from being kept costs some time later, and nothing now. */
export async function keepPartialHash(partialFile: string, state: PartialHash): Promise<void> {
  const recordFile = partialRecordFile(partialFile);
  try {
    const record = parsePartialRecord(await readFile(recordFile, 'utf8'));
    if (record === undefined) return;
    const hashed = { ...state, changedAtMs: (await stat(partialFile)).ctimeMs };
    await writeFile(unfinishedRecordFile(recordFile), JSON.stringify({ ...record, hashed }));
    await rename(unfinishedRecordFile(recordFile), recordFile);
  } catch {
    return;
  }
}
