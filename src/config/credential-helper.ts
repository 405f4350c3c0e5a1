/** Asks the programs that keep credentials for Docker (`docker-credential-NAME get`). */

import { execFile } from 'node:child_process';
import type { RegistryCredential } from '../auth/credentials.js';
import { type DockerHelper, identityOf, TOKEN_USER } from './docker-auth.js';

const TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 64 * 1024;
/** How the programs say that they have nothing, with exit code 1. */
const NOT_FOUND = 'credentials not found';

export type HelperAnswer =
  | { readonly kind: 'found'; readonly credential: RegistryCredential }
  | { readonly kind: 'none' }
  /** Without anything that the program has printed, for that may be a secret. */
  | { readonly kind: 'failed'; readonly problem: string };

export interface HelperOptions {
  /** The environment of the program, `PATH` among it. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  /** Default 60,000. */
  readonly timeoutMs?: number | undefined;
}

/** Runs the program, without a shell, and tells it the server on its stdin. */
export async function askHelper(
  { name, server }: DockerHelper,
  { variables, signal, timeoutMs = TIMEOUT_MS }: HelperOptions,
): Promise<HelperAnswer> {
  const program = `docker-credential-${name}`;
  return new Promise((resolve) => {
    const options = {
      env: { ...variables },
      signal,
      timeout: timeoutMs,
      maxBuffer: MAX_OUTPUT_BYTES,
      killSignal: 'SIGKILL' as const,
    };
    const child = execFile(program, ['get'], options, (error, stdout) => {
      if (error === null) resolve(readAnswer(program, stdout));
      else if (stdout.trimStart().startsWith(NOT_FOUND)) resolve({ kind: 'none' });
      else resolve({ kind: 'failed', problem: `${program} ${problemOf(error)}` });
    });
    // A program that is missing, or does not read, closes the pipe.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(`${server}\n`);
  });
}

function problemOf({ code, killed }: { code?: unknown; killed?: boolean | undefined }): string {
  if (code === 'ENOENT') return 'is not installed';
  if (code === 'EACCES') return 'cannot be run';
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return 'prints too much';
  if (killed === true) return 'did not answer in time';
  return typeof code === 'number' ? `failed with exit code ${code}` : 'failed';
}

function readAnswer(program: string, stdout: string): HelperAnswer {
  let answer: unknown;
  try {
    answer = JSON.parse(stdout);
  } catch {
    answer = undefined;
  }
  const fields = (typeof answer === 'object' && answer !== null ? answer : {}) as Record<string, unknown>;
  const { Username: user, Secret: secret } = fields;
  if (typeof user !== 'string' || typeof secret !== 'string') {
    return { kind: 'failed', problem: `${program} answers with something else than Username and Secret` };
  }
  if (secret === '') return { kind: 'none' };
  const isToken = user === TOKEN_USER || user === '';
  const credential = isToken ? identityOf('', secret) : ({ kind: 'basic', user, password: secret } as const);
  return { kind: 'found', credential };
}
