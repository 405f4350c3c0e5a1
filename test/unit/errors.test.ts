/** The one error class: its codes, its passage between threads, and what becomes of other errors. */

import { accessSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import {
  abortedError,
  causeLines,
  ERROR_CODES,
  type ErrorCode,
  errnoOf,
  FetchError,
  fromWire,
  isFetchError,
  retold,
  storageError,
  throwIfAborted,
  toFetchError,
  toWire,
} from '../../src/errors.js';

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];

/** As Node throws it. */
function systemError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: something, open '/x'`), { code, syscall: 'open', errno: -1 });
}

describe('the table of codes', () => {
  it('has a meaning and an exit code for each', () => {
    for (const code of CODES) {
      expect(ERROR_CODES[code].summary, code).toMatch(/^\S.*\S$/);
      expect([1, 2, 3, 4, 5, 6, 7, 8, 130], code).toContain(ERROR_CODES[code].exitCode);
    }
  });

  it('lets nothing be tried again that failed a check', () => {
    const again = CODES.filter((code) => ERROR_CODES[code].retryable);
    expect(again.sort()).toEqual(['ERR_NETWORK', 'ERR_RATE_LIMITED', 'ERR_SERVER']);
  });
});

describe('a FetchError', () => {
  it('has what it was made with, and exit code and retryability of its code', () => {
    const cause = new Error('below');
    const given = {
      stage: 'download',
      image: 'docker://a',
      hint: 'do this',
      retryAfterMs: 7,
      cause,
    } as const;
    const error = new FetchError('ERR_SERVER', 'message', given);
    expect(error).toMatchObject({ ...given, code: 'ERR_SERVER', message: 'message', name: 'FetchError' });
    expect([error.exitCode, error.retryable]).toEqual([4, true]);
    expect(error).toBeInstanceOf(Error);
  });

  it('can be retold with another message or hint, and is then the cause', () => {
    const error = new FetchError('ERR_AUTH', 'refused', { stage: 'download', image: 'a', hint: 'log in' });
    const kept = { code: 'ERR_AUTH', stage: 'download', image: undefined, cause: error };
    expect(retold(error, { message: 'of b' })).toMatchObject({ ...kept, message: 'of b', hint: 'log in' });
    expect(retold(error, { hint: 'see c' })).toMatchObject({ ...kept, message: 'refused', hint: 'see c' });
  });

  it('has no cause where none was given', () => {
    expect('cause' in new FetchError('ERR_IO', 'x', { stage: 'store' })).toBe(false);
  });

  it.each(CODES)('with %s comes back whole from another thread', (code) => {
    const cause = new Error('first', { cause: new Error('second') });
    const options = { stage: 'verify', image: 'i', hint: 'h', retryAfterMs: 5, cause } as const;
    const error = new FetchError(code, 'message', options);
    const back = fromWire(structuredClone(toWire(error)));
    expect(isFetchError(back)).toBe(true);
    const { stage, image, hint, retryAfterMs } = options;
    expect(back).toMatchObject({ code, message: 'message', stage, image, hint, retryAfterMs });
    expect([back.exitCode, back.retryable]).toEqual([error.exitCode, error.retryable]);
    expect(causeLines(back)).toEqual(['first', 'second']);
    expect(back.stack).toContain('errors.test.ts');
  });

  it('without options comes back without them', () => {
    const back = fromWire(structuredClone(toWire(new FetchError('ERR_IO', 'x', { stage: 'store' }))));
    expect([back.hint, back.image, back.retryAfterMs, back.cause]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('another error', () => {
  it('is known by its brand, not by its looks', () => {
    expect(isFetchError(new FetchError('ERR_IO', 'x', { stage: 'store' }))).toBe(true);
    for (const other of [new Error('x'), { code: 'ERR_IO', stage: 'store' }, null, undefined, 'ERR_IO', 7]) {
      expect(isFetchError(other)).toBe(false);
    }
  });

  it('becomes ERR_INTERNAL around itself', () => {
    const cause = new TypeError('x is undefined');
    expect(toFetchError(cause)).toMatchObject({
      code: 'ERR_INTERNAL',
      message: 'x is undefined',
      stage: 'internal',
      cause,
    });
    expect(toFetchError('odd', 'convert')).toMatchObject({
      code: 'ERR_INTERNAL',
      message: 'odd',
      stage: 'convert',
    });
    expect(toFetchError(undefined)).toMatchObject({ code: 'ERR_INTERNAL' });
  });

  it('that is one of ours stays itself', () => {
    const error = new FetchError('ERR_IO', 'x', { stage: 'store' });
    expect(toFetchError(error, 'convert')).toBe(error);
    expect(storageError(error, 'what')).toBe(error);
  });

  it.each([
    ['ENOSPC', 'ERR_NO_SPACE'],
    ['EDQUOT', 'ERR_NO_SPACE'],
    ['EFBIG', 'ERR_NO_SPACE'],
    ['EACCES', 'ERR_PERMISSION'],
    ['EPERM', 'ERR_PERMISSION'],
    ['EROFS', 'ERR_PERMISSION'],
    ['EIO', 'ERR_IO'],
    ['EMFILE', 'ERR_IO'],
    ['ENOENT', 'ERR_IO'],
  ])('of the file system, %s, is %s', (errno, code) => {
    const cause = systemError(errno);
    expect(storageError(cause, 'cannot write x')).toMatchObject({ code, stage: 'store', cause });
    expect(storageError(cause, 'cannot unpack', 'extract').stage).toBe('extract');
    expect(storageError(cause, 'cannot write x').exitCode).toBe(8);
  });

  it('that is none of the file system is ERR_INTERNAL', () => {
    expect(storageError(new RangeError('x'), 'cannot write')).toMatchObject({
      code: 'ERR_INTERNAL',
      stage: 'store',
    });
  });

  it('of Node itself has its number', () => {
    const path = `${mkdtempSync(`${tmpdir()}/acifetch-`)}/x`;
    const errors: unknown[] = [];
    for (const action of [() => accessSync(path), () => writeFileSync(`${path}/y`, '')]) {
      try {
        action();
      } catch (error) {
        errors.push(error);
      }
    }
    expect(errors.map(errnoOf)).toEqual(['ENOENT', 'ENOENT']);
    for (const other of [new Error('x'), { code: 'ENOENT' }, { code: 5, syscall: 'x' }, null, 'ENOENT']) {
      expect(errnoOf(other)).toBeUndefined();
    }
  });
});

describe('causes', () => {
  it('are the messages from the outermost in', () => {
    const error = new Error('a', { cause: new Error('b', { cause: 'c' }) });
    expect(causeLines(error)).toEqual(['b', 'c']);
    expect(causeLines(new Error('alone'))).toEqual([]);
    expect(causeLines(new Error('x', { cause: null }))).toEqual([]);
  });

  it('end, also when they are a circle', () => {
    const error = new Error('a');
    error.cause = error;
    expect(causeLines(error).length).toBeLessThan(20);
  });
});

describe('an abort', () => {
  it('is ERR_ABORTED with its reason', () => {
    const reason = new Error('SIGINT');
    expect(abortedError(reason)).toMatchObject({ code: 'ERR_ABORTED', cause: reason });
    expect(abortedError().exitCode).toBe(130);
  });

  it('throws where it is looked for', () => {
    const controller = new AbortController();
    expect(() => throwIfAborted(controller.signal)).not.toThrow();
    controller.abort('reason');
    const aborted = expect.objectContaining({ code: 'ERR_ABORTED', cause: 'reason' });
    expect(() => throwIfAborted(controller.signal)).toThrow(aborted);
  });
});
