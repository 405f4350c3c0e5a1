/** Errors on stderr: one line, one hint, no secrets, no control characters. */

import { describe, expect, test } from 'vitest';
import { exitCodeOf, renderError } from '../../../src/cli/render-error.js';
import { FetchError } from '../../../src/errors.js';

const quiet = { debug: false };

describe('renderError', () => {
  test('puts the image before a message that does not name it', () => {
    const error = new FetchError('ERR_NOT_FOUND', 'no such tag', { stage: 'resolve' });
    expect(renderError(error, { ...quiet, image: 'docker://a' })).toBe('aci: docker://a: no such tag');
    const named = new FetchError('ERR_NOT_FOUND', 'docker://a has no such tag', { stage: 'resolve' });
    expect(renderError(named, { ...quiet, image: 'docker://a' })).toBe('aci: docker://a has no such tag');
  });

  test('folds lines and control characters of message and hint into one line each', () => {
    const error = new FetchError('ERR_NETWORK', 'a\nb\u001b[31mc', { stage: 'download', hint: 'do\r\nthis' });
    expect(renderError(error, quiet)).toBe('aci: a b [31mc\nhint: do this');
  });

  test('adds code, causes and stacks with debug only', () => {
    const cause = new Error('socket hang up at https://u:pw@h/x?token=abc');
    const error = new FetchError('ERR_NETWORK', 'download failed', { stage: 'download', cause });
    expect(renderError(error, quiet)).toBe('aci: download failed');
    const text = renderError(error, { debug: true });
    expect(text).toContain('code: ERR_NETWORK, stage: download');
    expect(text).toContain('caused by: socket hang up at https://REDACTED@h/x');
    expect(text).toContain('render-error.test.ts');
    expect(text).not.toContain('token=abc');
    expect(text).not.toContain('pw');
  });

  test('says that an error of no known kind is internal', () => {
    expect(renderError(new TypeError('x is undefined'), quiet)).toMatch(
      /^aci: internal error: x is undefined\n/,
    );
    expect(renderError('odd', quiet)).toMatch(/^aci: internal error: odd\n/);
  });

  test('has the exit code of the error table, and 1 for the unknown', () => {
    expect(exitCodeOf(new FetchError('ERR_AUTH', 'no', { stage: 'download' }))).toBe(5);
    expect(exitCodeOf(new Error('x'))).toBe(1);
  });
});
