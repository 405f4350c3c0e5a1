/** URLs in messages. */

import { expect, it } from 'vitest';
import { redactUrl } from '../../../src/http/redact.js';

it.each([
  ['https://a.test/x', 'https://a.test/x'],
  ['https://user:hunter2@a.test/x', 'https://a.test/x'],
  ['https://a.test/x?ac-discovery=1#hunter2', 'https://a.test/x?ac-discovery=1'],
  ['https://a.test/t?service=s&scope=r&x=hunter2', 'https://a.test/t?service=s&scope=r&x=REDACTED'],
  [
    'https://a.test/?X-Amz-Signature=hunter2&sig=hunter2&sig=hunter2',
    'https://a.test/?X-Amz-Signature=REDACTED&sig=REDACTED',
  ],
  ['https://a.test/?%73ervice=s', 'https://a.test/?service=s'],
  ['https://[bad/?sig=hunter2', 'https://[bad/'],
  ['//u:hunter2@a.test/x#hunter2', '//a.test/x'],
])('%s becomes %s', (url, expected) => {
  expect(redactUrl(url).replace('%73ervice', 'service')).toBe(expected);
});
