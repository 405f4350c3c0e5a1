/** Counters in memory that threads share. */

import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { blobCounters, newBlobCounters, WAIT_MS } from '../../../src/tasks/counters.js';

describe('blob counters', () => {
  it('begin at nothing, running', () => {
    const counters = newBlobCounters();
    expect([counters.read('wireBytes'), counters.read('tarBytes'), counters.read('indexBytes')]).toEqual([
      0, 0, 0,
    ]);
    expect(counters.state()).toBe('running');
  });

  it('have what was set, each for itself, and also over 4 GiB', () => {
    const counters = newBlobCounters();
    counters.set('wireBytes', 2 ** 40);
    counters.set('tarBytes', 2 ** 53 - 1);
    counters.set('indexBytes', 1);
    expect(counters.read('wireBytes')).toBe(2 ** 40);
    expect(counters.read('tarBytes')).toBe(2 ** 53 - 1);
    expect(counters.read('indexBytes')).toBe(1);
  });

  it('never go down', () => {
    const counters = newBlobCounters();
    for (const value of [5, 3, 7, 0, 7]) counters.set('tarBytes', value);
    expect(counters.read('tarBytes')).toBe(7);
  });

  it('are the same for everyone who has the memory', () => {
    const counters = newBlobCounters();
    const others = blobCounters(counters.memory);
    counters.set('wireBytes', 9);
    counters.setState('failed');
    expect([others.read('wireBytes'), others.state()]).toEqual([9, 'failed']);
  });

  it('change their version with every publication and every state', () => {
    const counters = newBlobCounters();
    const seen = [counters.version()];
    counters.publish();
    seen.push(counters.version());
    counters.setState('complete');
    seen.push(counters.version());
    counters.set('tarBytes', 1);
    expect(new Set(seen).size).toBe(3);
    expect(counters.version()).toBe(seen[2]);
  });

  it('wake a waiter of the same thread', async () => {
    const counters = newBlobCounters();
    const startedAt = performance.now();
    const waiting = counters.changed(counters.version());
    counters.publish();
    await waiting;
    expect(performance.now() - startedAt).toBeLessThan(WAIT_MS);
  });

  it('do not let anyone wait for what has happened', async () => {
    const counters = newBlobCounters();
    const seen = counters.version();
    counters.publish();
    const startedAt = performance.now();
    await counters.changed(seen);
    expect(performance.now() - startedAt).toBeLessThan(WAIT_MS / 2);
  });

  it('wake a waiter after a while even if nothing happens', async () => {
    const counters = newBlobCounters();
    await counters.changed(counters.version());
    expect(counters.version()).toBe(0);
  });
});

/** Steps at the command of the test; slot 8 of the memory of its own is what it waits for. */
const WRITER = `
const { parentPort, workerData } = require('node:worker_threads');
const { memory, steps, total } = workerData;
const values = new BigInt64Array(memory, 0, 5);
const words = new Int32Array(memory, 40, 4);
const step = new Int32Array(steps);
for (let at = 1; at <= total; at++) {
  Atomics.wait(step, 0, at - 1);
  Atomics.store(values, 2, BigInt(at * 10));
  Atomics.store(values, 1, BigInt(at * 100));
  if (at === total) Atomics.store(words, 1, 1);
  Atomics.add(words, 0, 1);
  Atomics.notify(words, 0);
}
`;

describe('blob counters of content that begins again', () => {
  it('count from nothing, in another generation', () => {
    const counters = newBlobCounters();
    counters.set('prefixBytes', 7);
    counters.set('readBytes', 5);
    const [version, generation] = [counters.version(), counters.generation()];
    counters.restart();
    expect([counters.read('prefixBytes'), counters.read('readBytes')]).toEqual([0, 0]);
    expect(counters.generation()).toBe(generation + 1);
    expect(counters.version()).not.toBe(version);
  });

  it('count connections that were granted, for everyone', () => {
    const counters = newBlobCounters();
    const version = counters.version();
    counters.grant('extra');
    counters.grant('extra');
    counters.grant('first');
    const seen = blobCounters(counters.memory);
    expect([seen.granted('extra'), seen.granted('first')]).toEqual([2, 1]);
    expect(counters.version()).not.toBe(version);
  });
});

describe('blob counters of two threads', () => {
  it('wake a follower with each step of the writer, which it sees whole', async () => {
    const total = 200;
    const counters = newBlobCounters();
    const steps = new SharedArrayBuffer(4);
    const step = new Int32Array(steps);
    const worker = new Worker(WRITER, { eval: true, workerData: { memory: counters.memory, steps, total } });
    try {
      for (let at = 1; at <= total; at += 1) {
        const seen = counters.version();
        Atomics.store(step, 0, at);
        Atomics.notify(step, 0);
        while (counters.version() === seen) await counters.changed(seen);
        expect([counters.read('tarBytes'), counters.read('indexBytes')]).toEqual([at * 100, at * 10]);
        expect(counters.state()).toBe(at === total ? 'complete' : 'running');
      }
    } finally {
      await worker.terminate();
    }
  });

  it('lose no wake-up while both run freely', async () => {
    const total = 20_000;
    const counters = newBlobCounters();
    const steps = new SharedArrayBuffer(4);
    // Never equal to a step that the writer waits for: it does not wait.
    Atomics.store(new Int32Array(steps), 0, -1);
    const worker = new Worker(WRITER, { eval: true, workerData: { memory: counters.memory, steps, total } });
    let last = 0;
    while (counters.state() === 'running') {
      const seen = counters.version();
      // The entries are always there before the bytes that they are of.
      const tarBytes = counters.read('tarBytes');
      expect(counters.read('indexBytes') * 10).toBeGreaterThanOrEqual(tarBytes);
      expect(tarBytes).toBeGreaterThanOrEqual(last);
      last = tarBytes;
      if (counters.state() === 'running') await counters.changed(seen);
    }
    expect(counters.read('tarBytes')).toBe(total * 100);
    await worker.terminate();
  });
});
