/** The limits of the engine: who may begin, and who waits. */

import { setMaxListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import {
  createPermits,
  type PermitLimits,
  type PermitRequest,
  type Permits,
} from '../../../src/fetch/permits.js';
import { createRandom, runSeed } from '../../support/images/random.js';

const NEVER = new AbortController().signal;
// Every request that waits listens to it.
setMaxListeners(0, NEVER);
const LIMITS: PermitLimits = { connections: 3, connectionsPerHost: 2, memoryBytes: 100 };

/** Asks for permits by name; `granted` are those that hold or held one, in the order in which they got it. */
function asker(permits: Permits) {
  const granted: string[] = [];
  const releases = new Map<string, () => void>();
  return {
    granted,
    async ask(name: string, request: PermitRequest): Promise<void> {
      const release = await permits.acquire(request, NEVER);
      granted.push(name);
      releases.set(name, release);
    },
    async release(name: string): Promise<void> {
      releases.get(name)?.();
      await settled();
    },
  };
}

/** Lets everything happen that needs no more events. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const on = (host: string, memoryBytes = 0): PermitRequest => ({ host, memoryBytes });

describe('a host that is held', () => {
  /** Hosts with the time, in milliseconds from now, that they are held until. */
  function holding(heldMs: Readonly<Record<string, number>>) {
    const startedAtMs = performance.now();
    const told: string[] = [];
    const permits = createPermits(LIMITS, {
      holdOf(host) {
        const leftMs = (heldMs[host] ?? 0) - (performance.now() - startedAtMs);
        return leftMs > 0 ? { leftMs, isUnreachable: false } : undefined;
      },
      onHeld: (host) => told.push(host),
    });
    return { permits, told, elapsedMs: () => performance.now() - startedAtMs };
  }

  it('is waited for without any permit, which the others have meanwhile, and told of', async () => {
    const { permits, told, elapsedMs } = holding({ a: 200 });
    const { ask, granted } = asker(permits);
    const asked = [ask('1', on('a')), ask('2', { ...on('a'), isExtra: true })];
    void ask('3', on('b'));
    void ask('4', on('b'));
    await settled();
    expect(granted).toEqual(['3', '4']);
    expect(new Set(told)).toEqual(new Set(['a']));
    await asked[0];
    expect(elapsedMs()).toBeGreaterThanOrEqual(200);
  });

  it('is not what anything of others waits for: each comes when its own host is free', async () => {
    const { permits, told } = holding({ a: 60_000, b: 100, c: 200 });
    const { ask, granted } = asker(permits);
    const abort = new AbortController();
    const never = permits.acquire(on('a'), abort.signal);
    await Promise.all([ask('c', on('c')), ask('b', on('b'))]);
    expect(granted).toEqual(['b', 'c']);
    expect([...new Set(told)]).toEqual(['a', 'c', 'b']);
    abort.abort();
    await expect(never).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });

  it('is not what connections count for that rest on it, up to a limit', async () => {
    const held = new Set<string>();
    const holdOf = (host: string) => (held.has(host) ? { leftMs: 60_000, isUnreachable: false } : undefined);
    const permits = createPermits({ ...LIMITS, connectionsPerHost: 3 }, { holdOf, heldConnections: 2 });
    const { ask, granted, release } = asker(permits);
    for (const name of ['1', '2', '3']) void ask(name, on('a'));
    for (const name of ['4', '5', '6']) void ask(name, on('b'));
    await settled();
    expect(granted).toEqual(['1', '2', '3']);
    held.add('a');
    permits.look();
    await settled();
    expect(granted).toEqual(['1', '2', '3', '4', '5']);
    held.clear();
    for (const name of ['1', '2']) await release(name);
    expect(granted).toHaveLength(5);
    await release('3');
    expect(granted).toHaveLength(6);
  });

  it('keeps no process alive for those who have given up', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    const { permits } = holding({ a: 60_000 });
    const abort = new AbortController();
    const waiting = permits.acquire(on('a'), abort.signal);
    expect(timers()).toBe(before + 1);
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(timers()).toBe(before);
  });
});

