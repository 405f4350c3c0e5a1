/** The table of trusted keys. */

import { expect, test } from 'vitest';
import { renderKeyTable } from '../../../../src/cli/commands/trust-list.js';

test('the table shows the beginning of a long user ID, and nothing that steers a terminal', () => {
  const fingerprint = '8b86de38890ddb7291867b025210bd8888182190';
  const userIds = ['Ann\u001b[2J <ann@example.com>', 'x.'.repeat(50_000)];
  const createdAt = new Date(0);
  const plain = { fingerprint, version: 4, algorithm: 'RSA 4096', createdAt, armored: '', isRevoked: false };
  const key = { ...plain, userIds, subkeys: [] };
  const table = renderKeyTable([{ fingerprint, prefix: 'example.com', status: 'trusted', path: '/k', key }]);
  expect(table).toContain('Ann [2J <ann@example.com>, x.x.');
  expect(table.length).toBeLessThan(1000);
});
