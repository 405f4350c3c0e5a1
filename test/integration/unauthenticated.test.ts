/** What came over a connection that nobody vouches for is nothing to a fetch that checks certificates. */

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildAci, imageIdOf } from '../support/images/aci.js';
import { createRandom } from '../support/images/random.js';
import { runAci } from '../support/process.js';
import { type DiscoverySite, startDiscoverySite } from '../support/servers/discovery-site.js';
import { tempDir } from '../support/temp.js';

type Mode = 'tls checked' | 'tls unchecked';

const PART_BYTES = 100_000;
const ACI = buildAci({
  name: 'example.test/app',
  entries: [{ path: 'data', data: createRandom(1).bytes(3 * PART_BYTES) }],
});

let site: DiscoverySite;
beforeAll(async () => {
  site = await startDiscoverySite();
});
afterAll(() => site.close());
beforeEach(() => {
  site.tls.setFaults([]);
  site.tls.requests.length = 0;
});

/** The ID, or the code of the error. */
async function fetchInto(dir: string, path: string, mode: Mode): Promise<string> {
  const { stdout } = await runAci(
    [
      'fetch',
      `--insecure-options=image${mode === 'tls unchecked' ? ',tls' : ''}`,
      '--json',
      ...site.resolveArguments,
      `${site.url}${path}`,
    ],
    { dir, env: mode === 'tls checked' ? site.environment : {} },
  );
  const { id, error } = JSON.parse(stdout) as { id?: string; error?: { code: string } };
  return id ?? error?.code ?? '';
}

describe('with checked certificates', () => {
  it.each<[what: string, cacheControl: string, second: number[]]>([
    ['freshness', 'max-age=1000', []],
    ['a validator', 'max-age=0', [304]],
  ])('%s that was learned without them does not count, and one that was learned so does', async (...row) => {
    const [, cacheControl, second] = row;
    const dir = tempDir();
    site.tls.putAci('/cached.aci', ACI, { cacheControl });
    const statuses = async (mode: Mode): Promise<number[]> => {
      site.tls.requests.length = 0;
      expect(await fetchInto(dir, '/cached.aci', mode)).toBe(imageIdOf(ACI));
      return site.tls.requests.filter(({ path }) => path === '/cached.aci').map(({ status }) => status);
    };
    expect(await statuses('tls unchecked')).toEqual([200]);
    expect(await statuses('tls unchecked')).toEqual(second);
    expect(await statuses('tls checked')).toEqual([200]);
    expect(await statuses('tls checked')).toEqual(second);
  });

  it.each<[before: Mode[], asked: string | undefined]>([
    [['tls unchecked'], undefined],
    [['tls checked', 'tls unchecked'], undefined],
    [['tls checked'], `bytes=${PART_BYTES}-`],
  ])('a download that was begun with %j is asked for from %s on', async (before, asked) => {
    const dir = tempDir();
    site.tls.putAci('/part.aci', ACI);
    for (const mode of before) {
      site.tls.setFaults([
        { match: '/part.aci', times: 1, fault: { kind: 'drop', afterBytes: PART_BYTES } },
        { match: '/part.aci', fault: { kind: 'status', status: 404 } },
      ]);
      expect(await fetchInto(dir, '/part.aci', mode)).toBe('ERR_NOT_FOUND');
    }
    site.tls.setFaults([]);
    site.tls.requests.length = 0;
    expect(await fetchInto(dir, '/part.aci', 'tls checked')).toBe(imageIdOf(ACI));
    expect(site.tls.requests[0]?.range).toBe(asked);
  });
});