describe('permits', () => {
  it('are given up to the limit of all connections, the rest in order', async () => {
    const { ask, release, granted } = asker(createPermits(LIMITS));
    for (const [name, host] of [
      ['1', 'a'],
      ['2', 'b'],
      ['3', 'c'],
      ['4', 'd'],
      ['5', 'e'],
    ] as const)
      void ask(name, on(host));
    await settled();
    expect(granted).toEqual(['1', '2', '3']);
    await release('2');
    expect(granted).toEqual(['1', '2', '3', '4']);
    await release('1');
    expect(granted).toEqual(['1', '2', '3', '4', '5']);
  });

  it('go to what is brief and then to what is big first, and to further connections last', async () => {
    const { ask, release, granted } = asker(createPermits({ ...LIMITS, connections: 1 }));
    const MIB = 1024 * 1024;
    void ask('first', on('a'));
    void ask('extra', { ...on('a'), isExtra: true });
    void ask('small', { ...on('b'), sizeBytes: 60 * MIB });
    void ask('smaller', on('b'));
    void ask('big', { ...on('c'), sizeBytes: 100 * MIB });
    void ask('biggest', { ...on('c'), sizeBytes: 200 * MIB });
    void ask('brief', { ...on('c'), isBrief: true });
    for (const name of ['first', 'brief', 'biggest', 'big', 'small', 'smaller', 'extra']) {
      await settled();
      expect(granted.at(-1)).toBe(name);
      await release(name);
    }
  });

  it('let no request for a free host wait behind one for a busy host', async () => {
    const { ask, release, granted } = asker(createPermits(LIMITS));
    for (const [name, host] of [
      ['1', 'a'],
      ['2', 'a'],
      ['3', 'a'],
      ['4', 'b'],
    ] as const)
      void ask(name, on(host));
    await settled();
    expect(granted).toEqual(['1', '2', '4']);
    await release('1');
    expect(granted).toEqual(['1', '2', '4', '3']);
  });

  it('are shared out by memory, too', async () => {
    const { ask, release, granted } = asker(createPermits(LIMITS));
    void ask('60', on('a', 60));
    void ask('50', on('b', 50));
    void ask('40', on('c', 40));
    await settled();
    expect(granted).toEqual(['60', '40']);
    await release('60');
    expect(granted).toEqual(['60', '40', '50']);
  });

  it('need no connection without a host', async () => {
    const { ask, granted } = asker(createPermits({ ...LIMITS, connections: 1 }));
    void ask('1', on('a'));
    void ask('2', on('a'));
    void ask('none', { memoryBytes: 100 });
    await settled();
    expect(granted).toEqual(['1', 'none']);
  });

  it('are given for more than there is when nothing else runs', async () => {
    const { ask, release, granted } = asker(createPermits(LIMITS));
    void ask('big', on('a', 1000));
    void ask('small', on('b', 1));
    await settled();
    expect(granted).toEqual(['big']);
    await release('big');
    expect(granted).toEqual(['big', 'small']);
    void ask('bigger', on('a', 2000));
    await settled();
    expect(granted).toEqual(['big', 'small']);
    await release('small');
    expect(granted).toEqual(['big', 'small', 'bigger']);
  });

  it('that are released twice count once', async () => {
    const permits = createPermits({ connections: 1, connectionsPerHost: 1, memoryBytes: 10 });
    const release = await permits.acquire(on('a', 10), NEVER);
    release();
    release();
    release();
    const { ask, granted } = asker(permits);
    void ask('1', on('a', 10));
    void ask('2', on('a', 10));
    await settled();
    expect(granted).toEqual(['1']);
  });

  it('are not waited for after an abort, nor given for it', async () => {
    const permits = createPermits({ ...LIMITS, connections: 1 });
    const release = await permits.acquire(on('a'), NEVER);
    const controller = new AbortController();
    const aborted = permits.acquire(on('a'), controller.signal);
    const next = permits.acquire(on('a'), NEVER);
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await expect(permits.acquire(on('b'), controller.signal)).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    release();
    (await next)();
    (await permits.acquire(on('a'), NEVER))();
  });

  it('that are held when the signal is aborted stay held until their release', async () => {
    const permits = createPermits({ ...LIMITS, connections: 1 });
    const controller = new AbortController();
    const release = await permits.acquire(on('a'), controller.signal);
    controller.abort();
    const { ask, granted } = asker(permits);
    void ask('next', on('a'));
    await settled();
    expect(granted).toEqual([]);
    release();
    await settled();
    expect(granted).toEqual(['next']);
  });

  it('never lead to a deadlock, with one connection and less memory than anyone wants', async () => {
    const random = createRandom(runSeed());
    const permits = createPermits({ connections: 1, connectionsPerHost: 1, memoryBytes: 5 });
    let running = 0;
    let done = 0;
    const task = async (): Promise<void> => {
      const host = random.pick([undefined, 'a', 'b']);
      const release = await permits.acquire({ host, memoryBytes: random.int(0, 20) }, NEVER);
      running += 1;
      await settled();
      running -= 1;
      done += 1;
      release();
    };
    await Promise.all(Array.from({ length: 100 }, task));
    expect([done, running]).toEqual([100, 0]);
  });

  it('keep every limit while requests come, end and are given up', async () => {
    const random = createRandom(runSeed());
    const permits = createPermits(LIMITS);
    const used = { connections: 0, memoryBytes: 0, running: 0, hosts: new Map<string, number>() };
    const count = ({ host, memoryBytes }: PermitRequest, sign: 1 | -1): void => {
      used.running += sign;
      used.memoryBytes += sign * memoryBytes;
      if (host === undefined) return;
      used.connections += sign;
      used.hosts.set(host, (used.hosts.get(host) ?? 0) + sign);
    };
    const task = async (): Promise<void> => {
      const request = { host: random.pick([undefined, 'a', 'b', 'c']), memoryBytes: random.int(0, 60) };
      const controller = new AbortController();
      if (random.chance(0.2)) setImmediate(() => controller.abort());
      const release = await permits.acquire(request, controller.signal).catch(() => undefined);
      if (release === undefined) return;
      count(request, 1);
      expect(used.connections, `ACI_TEST_SEED=${random.seed}`).toBeLessThanOrEqual(LIMITS.connections);
      expect(Math.max(0, ...used.hosts.values())).toBeLessThanOrEqual(LIMITS.connectionsPerHost);
      if (used.running > 1) expect(used.memoryBytes).toBeLessThanOrEqual(LIMITS.memoryBytes);
      await settled();
      count(request, -1);
      release();
    };
    await Promise.all(Array.from({ length: 200 }, task));
    expect([used.running, used.connections, used.memoryBytes]).toEqual([0, 0, 0]);
  });
});
