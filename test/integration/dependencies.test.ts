/** Dependencies of ACIs: all of them, each once, with what the manifest says of them. */

import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { imageIdOf } from '../support/images/aci.js';
import {
  type Client,
  openClient,
  type Published,
  type Publisher,
  type PublishOptions,
  startPublisher,
} from './support/appc-site.js';

let publisher: Publisher;
let client: Client;
let round = 0;

beforeAll(async () => {
  publisher = await startPublisher();
});
afterAll(() => publisher.close());
beforeEach(async () => {
  round += 1;
  client = await openClient(publisher.site, { insecure: { image: true } });
  return () => client.engine.close();
});

interface Dependency {
  readonly on: string;
  readonly version?: string;
  readonly fields?: object;
}

const nameOf = (name: string): string => `round-${round}/${name}`;

function publish(
  name: string,
  dependencies: readonly Dependency[] = [],
  options: PublishOptions = {},
): Promise<Published> {
  const list = dependencies.map(({ on, version = '1.0', fields }) => ({
    imageName: `example.test/${nameOf(on)}`,
    labels: [{ name: 'version', value: version }],
    ...fields,
  }));
  const entries = [{ path: name, data: name }];
  return publisher.publish(nameOf(name), { entries, manifest: { dependencies: list }, ...options });
}

const requestsFor = ({ path }: Published): number =>
  publisher.requests().filter((one) => one === path).length;

