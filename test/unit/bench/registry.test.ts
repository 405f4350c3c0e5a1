/** What the access log of docker-registry says about blobs. */

import { expect, it } from 'vitest';
import { blobRequestsOf } from '../../../bench/registry.js';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const OTHER = `sha256:${'b'.repeat(64)}`;

it('names the blob of every GET in turn, and nothing that was pushed, asked for by HEAD or is a manifest', () => {
  const line = (request: string, status = 200, bytes = 1201): string =>
    `127.0.0.1 - - [25/Nov/2026:23:50:53 +0000] "${request} HTTP/1.1" ${status} ${bytes} "" "undici"\n`;
  const log = [
    line(`HEAD /v2/bench/big/blobs/${DIGEST}`),
    line('POST /v2/bench/big/blobs/uploads/'),
    line(`GET /v2/bench/big/manifests/1.0`),
    line(`GET /v2/bench/big/blobs/${DIGEST}`),
    `time="2026-11-25T23:50:53Z" level=info msg="response completed" http.request.uri="/v2/bench/big/blobs/${DIGEST}"\n`,
    line(`GET /v2/bench/big/blobs/${OTHER}`),
    line(`GET /v2/bench/other/blobs/${DIGEST}`, 206, 7),
  ].join('');
  expect(blobRequestsOf(log)).toEqual([
    { digest: DIGEST, isPart: false, sentBytes: 1201 },
    { digest: OTHER, isPart: false, sentBytes: 1201 },
    { digest: DIGEST, isPart: true, sentBytes: 7 },
  ]);
});
