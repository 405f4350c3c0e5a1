/** Public keys from files, URLs and discovery: what a location means, and what is refused. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type ErrorCode, isFetchError } from '../../../src/errors.js';
import {
  discoverPublicKeys,
  type KeyAccess,
  type KeyLocation,
  parseKeyLocation,
  readPublicKeysFrom,
} from '../../../src/fetch/public-keys.js';
import { createHttpClient } from '../../../src/http/client.js';
import { DEFAULT_HTTP_OPTIONS } from '../../../src/http/options.js';
import { KEYS_MAX_BYTES } from '../../../src/trust/read-keys.js';
import { createSigningKey } from '../../support/images/keys.js';
import type { DiscoverySite } from '../../support/servers/discovery-site.js';
import { tempDir } from '../../support/temp.js';
import { startSite } from '../discovery/site.js';

const [one, other] = await Promise.all([createSigningKey(), createSigningKey({ name: 'Other' })]);
const signal = new AbortController().signal;

const file = (path: string): KeyLocation => ({ kind: 'file', path });
const url = (text: string): KeyLocation => ({ kind: 'url', url: text });

function meaningOf(location: string, insecureHttp: boolean): KeyLocation | ErrorCode {
  try {
    return parseKeyLocation(location, insecureHttp, '/home/ann');
  } catch (error) {
    if (isFetchError(error) && !error.message.includes('secret')) return error.code;
    throw error;
  }
}

describe('the location of a key', () => {
  const table: readonly (readonly [string, KeyLocation | ErrorCode])[] = [
    ['https://example.test/key.asc#x', url('https://example.test/key.asc')],
    ['HTTPS://example.test/key.asc', url('https://example.test/key.asc')],
    ['https://ann:secret@example.test/key.asc', 'ERR_USAGE'],
    ['ftp://example.test/key.asc', 'ERR_USAGE'],
    ['docker://example.test/key', 'ERR_USAGE'],
    ['https://', 'ERR_USAGE'],
    ['', 'ERR_USAGE'],
    ['a\0b', 'ERR_USAGE'],
    ['key.asc', file('/home/ann/key.asc')],
    ['./key.asc', file('/home/ann/key.asc')],
    ['/keys/key.asc', file('/keys/key.asc')],
    ['file:///keys/a%20key.asc', file('/keys/a key.asc')],
    ['file://example.test/key.asc', 'ERR_USAGE'],
    ['C:key', file('/home/ann/C:key')],
  ];

  test.each(table)('%j means %j', (location, expected) => {
    expect([false, true].map((insecureHttp) => meaningOf(location, insecureHttp))).toEqual([
      expected,
      expected,
    ]);
  });

  test.each([
    [false, 'ERR_INSECURE_HTTP'],
    [true, url('http://example.test/key.asc')],
  ])('may be plain HTTP where that is allowed: %j', (insecureHttp, expected) => {
    expect(meaningOf('http://example.test/key.asc', insecureHttp)).toEqual(expected);
  });
});

function accessTo(site: DiscoverySite, insecureHttp = false): KeyAccess {
  const tls = { insecureTls: true, resolve: site.resolve };
  // That the client allows plain HTTP for images must not matter here.
  const http = createHttpClient({ ...DEFAULT_HTTP_OPTIONS, ...tls, insecureHttp: true });
  onTestFinished(() => http.close());
  return { http, insecureHttp, retries: 0 };
}

const fingerprintsAt = async (access: KeyAccess, location: string): Promise<string[]> =>
  (await readPublicKeysFrom(access, location, signal)).map(({ fingerprint }) => fingerprint);

describe('keys from a URL', () => {
  test('are all of the file', async () => {
    const site = await startSite();
    site.tls.putKey('/keys.asc', `${one.publicKey}\n${other.publicKey}`);
    const found = await fingerprintsAt(accessTo(site), `${site.url}/keys.asc`);
    expect(found).toEqual([one.fingerprint, other.fingerprint]);
  });

  test('come over plain HTTP only where that is allowed for keys', async () => {
    const site = await startSite();
    site.plain.putKey('/key.asc', one.publicKey);
    const location = `http://${site.hostName}/key.asc`;
    await expect(fingerprintsAt(accessTo(site), location)).rejects.toMatchObject({
      code: 'ERR_INSECURE_HTTP',
    });
    expect(site.plain.requests).toEqual([]);
    expect(await fingerprintsAt(accessTo(site, true), location)).toEqual([one.fingerprint]);
  });

  test('are not followed to plain HTTP', async () => {
    const site = await startSite();
    site.plain.putKey('/key.asc', one.publicKey);
    const target = `http://${site.hostName}/key.asc`;
    site.tls.setFaults([{ match: '/key.asc', fault: { kind: 'redirect', location: target } }]);
    await expect(fingerprintsAt(accessTo(site), `${site.url}/key.asc`)).rejects.toMatchObject({
      code: 'ERR_INSECURE_HTTP',
      hint: expect.stringContaining('pubkey'),
    });
  });

  test.each([
    ['an answer of 404', 'ERR_NOT_FOUND', '/absent.asc', ''],
    ['no keys', 'ERR_KEY_INVALID', '/key.asc', '<html></html>'],
    ['more bytes than keys have', 'ERR_LIMIT', '/key.asc', 'x'.repeat(KEYS_MAX_BYTES + 1)],
  ])('are refused for %s', async (_, code, path, text) => {
    const site = await startSite();
    site.tls.putFile('/key.asc', text);
    await expect(fingerprintsAt(accessTo(site), site.url + path)).rejects.toMatchObject({ code });
  });
});

describe('keys from a file', () => {
  test.each([
    ['there is none', 'ERR_NOT_FOUND', 'absent.asc'],
    ['it is a folder', 'ERR_IO', '.'],
    ['it is no key', 'ERR_KEY_INVALID', 'text'],
    ['it does not end', 'ERR_LIMIT', '/dev/zero'],
  ])('are refused where %s', async (_, code, name) => {
    const folder = tempDir();
    writeFileSync(join(folder, 'text'), 'no key\n');
    const access = accessTo(await startSite());
    const location = name.startsWith('/') ? name : join(folder, name);
    await expect(fingerprintsAt(access, location)).rejects.toMatchObject({ code });
  });

  test('are no longer waited for when the signal is aborted', async () => {
    const access = accessTo(await startSite());
    const found = readPublicKeysFrom(access, '/dev/zero', AbortSignal.abort());
    await expect(found).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

describe('discovery of keys', () => {
  test('reads every location of the page', async () => {
    const site = await startSite();
    const keys = [site.tls.putKey('/one', one.publicKey), site.tls.putKey('/other', other.publicKey)];
    const urls = keys.map((key) => site.url + new URL(key).pathname);
    site.tls.putDiscovery('/app', [{ prefix: 'example.test/app', keys: urls }]);
    const found = await discoverPublicKeys(accessTo(site), 'example.test/app', signal);
    // The certificate is not checked here.
    expect(found).toMatchObject([
      { location: urls[0], key: { fingerprint: one.fingerprint }, isAuthenticated: false },
      { location: urls[1], key: { fingerprint: other.fingerprint }, isAuthenticated: false },
    ]);
  });

  test('fails where a key cannot be had', async () => {
    const site = await startSite();
    site.tls.putDiscovery('/', [{ prefix: 'example.test', keys: [`${site.url}/absent`] }]);
    const found = discoverPublicKeys(accessTo(site), 'example.test', signal);
    await expect(found).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });
});
