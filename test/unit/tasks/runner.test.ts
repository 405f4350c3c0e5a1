/** The runner without threads: what handlers get, and what becomes of what they throw. */

import { describe, expect, it } from 'vitest';
import { FetchError } from '../../../src/errors.js';
import type { TaskHandlers, TaskNote } from '../../../src/tasks/contract.js';
import { createInlineRunner } from '../../../src/tasks/runner.js';

const UNUSED = async (): Promise<never> => {
  throw new Error('not this one');
};
const INPUT = { manifest: 'm', layers: [] };

function runnerOf(assemble: TaskHandlers['assemble']) {
  return createInlineRunner({
    assemble,
    extract: UNUSED,
    downloadAci: UNUSED,
    readAci: UNUSED,
    fetchLayer: UNUSED,
    inflate: UNUSED,
  });
}

describe('the inline runner', () => {
  it('hands input, signal and notes to the handler of that name, and its result back', async () => {
    const notes: TaskNote[] = [];
    const { signal } = new AbortController();
    const output = { sha512: 'x', sizeBytes: 1, manifest: { offset: 0, sizeBytes: 1 }, extents: [] };
    const runner = runnerOf(async (input, context) => {
      expect(input).toBe(INPUT);
      expect(context.signal).toBe(signal);
      context.note({ note: 'opened', sizeBytes: 5, resumedBytes: 2 });
      return output;
    });
    expect(await runner.run('assemble', INPUT, { signal, onNote: (note) => void notes.push(note) })).toBe(
      output,
    );
    expect(notes).toEqual([{ note: 'opened', sizeBytes: 5, resumedBytes: 2 }]);
    await runner.close();
  });

  it('lets a FetchError through and makes ERR_INTERNAL of anything else', async () => {
    const { signal } = new AbortController();
    const known = new FetchError('ERR_AUTH', 'no', { stage: 'download' });
    for (const [thrown, code] of [
      [known, 'ERR_AUTH'],
      [new TypeError('x'), 'ERR_INTERNAL'],
      ['x', 'ERR_INTERNAL'],
    ]) {
      const runner = runnerOf(async () => {
        throw thrown;
      });
      await expect(runner.run('assemble', INPUT, { signal })).rejects.toMatchObject({ code });
    }
  });

  it('rejects when a handler throws before it waits', async () => {
    const { signal } = new AbortController();
    const runner = runnerOf(() => {
      throw new Error('at once');
    });
    await expect(runner.run('assemble', INPUT, { signal })).rejects.toMatchObject({ code: 'ERR_INTERNAL' });
  });
});
