/** `aci trust list` */

import { createKeyring, engineOptionsFrom, type ListedKey, type ResolvedSettings } from '../../index.js';
import { AciCommand } from '../command.js';
import { tabTable } from '../format.js';
import { shownUserId } from '../key-review.js';
import { TRUST_LIST } from '../specs.js';
import { printable } from '../text.js';

export class TrustListCommand extends AciCommand {
  static override paths = [[...TRUST_LIST.path]];

  constructor() {
    super(TRUST_LIST);
  }

  async run({ settings }: ResolvedSettings): Promise<number> {
    const keys = await createKeyring(engineOptionsFrom(settings)).listTrustedKeys();
    if (settings.json) this.printJson(keys.map(keyRecord));
    else this.context.stdout.write(renderKeyTable(keys));
    return 0;
  }
}

/** The table of keys, every line with its newline. */
export function renderKeyTable(keys: readonly ListedKey[]): string {
  return tabTable([
    ['FINGERPRINT', 'PREFIX', 'STATUS', 'USER IDS'],
    ...keys.map(({ fingerprint, prefix, status, key }) => [
      fingerprint,
      prefix ?? '(every name)',
      status === 'unusable' ? `unusable: ${printable(key?.problem ?? '')}` : status,
      (key?.userIds ?? []).map(shownUserId).join(', '),
    ]),
  ]);
}

/** A key of `trust list --json`. */
export function keyRecord({ fingerprint, prefix, status, path, key }: ListedKey) {
  return {
    fingerprint,
    prefix: prefix ?? null,
    status,
    userIds: key?.userIds ?? [],
    algorithm: key?.algorithm ?? null,
    createdAt: key?.createdAt.toISOString() ?? null,
    expiresAt: key?.expiresAt?.toISOString() ?? null,
    problem: key?.problem ?? null,
    path,
  };
}