describe('the dependencies of an image', () => {
  it('are fetched with it, all the way down, each once', async () => {
    const base = await publish('base');
    const left = await publish('left', [{ on: 'base' }]);
    const right = await publish('right', [{ on: 'base' }]);
    const top = await publish('top', [{ on: 'left' }, { on: 'right' }]);
    const { id, dependencies } = await client.engine.fetch({ image: top.name });
    expect(dependencies).toEqual([left, right, base].map(({ bytes }) => imageIdOf(bytes)));
    expect(new Set((await client.engine.listImages()).map((image) => image.id))).toEqual(
      new Set([id, ...dependencies]),
    );
    expect([top, left, right, base].map(requestsFor)).toEqual([1, 1, 1, 1]);
  });

  it('are told of as those of the image that was asked for, all the way down', async () => {
    await publish('base');
    await publish('left', [{ on: 'base' }]);
    const top = await publish('top', [{ on: 'left' }]);
    await client.engine.fetch({ image: top.name });
    const [left, base] = ['left', 'base'].map((name) => `example.test/${nameOf(name)}:1.0`);
    const begun = client.events.flatMap((event) =>
      event.event === 'blob.started' ? [[event.image, event.dependencyOf]] : [],
    );
    expect(begun).toEqual([
      [top.name, undefined],
      [left, top.name],
      [base, top.name],
    ]);
  });

  it('are fetched once for several images of a call', async () => {
    const base = await publish('base');
    const images = [await publish('a', [{ on: 'base' }]), await publish('b', [{ on: 'base' }])];
    const outcomes = await client.engine.fetchAll(images.map(({ name }) => ({ image: name })));
    expect(outcomes.map(({ status }) => status)).toEqual(['fetched', 'fetched']);
    expect(requestsFor(base)).toBe(1);
  });

  it('go on for the other images when one that asked for them too runs out of its time', async () => {
    const base = await publish('base');
    const names = [await publish('first'), await publish('late', [{ on: 'base' }])];
    names.push(await publish('other', [{ on: 'base' }]));
    const [first, late] = names as [Published, Published, Published];
    const delay = (match: string, delayMs: number) => ({ match, fault: { kind: 'delay', delayMs } as const });
    publisher.site.tls.setFaults([delay(first.path, 4000), delay(late.path, 4000), delay(base.path, 3000)]);
    onTestFinished(() => publisher.site.tls.setFaults([]));
    // The third one begins when the first one is done.
    const options = { insecure: { image: true }, timeoutMs: 6000, jobs: 2 };
    const limited = await openClient(publisher.site, options);
    onTestFinished(() => limited.engine.close());
    const outcomes = await limited.engine.fetchAll(names.map(({ name }) => ({ image: name })));
    expect(outcomes.map(({ status }) => status)).toEqual(['fetched', 'failed', 'fetched']);
    expect(requestsFor(base)).toBe(1);
  });

  it('are left alone where that is wanted', async () => {
    const base = await publish('base');
    const top = await publish('top', [{ on: 'base' }]);
    expect(await client.engine.fetch({ image: top.name, noDependencies: true })).toMatchObject({
      dependencies: [],
    });
    expect(requestsFor(base)).toBe(0);
  });

  it('come with an image of a URL, and again when it comes from the store', async () => {
    const base = await publish('base');
    const top = await publish('top', [{ on: 'base' }]);
    const first = await client.engine.fetch({ image: top.url });
    expect(first.dependencies).toEqual([imageIdOf(base.bytes)]);
    const again = await client.engine.fetch({ image: top.url, pullPolicy: 'never' });
    expect(again).toMatchObject({ status: 'cached', dependencies: first.dependencies });
    expect(requestsFor(base)).toBe(1);
  });

  it('that depend on each other are an error that names them, not an endless loop', async () => {
    await publish('a', [{ on: 'b' }]);
    await publish('b', [{ on: 'c' }]);
    await publish('c', [{ on: 'a' }, { on: 'b' }]);
    const image = `example.test/${nameOf('a')}:1.0`;
    const failing = client.engine.fetch({ image });
    await expect(failing).rejects.toMatchObject({ code: 'ERR_DEPENDENCY_CYCLE', exitCode: 7 });
    await expect(failing).rejects.toThrow(/\/a -> .*\/b -> .*\/c -> /);
  });

  it('are bounded in number, and none is asked for of too many', async () => {
    const base = await publish('base');
    const many = Array.from({ length: 1001 }, (_, at) => ({ on: at === 0 ? 'base' : `none-${at}` }));
    const top = await publish('top', many);
    await expect(client.engine.fetch({ image: top.name })).rejects.toMatchObject({
      code: 'ERR_LIMIT',
      exitCode: 7,
    });
    expect(requestsFor(base)).toBe(0);
  });

  it('are asked for by the very labels of the manifest, whatever is in them', async () => {
    const version = '1 b:c,d=e';
    const base = await publish('base', [], { version });
    const top = await publish('top', [{ on: 'base', version }]);
    expect(await client.engine.fetch({ image: top.name })).toMatchObject({
      dependencies: [imageIdOf(base.bytes)],
    });
  });

  it('that are missing fail the image, and say what depends on what', async () => {
    const top = await publish('top', [{ on: 'none' }]);
    const failing = client.engine.fetch({ image: top.name });
    await expect(failing).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    await expect(failing).rejects.toThrow(
      `example.test/${nameOf('none')}:1.0, which example.test/${nameOf('top')}`,
    );
  });

  it.each([
    ['its whole ID', (id: string) => ({ imageID: id }), undefined],
    ['the half of its ID that rkt writes', (id: string) => ({ imageID: id.slice(0, 71) }), undefined],
    ['another ID', () => ({ imageID: `sha512-${'0'.repeat(128)}` }), 'ERR_DIGEST_MISMATCH'],
    ['its size', (_: string, sizeBytes: number) => ({ size: sizeBytes }), undefined],
    ['another size', (_: string, sizeBytes: number) => ({ size: sizeBytes + 1 }), 'ERR_SIZE_MISMATCH'],
  ])('are compared with %s', async (_, fieldsOf, code) => {
    const base = await publish('base');
    const fields = fieldsOf(imageIdOf(base.bytes), base.bytes.length);
    const top = await publish('top', [{ on: 'base', fields }]);
    const fetching = client.engine.fetch({ image: top.name });
    if (code === undefined) expect((await fetching).dependencies).toHaveLength(1);
    else await expect(fetching).rejects.toMatchObject({ code, exitCode: 6 });
  });

  it('are refused as any image is, where they are not signed', async () => {
    await publish('base');
    const top = await publish('top', [{ on: 'base' }]);
    const strict = await client.reopen({ insecure: {} });
    const failing = strict.engine.fetch({ image: top.name, requireSignature: true });
    await expect(failing).rejects.toMatchObject({ code: 'ERR_SIGNATURE_REQUIRED' });
    await strict.engine.close();
  });
});
