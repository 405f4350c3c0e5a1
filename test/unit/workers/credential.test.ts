/** A credential that a task is given: every request it makes is signed, and nobody else sees it. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Credential } from '../../../src/auth/credentials.js';
import { DEFAULT_HTTP_OPTIONS } from '../../../src/http/options.js';
import { fetchAciInto } from '../../support/aci-download.js';
import { createCertificate } from '../../support/certificates.js';
import { buildAci } from '../../support/images/aci.js';
import { createRandom } from '../../support/images/random.js';
import { startAciServer } from '../../support/servers/aci-server.js';
import type { FaultPlan } from '../../support/servers/faults.js';
import { tempDir } from '../../support/temp.js';

const ACI = buildAci({ name: 'a.test/app', entries: [{ path: 'x', data: createRandom(3).bytes(300_000) }] });
const KEY: Credential = { kind: 'aws', accessKeyId: 'KEY', secretAccessKey: 'SECRET', region: 'eu-west-1' };
const SIGNATURE = /^AWS4-HMAC-SHA256 Credential=KEY\/\d{8}\/eu-west-1\/s3\/aws4_request, /;

async function startTls(faults: FaultPlan = []) {
  const server = await startAciServer({ tls: await createCertificate(), faults });
  onTestFinished(() => server.close());
  return { server, url: server.putAci('/app.aci', ACI) };
}

async function fetchAci(url: string): Promise<void> {
  const dir = tempDir();
  const http = { ...DEFAULT_HTTP_OPTIONS, insecureTls: true };
  const request = structuredClone({ url, http, retries: 1, credential: KEY });
  const source = { kind: 'url', request, partialFile: join(dir, 'part'), validators: {} } as const;
  const { aciFile } = await fetchAciInto(dir, { source, hashes: [] }, new AbortController().signal);
  expect(readFileSync(aciFile).equals(ACI)).toBe(true);
}

it('signs the request again that goes on with a download', async () => {
  const drop = { match: '.aci', times: 1, fault: { kind: 'drop', afterBytes: 100_000 } } as const;
  const { server, url } = await startTls([drop]);
  await fetchAci(url);
  expect(server.requests).toHaveLength(2);
  expect(server.requests[1]?.range).toMatch(/^bytes=\d+-$/);
  for (const { headers } of server.requests) expect(headers['authorization']).toMatch(SIGNATURE);
});

it('shows nothing to the host that a bucket redirects to', async () => {
  const cdn = await startTls();
  const fault = { kind: 'redirect', location: cdn.url } as const;
  const bucket = await startTls([{ match: '.aci', fault }]);
  await fetchAci(bucket.url);
  expect(bucket.server.requests[0]?.headers['authorization']).toMatch(SIGNATURE);
  const names = cdn.server.requests.flatMap(({ headers }) => Object.keys(headers));
  expect(names.filter((name) => name === 'authorization' || name.startsWith('x-amz'))).toEqual([]);
});
