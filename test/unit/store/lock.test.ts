/** Locks and the owners that they name. */

import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { acquireLock } from '../../../src/store/lock.js';
import { HEARTBEAT_DEAD_MS, isAlive, parseOwner, thisProcess } from '../../../src/store/owner.js';
import { run } from '../../support/process.js';
import { tempDir } from '../../support/temp.js';
import { NEVER } from './stored-images.js';

const self = thisProcess();

/** The number of a process that has ended. */
async function deadPid(): Promise<number> {
  const { stdout } = await run(process.execPath, ['-p', 'process.pid']);
  return Number(stdout);
}

describe('the owner of a lock', () => {
  it('is this process, alive', () => {
    expect(self.pid).toBe(process.pid);
    expect(isAlive(self, Number.POSITIVE_INFINITY)).toBe(true);
    expect(thisProcess().token).not.toBe(self.token);
  });

  it('is dead when its process has ended', async () => {
    expect(isAlive({ ...self, pid: await deadPid() }, 0)).toBe(false);
  });

  it('is dead when another process has its number', () => {
    expect(isAlive({ ...self, startTicks: '1' }, 0)).toBe(false);
    expect(isAlive({ ...self, pid: process.ppid }, 0)).toBe(false);
  });

  it.each([{ bootId: 'another' }, { pidNamespace: 'pid:[1]' }])(
    'of another machine or container (%j) lives as long as it gives signs of life',
    (fields) => {
      expect(isAlive({ ...self, ...fields }, 0)).toBe(true);
      expect(isAlive({ ...self, ...fields }, HEARTBEAT_DEAD_MS - 1)).toBe(true);
      expect(isAlive({ ...self, ...fields }, HEARTBEAT_DEAD_MS)).toBe(false);
    },
  );

  it('comes back from its text', () => {
    expect(parseOwner(JSON.stringify(self))).toEqual(self);
  });

  it.each([
    '',
    '{',
    'null',
    '7',
    '[]',
    '{}',
    '{"pid":1}',
    '{"token":"x"}',
    '{"token":1,"pid":1}',
    '{"token":"x","pid":"1"}',
  ])('is none as %j', (text) => {
    expect(parseOwner(text)).toBeUndefined();
  });
});

describe('a lock', () => {
  const newPath = (): string => join(tempDir('lock-'), 'a.lock');

  it('names its owner while it is held, and leaves nothing behind', async () => {
    const path = newPath();
    const lock = await acquireLock(path, self, NEVER);
    expect(parseOwner(readFileSync(path, 'utf8'))).toEqual(self);
    expect(readdirSync(join(path, '..'))).toEqual(['a.lock']);
    await lock.release();
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });

  it('is held by one at a time, also within one process', async () => {
    const path = newPath();
    let held = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        const lock = await acquireLock(path, thisProcess(), NEVER);
        held += 1;
        most = Math.max(most, held);
        await new Promise((resolve) => setImmediate(resolve));
        held -= 1;
        await lock.release();
      }),
    );
    expect(most).toBe(1);
  });

  it('may be released twice', async () => {
    const path = newPath();
    const lock = await acquireLock(path, self, NEVER);
    await lock.release();
    await lock.release();
    expect(existsSync(path)).toBe(false);
  });

  it('of a dead process is taken over at once', async () => {
    const path = newPath();
    writeFileSync(path, JSON.stringify({ ...self, pid: await deadPid() }));
    const lock = await acquireLock(path, self, AbortSignal.timeout(5000));
    expect(readFileSync(path, 'utf8')).toBe(JSON.stringify(self));
    await lock.release();
  });

  it.each(['', 'no JSON', '{}'])('that names nobody (%j) is taken over', async (text) => {
    const path = newPath();
    writeFileSync(path, text);
    await (await acquireLock(path, self, AbortSignal.timeout(5000))).release();
  });

  it('of another container is taken over when it has given no sign of life for long', async () => {
    const path = newPath();
    writeFileSync(path, JSON.stringify({ ...self, pidNamespace: 'pid:[1]' }));
    const waiting = acquireLock(path, self, AbortSignal.timeout(300));
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    const longAgo = new Date(Date.now() - HEARTBEAT_DEAD_MS - 1000);
    utimesSync(path, longAgo, longAgo);
    await (await acquireLock(path, self, AbortSignal.timeout(5000))).release();
  });

  it('of a dead process goes to one of many who wait', async () => {
    const path = newPath();
    writeFileSync(path, JSON.stringify({ ...self, pid: await deadPid() }));
    let held = 0;
    await Promise.all(
      Array.from({ length: 5 }, async () => {
        const lock = await acquireLock(path, thisProcess(), AbortSignal.timeout(20_000));
        held += 1;
        expect(held).toBe(1);
        await new Promise((resolve) => setImmediate(resolve));
        held -= 1;
        await lock.release();
      }),
    );
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });

  it('is not waited for any longer after an abort, nor taken after one', async () => {
    const path = newPath();
    const lock = await acquireLock(path, self, NEVER);
    const controller = new AbortController();
    const waiting = acquireLock(path, thisProcess(), controller.signal);
    const startedAt = performance.now();
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(performance.now() - startedAt).toBeLessThan(1000);
    await expect(acquireLock(path, self, controller.signal)).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(readdirSync(join(path, '..'))).toEqual(['a.lock']);
    await lock.release();
  });

  it('in a folder that is not there is an error of the file system', async () => {
    const path = join(tempDir(), 'none', 'a.lock');
    await expect(acquireLock(path, self, NEVER)).rejects.toMatchObject({ code: 'ERR_IO' });
  });

  it('whose place is a folder is an error of the file system', async () => {
    const path = newPath();
    mkdirSync(path);
    const waiting = acquireLock(path, self, AbortSignal.timeout(5000));
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_IO' });
  });
});
