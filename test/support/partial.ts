/** What an earlier run left of a download. */

import { writeFileSync } from 'node:fs';
import { partialRecordFile } from '../../src/store/layout.js';
import { bootId } from '../../src/store/owner.js';
import type { PartialRecord } from '../../src/store/records.js';

/** Of this run of the machine, where the record does not say otherwise. */
export function leavePartial(path: string, bytes: Buffer, record: PartialRecord = {}): void {
  writeFileSync(path, bytes);
  writeFileSync(partialRecordFile(path), JSON.stringify({ bootId: bootId(), ...record }));
}
