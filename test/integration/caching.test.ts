/** What is asked of a server again, counted there: freshness, validators, pull policies and flags. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FetchRequest } from '../../dist/src/index.js';
import { buildAci } from '../support/images/aci.js';
import { buildDockerImage } from '../support/images/docker.js';
import type { AciFileOptions } from '../support/servers/aci-server.js';
import { startRegistry } from '../support/servers/registry.js';
import {
  type Client,
  openClient,
  type Published,
  type Publisher,
  startPublisher,
} from './support/appc-site.js';
import { withEngine } from './support/engine.js';

let publisher: Publisher;
let client: Client;
let count = 0;

beforeAll(async () => {
  publisher = await startPublisher();
  client = await openClient(publisher.site, { insecure: { image: true } });
});
afterAll(async () => {
  await client.engine.close();
  await publisher.close();
});

const published = (file: AciFileOptions = {}): Promise<Published> =>
  publisher.publish(`cached-${count++}`, { entries: [{ path: 'x', data: 'x'.repeat(20_000) }], file });

/** How often the image was sent whole, was not sent (304), and was asked for at all. */
function answersTo({ path }: Published): { whole: number; unchanged: number } {
  const answers = publisher.site.tls.requests.filter((request) => request.path === path);
  return {
    whole: answers.filter(({ status }) => status === 200).length,
    unchanged: answers.filter(({ status }) => status === 304).length,
  };
}

const fetch = (image: string, request: Partial<FetchRequest> = {}) =>
  client.engine.fetch({ image, ...request });

describe('an image at a URL', () => {
  it.each<[title: string, file: AciFileOptions, asks: boolean]>([
    ['without Cache-Control is asked about', { cacheControl: '' }, true],
    ['with max-age=0 is asked about', { cacheControl: 'max-age=0' }, true],
    ['that is fresh is not asked about', { cacheControl: 'max-age=1000' }, false],
    ['with no-cache is asked about, whatever follows', { cacheControl: 'no-cache, max-age=1000' }, true],
    ['with no-cache is asked about, whatever precedes', { cacheControl: 'max-age=1000, no-cache' }, true],
    ['of several max-age goes by the smallest', { cacheControl: 'max-age=1000, max-age=0' }, true],
    [
      'with an Age beyond its max-age is asked about',
      { cacheControl: 'max-age=10', headers: { age: '11' } },
      true,
    ],
    [
      'with an Expires in the future is not asked about',
      { cacheControl: '', headers: { expires: new Date(Date.now() + 1e6).toUTCString() } },
      false,
    ],
    [
      'with an Expires in the past is asked about',
      { cacheControl: '', headers: { expires: new Date(Date.now() - 1e6).toUTCString() } },
      true,
    ],
    [
      'that varies by everything is asked about',
      { cacheControl: 'max-age=1000', headers: { vary: '*' } },
      true,
    ],
    [
      'that varies by encoding is not asked about',
      { cacheControl: 'max-age=1000', headers: { vary: 'Accept-Encoding' } },
      false,
    ],
  ])('%s', async (_, file, asks) => {
    const image = await published(file);
    for (const argument of [image.url, image.url, image.name]) await fetch(argument);
    expect(answersTo(image)).toEqual({ whole: 1, unchanged: asks ? 2 : 0 });
  });

  it('with no-store is had whole each time', async () => {
    const image = await published({ cacheControl: 'no-store, max-age=1000' });
    for (let time = 0; time < 3; time++) await fetch(image.url);
    expect(answersTo(image)).toEqual({ whole: 3, unchanged: 0 });
  });

  it('is fresh again after a 304 that says so', async () => {
    const image = await published({ cacheControl: 'max-age=0' });
    await fetch(image.url);
    publisher.site.tls.putAci(image.path, image.bytes, { cacheControl: 'max-age=1000' });
    for (let time = 0; time < 3; time++) await fetch(image.url);
    expect(answersTo(image)).toEqual({ whole: 1, unchanged: 1 });
  });

  it('that has changed is downloaded', async () => {
    const image = await published();
    const first = await fetch(image.url);
    const name = image.name.split(':')[0] ?? '';
    publisher.site.tls.putAci(image.path, buildAci({ name, entries: [{ path: 'y', data: 'y' }] }));
    const second = await fetch(image.url);
    expect([second.status, second.id === first.id]).toEqual(['fetched', false]);
    expect(answersTo(image)).toEqual({ whole: 2, unchanged: 0 });
  });

  it.each<[string, Partial<FetchRequest>, { whole: number; unchanged: number }]>([
    ['--pull-policy=update', { pullPolicy: 'update' }, { whole: 1, unchanged: 1 }],
    ['--pull-policy=new', { pullPolicy: 'new' }, { whole: 1, unchanged: 0 }],
    ['--pull-policy=never', { pullPolicy: 'never' }, { whole: 1, unchanged: 0 }],
    ['--no-store', { noStore: true }, { whole: 2, unchanged: 0 }],
  ])('is asked for the second time, with %s, as the policy has it', async (_, request, expected) => {
    for (const argumentOf of [({ url }: Published) => url, ({ name }: Published) => name]) {
      const image = await published();
      await fetch(argumentOf(image));
      await fetch(argumentOf(image), request);
      expect(answersTo(image)).toEqual(expected);
    }
  });

  it('is not asked for with --pull-policy=never when the store has nothing', async () => {
    const image = await published();
    for (const argument of [image.url, image.name]) {
      await expect(fetch(argument, { pullPolicy: 'never' })).rejects.toMatchObject({
        code: 'ERR_NOT_IN_STORE',
      });
    }
    expect(answersTo(image)).toEqual({ whole: 0, unchanged: 0 });
  });
});

it('an unchanged manifest of a registry means that no layer is asked for', async () => {
  const registry = await startRegistry();
  const image = buildDockerImage({ layers: [[{ path: 'a', data: 'a' }], [{ path: 'b', data: 'b' }]] });
  registry.push('app', '1', image);
  await withEngine({}, async (engine) => {
    const argument = `docker://${registry.host}/app:1`;
    await engine.fetch({ image: argument });
    const before = registry.requests.length;
    await engine.fetch({ image: argument });
    expect(registry.requests.slice(before).map(({ path }) => path)).toEqual(['/v2/app/manifests/1']);
    await engine.fetch({ image: argument, pullPolicy: 'new' });
    expect(registry.requests).toHaveLength(before + 1);
  });
  await registry.close();
});
