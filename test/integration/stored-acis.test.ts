/** What the store has of an ACI does not stand in the way of what its server has now: signatures, versions, other forms. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { FetchedImage, FetchRequest } from '../../dist/src/index.js';
import { buildAci } from '../support/images/aci.js';
import { tempDir } from '../support/temp.js';
import { requireTools } from '../support/tools.js';
import {
  type Client,
  openClient,
  type Published,
  type Publisher,
  startPublisher,
} from './support/appc-site.js';

const ENTRIES = [{ path: 'file', data: 'x'.repeat(100_000) }];
const FRESH = { cacheControl: 'max-age=1000' };
const POLICIES = ['new', 'update'] as const;

describe.runIf(requireTools(['gpg']))('an ACI that the store has', () => {
  let publisher: Publisher;
  let client: Client;
  let good: string;
  let other: string;
  let goodKey: Buffer;
  let count = 0;

  beforeAll(async () => {
    publisher = await startPublisher();
    good = await publisher.gpg.createKey('Good');
    other = await publisher.gpg.createKey('Other');
    goodKey = await publisher.gpg.exportKeys([good]);
  });
  afterAll(() => publisher.close());
  beforeEach(async () => {
    client = await openClient(publisher.site);
    return () => client.engine.close();
  });

  /** With the hash whose state is kept of every ACI: so the store by itself has a verdict on any signature. */
  const sign = (signer: string, bytes: Buffer): Promise<Buffer> =>
    publisher.gpg.sign(signer, bytes, { digest: 'SHA512' });
  const newName = (): string => `stored-${count++}`;
  const trustGood = (): Promise<void> => client.trust(goodKey, 'example.test');
  const fetch = (image: string, request: Partial<FetchRequest> = {}): Promise<FetchedImage> =>
    client.engine.fetch({ image, ...request });

  function statusesOf(path: string): number[] {
    return publisher.site.tls.requests.filter((one) => one.path === path).map(({ status }) => status ?? 0);
  }

  async function signatureFile(signer: string, bytes: Buffer): Promise<string> {
    const path = join(tempDir(), 'named.asc');
    writeFileSync(path, await sign(signer, bytes));
    return path;
  }

  describe('in two forms, each at a URL and with a signature of its own,', () => {
    let zipped: Published;
    let plainUrl: string;

    beforeEach(async () => {
      const name = newName();
      zipped = await publisher.publish(name, { compress: gzipSync, entries: ENTRIES });
      publisher.site.tls.putFile(`${zipped.path}.asc`, await sign(good, zipped.bytes));
      const labels = { version: '1.0', os: 'linux', arch: 'amd64' };
      const bytes = buildAci({ name: `example.test/${name}`, labels, entries: ENTRIES });
      const path = `/plain/${name}.aci`;
      publisher.site.tls.putAci(path, bytes, { signature: await sign(good, bytes) });
      plainUrl = `https://example.test${path}`;
    });

    async function fetchBoth(): Promise<void> {
      const [{ id }, { id: same }] = [await fetch(zipped.url), await fetch(plainUrl)];
      expect(id).toBe(same);
    }

    it('is verified at both after a 304', async () => {
      await trustGood();
      await fetchBoth();
      expect(await fetch(zipped.url)).toMatchObject({ verified: true });
      expect(statusesOf(zipped.path)).toEqual([200, 304, 200]);
      expect(await fetch(zipped.url)).toMatchObject({ status: 'cached', verified: true });
      expect(statusesOf(zipped.path)).toEqual([200, 304, 200, 304]);
    });

    it('is verified once its signer is trusted, though a 304 came before that', async () => {
      await fetchBoth();
      expect(await fetch(zipped.url)).toMatchObject({ status: 'cached', verified: false });
      await trustGood();
      expect(await fetch(zipped.url)).toMatchObject({ verified: true });
    });

    it('is verified by a signature that the user names of one that is not stored', async () => {
      await trustGood();
      await fetchBoth();
      const signature = await signatureFile(good, zipped.bytes);
      await expect(fetch(zipped.url, { signature, pullPolicy: 'never' })).rejects.toMatchObject({
        code: 'ERR_SIGNATURE_INVALID',
      });
      expect(statusesOf(zipped.path)).toEqual([200]);
      expect(await fetch(zipped.url, { signature, pullPolicy: 'new' })).toMatchObject({ verified: true });
    });
  });

  it.each(POLICIES.flatMap((policy) => [[policy, 'name'] as const, [policy, 'url'] as const]))(
    'with a bad signature is verified by the one that its server has now: %s, by %s',
    async (pullPolicy, by) => {
      const image = await publisher.publish(newName(), { signer: other, file: FRESH, entries: ENTRIES });
      const argument = image[by];
      await fetch(argument);
      await trustGood();
      publisher.site.tls.putFile(`${image.path}.asc`, await sign(good, image.bytes));
      await expect(fetch(argument, { pullPolicy: 'never' })).rejects.toMatchObject({
        code: 'ERR_SIGNATURE_UNTRUSTED',
      });
      expect(await fetch(argument, { pullPolicy })).toMatchObject({ status: 'cached', verified: true });
      expect(statusesOf(image.path)).toEqual([200, 304]);
    },
  );

  it('with a bad signature is refused when its server has no other, without being sent again', async () => {
    const image = await publisher.publish(newName(), { signer: other, file: FRESH, entries: ENTRIES });
    await fetch(image.url);
    await trustGood();
    for (const pullPolicy of POLICIES) {
      await expect(fetch(image.url, { pullPolicy })).rejects.toMatchObject({
        code: 'ERR_SIGNATURE_UNTRUSTED',
      });
    }
    expect(statusesOf(image.path)).toEqual([200, 304, 304]);
  });

  it.each<[string, Partial<FetchRequest>]>([
    ['new', { pullPolicy: 'new' }],
    ['update', { pullPolicy: 'update' }],
    ['--no-store', { noStore: true }],
  ])('keeps its signature when the user names one that nobody vouches for: %s', async (_, request) => {
    const image = await publisher.publish(newName(), { signer: good, entries: ENTRIES });
    await fetch(image.url);
    const signature = await signatureFile(other, image.bytes);
    expect(await fetch(image.url, { ...request, signature })).toMatchObject({ verified: false });
    await trustGood();
    expect(await fetch(image.url, { pullPolicy: 'never' })).toMatchObject({ verified: true });
  });

  it.each(POLICIES)('of another version at its URL is fetched as it is there now: %s', async (pullPolicy) => {
    const name = newName();
    const { url, path } = await publisher.publish(name, {
      version: '2.0',
      labels: { version: '1.0' },
      file: FRESH,
    });
    await fetch(url);
    await expect(fetch(`example.test/${name}:2.0`, { pullPolicy })).rejects.toMatchObject({
      code: 'ERR_NAME_MISMATCH',
    });
    expect(statusesOf(path)).toEqual([200, 304]);
    await publisher.publish(name, { version: '2.0', file: FRESH });
    const found = await fetch(`example.test/${name}:2.0`, { pullPolicy });
    expect(found).toMatchObject({ status: 'fetched', labels: { version: '2.0' } });
  });
});
