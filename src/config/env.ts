/** The surroundings of the process as plain data; the only reader of process.env. */

import { availableParallelism, homedir } from 'node:os';

export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Home folder of the user; `/` for a user without one. */
  readonly home: string;
  readonly isRoot: boolean;
  readonly workingDirectory: string;
  /** Cores that this process may use, 1 or more. */
  readonly usableCores: number;
}

export function readEnvironment(): Environment {
  return {
    variables: { ...process.env },
    home: readHome(),
    isRoot: process.geteuid?.() === 0,
    workingDirectory: readWorkingDirectory(),
    usableCores: Math.max(1, availableParallelism()),
  };
}

function readHome(): string {
  try {
    return homedir();
  } catch {
    // A container may run under a user that no passwd file knows.
    return '/';
  }
}

function readWorkingDirectory(): string {
  try {
    return process.cwd();
  } catch {
    // The folder may have been removed since; only relative paths are lost with it.
    return '/';
  }
}

/** A relative path in these variables is to be ignored (XDG Base Directory Specification). */
export function xdgFolder(value: string | undefined, fallback: string): string {
  return value?.startsWith('/') ? value : fallback;
}
