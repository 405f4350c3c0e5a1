/** The policy for redirects. */

import { expect, it } from 'vitest';
import { firstHop, isRedirect, MAX_REDIRECTS, nextHop } from '../../../src/http/redirect.js';

const SAFE = { insecureHttp: false, stage: 'download' } as const;
const PLAIN = { insecureHttp: true, stage: 'download' } as const;

// from, Location, where it leads, whether credentials still go there
it.each([
  ['https://a.test/x/y', '/z?q=1', 'https://a.test/z?q=1', true],
  ['https://a.test/x/y', 'z', 'https://a.test/x/z', true],
  ['https://a.test/x', '//a.test:443/z', 'https://a.test/z', true],
  ['https://a.test/x', 'https://A.TEST/z#frag', 'https://a.test/z', true],
  ['https://a.test/x', 'https://u:p@a.test/z', 'https://a.test/z', true],
  ['https://a.test/x', 'https://b.test/z', 'https://b.test/z', false],
  ['https://a.test/x', 'https://a.test:8443/z', 'https://a.test:8443/z', false],
  ['https://a.test/x', 'https://sub.a.test/z', 'https://sub.a.test/z', false],
  ['https://a.test/x', 'https://a.test.evil.test/', 'https://a.test.evil.test/', false],
])('leads from %s by %s to %s, with credentials: %s', (from, location, url, sendsAuthorization) => {
  expect(nextHop(firstHop(from, SAFE), location, SAFE)).toEqual({ url, sendsAuthorization, redirects: 1 });
});

it('changes of scheme leave the origin', () => {
  const up = nextHop(firstHop('http://a.test/', PLAIN), 'https://a.test/', PLAIN);
  const down = nextHop(firstHop('https://a.test/', PLAIN), 'http://a.test/', PLAIN);
  expect([up.sendsAuthorization, down.sendsAuthorization]).toEqual([false, false]);
});

it('does not send credentials again after coming back', () => {
  const away = nextHop(firstHop('https://a.test/', SAFE), 'https://b.test/', SAFE);
  const back = nextHop(away, 'https://a.test/', SAFE);
  expect(back.sendsAuthorization).toBe(false);
});

it.each([
  [undefined, 'ERR_REDIRECT'],
  ['', 'ERR_REDIRECT'],
  ['https://[', 'ERR_REDIRECT'],
  ['file:///etc/passwd', 'ERR_REDIRECT'],
  ['data:text/plain,x', 'ERR_REDIRECT'],
  ['javascript:1', 'ERR_REDIRECT'],
  ['ftp://a.test/', 'ERR_REDIRECT'],
  ['http://a.test/', 'ERR_INSECURE_HTTP'],
])('refuses the target %j with %s', (location, code) => {
  expect(() => nextHop(firstHop('https://a.test/x', SAFE), location, SAFE)).toThrow(
    expect.objectContaining({ code, stage: 'download' }),
  );
});

it('allows ten redirects', () => {
  let hop = firstHop('https://a.test/', SAFE);
  for (let count = 0; count < MAX_REDIRECTS; count++) hop = nextHop(hop, '/', SAFE);
  expect(() => nextHop(hop, '/', SAFE)).toThrow(expect.objectContaining({ code: 'ERR_REDIRECT' }));
});

it.each([
  ['http://a.test/', 'ERR_INSECURE_HTTP'],
  ['ftp://a.test/', 'ERR_USAGE'],
  ['nonsense', 'ERR_USAGE'],
])('refuses to begin with %s', (url, code) => {
  expect(() => firstHop(url, SAFE)).toThrow(expect.objectContaining({ code }));
});

it('keeps signatures out of its messages', () => {
  const hop = firstHop('https://a.test/x?sig=hunter2', SAFE);
  expect(() => nextHop(hop, 'http://b.test/?sig=hunter2', SAFE)).toThrow(/^(?!.*hunter2)/);
});

it('knows the statuses that are redirects', () => {
  const statuses = [200, 204, 300, 301, 302, 303, 304, 305, 307, 308, 400];
  expect(statuses.filter(isRedirect)).toEqual([301, 302, 303, 307, 308]);
});
