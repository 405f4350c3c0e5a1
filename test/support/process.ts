/** Child processes: any tool, and the built command line in an environment of its own. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { aciScript } from './project.js';
import { tempDir } from './temp.js';

export interface RunOptions {
  readonly cwd?: string | undefined;
  /** The whole environment. Default: that of this process. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly input?: string | Uint8Array | undefined;
  /** After it the process is killed and `run` rejects. Default two minutes. */
  readonly timeoutMs?: number | undefined;
}

export interface RunResult {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: Buffer;
}

export interface RunningProcess {
  readonly pid: number;
  /** What has come so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  kill(signal?: NodeJS.Signals): void;
  /** Resolves when stderr has this, rejects when the process ends before. */
  waitForStderr(match: RegExp): Promise<void>;
  readonly done: Promise<RunResult>;
}

/** Starts a process; `done` rejects only when it cannot be started or takes too long. */
export function start(command: string, args: readonly string[], options: RunOptions = {}): RunningProcess {
  const child = spawn(command, args, { cwd: options.cwd, env: options.env ?? process.env });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const textOf = (chunks: readonly Buffer[]): string => Buffer.concat(chunks).toString();
  const done = finish(child, [command, ...args].join(' '), options.timeoutMs ?? 120_000).then(
    ([code, signal]) => ({
      code,
      signal,
      stdout: textOf(stdout),
      stderr: textOf(stderr),
      stdoutBytes: Buffer.concat(stdout),
    }),
    (error: Error) => {
      error.message += `\n${textOf(stderr).slice(-2000)}`;
      throw error;
    },
  );
  done.catch(() => {});

  return {
    pid: child.pid ?? -1,
    stdout: () => textOf(stdout),
    stderr: () => textOf(stderr),
    kill: (signal = 'SIGTERM') => {
      child.kill(signal);
    },
    waitForStderr(match) {
      return new Promise((resolve, reject) => {
        const check = (): void => {
          if (textOf(stderr).search(match) >= 0) resolve();
        };
        child.stderr.on('data', check);
        child.once('close', () => reject(new Error(`${command} ended without ${match}:\n${textOf(stderr)}`)));
        check();
      });
    },
    done,
  };
}

async function finish(
  child: ChildProcess,
  line: string,
  timeoutMs: number,
): Promise<[number | null, NodeJS.Signals | null]> {
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    if (late) throw new Error(`not done after ${timeoutMs} ms: ${line}`);
    return [code, signal];
  } finally {
    clearTimeout(timer);
  }
}

/** Runs a process to its end, whatever its exit code. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  return await start(command, args, options).done;
}

/** Runs a tool that has to succeed; rejects with its stderr otherwise. */
export async function runTool(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const result = await run(command, args, options);
  if (result.code !== 0) {
    const ending = result.code ?? result.signal;
    throw new Error(`${command} ${args.join(' ')} ended with ${ending}:\n${result.stderr || result.stdout}`);
  }
  return result;
}

export interface AciRunOptions extends Omit<RunOptions, 'env'> {
  /** The store. Default: a new temporary folder. */
  readonly dir?: string | undefined;
  /** Set over the clean environment. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Home and configuration folders. Default: a new temporary folder. */
  readonly home?: string | undefined;
}

/** Runs the built `aci` with nothing of this machine's configuration in sight. */
export async function runAci(args: readonly string[], options: AciRunOptions = {}): Promise<RunResult> {
  return await startAci(args, options).done;
}

/** As `runAci`, for processes that get signals or run side by side. */
export function startAci(args: readonly string[], options: AciRunOptions = {}): RunningProcess {
  const { dir, env, home, ...rest } = options;
  return start(process.execPath, [aciScript, ...args], {
    ...rest,
    env: { ...aciEnvironment({ dir, home }), ...env },
  });
}

/** The environment in which `runAci` runs: a home, configuration folders and a store of its own. */
export function aciEnvironment(folders: {
  readonly dir?: string | undefined;
  readonly home?: string | undefined;
}): Record<string, string> {
  const home = folders.home ?? tempDir('acifetch-home-');
  const below = (name: string): string => {
    mkdirSync(join(home, name), { recursive: true });
    return join(home, name);
  };
  return {
    PATH: process.env['PATH'] ?? '',
    TMPDIR: below('tmp'),
    HOME: home,
    XDG_DATA_HOME: below('data'),
    XDG_CONFIG_HOME: below('config'),
    XDG_CACHE_HOME: below('cache'),
    XDG_RUNTIME_DIR: below('run'),
    ACI_DIR: folders.dir ?? below('store'),
    ACI_SYSTEM_CONFIG: below('system-config'),
    ACI_LOCAL_CONFIG: below('local-config'),
  };
}
