/** What a command that failed has to show for it. */

import { expect } from 'vitest';
import { ERROR_CODES, type ErrorCode } from '../../../dist/src/index.js';
import type { RunResult } from '../../support/process.js';
import { jsonLines, type OutcomeRecord } from './commands.js';

/** Of `aci fetch --json IMAGE`: a record with code, stage and message, a line on stderr, the exit code. */
export function expectFailure(result: RunResult, image: string, code: ErrorCode): void {
  const [record, ...others] = jsonLines<OutcomeRecord>(result);
  expect(others).toEqual([]);
  expect(record, result.stderr).toMatchObject({ image, id: null, status: 'failed', error: { code } });
  expect(record?.error?.stage).toMatch(/^[a-z]+$/);
  expect(record?.error?.message).toMatch(/^.+$/);
  expectErrorLine(result.stderr, image);
  expect(result.code).toBe(ERROR_CODES[code].exitCode);
}

/** One line that begins with `aci: ` and names the subject, then at most a hint; no stack. */
export function expectErrorLine(stderr: string, subject: string): void {
  const lines = stderr.trimEnd().split('\n');
  const last = lines.at(-1) ?? '';
  const line = /^(try|hint): /.test(last) ? (lines.at(-2) ?? '') : last;
  expect(line.startsWith('aci: '), stderr).toBe(true);
  expect(line).toContain(subject);
  expect(stderr).not.toMatch(/^\s+at /m);
}
