/** The coordinator's own requests take permits too, and give them back however they end. */

import { describe, expect, it, onTestFinished } from 'vitest';
import { limitHttp } from '../../../src/fetch/limited-http.js';
import { createPermits } from '../../../src/fetch/permits.js';
import type { HttpOptions } from '../../../src/http/options.js';
import { createPace, newPaceMemory } from '../../../src/http/pace.js';
import { startAciServer } from '../../support/servers/aci-server.js';
import type { FaultPlan } from '../../support/servers/faults.js';
import { startClient } from '../http/server.js';

const NEVER = new AbortController().signal;

async function setUp(faults: FaultPlan = [], options: Partial<HttpOptions> = {}) {
  const server = await startAciServer({ faults });
  onTestFinished(() => server.close());
  const url = server.putFile('/file', Buffer.alloc(200_000, 'x'));
  const permits = createPermits({ connections: 1, connectionsPerHost: 1, memoryBytes: 0 });
  const http = limitHttp(startClient(options), permits);
  return {
    server,
    http,
    url,
    permits,
    ask: (to = url) => http.request(to, { stage: 'resolve' }, NEVER),
    async isFree(): Promise<boolean> {
      const taken = permits.acquire({ host: server.host, memoryBytes: 0 }, AbortSignal.timeout(50));
      return taken.then(
        (release) => {
          release();
          return true;
        },
        () => false,
      );
    },
  };
}

describe('a request', () => {
  it('tells of a host that it waits for, also where it was redirected to', async () => {
    const pace = { memory: newPaceMemory() };
    const behind = await startAciServer();
    onTestFinished(() => behind.close());
    const location = behind.putFile('/behind', Buffer.from('x'));
    const { server, url } = await setUp([{ match: '/file', fault: { kind: 'redirect', location } }]);
    const { hold, holdOf } = createPace(pace);
    const told: string[] = [];
    const limits = { connections: 1, connectionsPerHost: 1, memoryBytes: 0 };
    const permits = createPermits(limits, { holdOf, onHeld: (host) => told.push(host) });
    hold(behind.host, 200);
    const response = await limitHttp(startClient({ pace }), permits).request(
      url,
      { stage: 'resolve' },
      NEVER,
    );
    await response.discard();
    expect([told, server.requests.length, behind.requests.length]).toEqual([[behind.host], 1, 1]);
  });

  it('holds its permit until the answer was read', async () => {
    const { ask, isFree } = await setUp();
    const { body } = await ask();
    expect(await isFree()).toBe(false);
    for await (const _ of body);
    expect(await isFree()).toBe(true);
  });

  it('gives it back when the answer is not read, or not to its end', async () => {
    const { ask, isFree } = await setUp();
    await (await ask()).discard();
    expect(await isFree()).toBe(true);
    for await (const _ of (await ask()).body) break;
    expect(await isFree()).toBe(true);
  });

  it('gives it back when there is none, or it breaks off', async () => {
    const { ask, isFree } = await setUp([
      { match: '/file', times: 1, fault: { kind: 'reset' } },
      { match: '/file', times: 1, fault: { kind: 'drop', afterBytes: 1000 } },
    ]);
    await expect(ask()).rejects.toMatchObject({ code: 'ERR_NETWORK' });
    expect(await isFree()).toBe(true);
    const { body } = await ask();
    const reading = (async () => {
      for await (const _ of body);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'ERR_NETWORK' });
    expect(await isFree()).toBe(true);
  });

  it('lets others do something around its wait', async () => {
    const { http, url } = await setUp();
    const told: string[] = [];
    const whileWaiting = async (wait: () => Promise<void>): Promise<void> => {
      told.push('waits');
      await wait();
      told.push('has waited');
    };
    const first = await http.request(url, { stage: 'resolve' }, NEVER);
    const second = http.request(url, { stage: 'resolve', whileWaiting }, NEVER);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(told).toEqual(['waits']);
    await first.discard();
    await (await second).discard();
    expect(told).toEqual(['waits', 'has waited']);
  });

  it('has no permit while the host is to be left alone that it was redirected to', async () => {
    const memory = newPaceMemory();
    const { server, url, permits, isFree } = await setUp([], { pace: { memory } });
    const elsewhere = server.url.replace('127.0.0.1', 'localhost');
    server.setFaults([
      { match: '/file', times: 1, fault: { kind: 'redirect', location: `${elsewhere}/file` } },
    ]);
    const http = limitHttp(startClient({ pace: { memory } }), permits);
    createPace({ memory }).hold(new URL(elsewhere).host, 800);
    const asking = http.request(url, { stage: 'resolve' }, NEVER);
    await server.waitForRequest('/file');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await isFree()).toBe(true);
    await (await asking).discard();
    expect(await isFree()).toBe(true);
  });

  it('waits for the one before it', async () => {
    const { ask, server } = await setUp([{ match: '/file', fault: { kind: 'delay', delayMs: 50 } }]);
    await Promise.all(
      [1, 2, 3].map(async () => {
        for await (const _ of (await ask()).body);
      }),
    );
    expect(server.peakActive).toBe(1);
  });
});
