/** The built command line, called as a person calls it and read as a script reads it. */

import { type AciRunOptions, type RunResult, runAci } from '../../support/process.js';

/** For registries without TLS. */
export const INSECURE = '--insecure-options=image,http';

/** A line of `aci fetch --json`. */
export interface OutcomeRecord {
  readonly image: string;
  readonly platform?: string;
  readonly id: string | null;
  readonly name: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly status: 'fetched' | 'cached' | 'failed';
  readonly verified: boolean;
  readonly signers: readonly string[];
  readonly sizeBytes: number;
  readonly downloadedBytes: number;
  readonly durationMs: number;
  readonly dependencies: readonly string[];
  readonly error?: { readonly code: string; readonly stage: string; readonly message: string };
}

/** The JSON lines of a run. */
export function jsonLines<T>({ stdout }: RunResult): T[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

/** Runs a command that has to succeed. */
export async function aci(args: readonly string[], options: AciRunOptions = {}): Promise<RunResult> {
  const result = await runAci(args, options);
  if (result.code === 0) return result;
  throw new Error(`aci ${args.join(' ')} ended with ${result.code ?? result.signal}:\n${result.stderr}`);
}

/** Fetches one image, which has to succeed, with further options. */
export async function fetchOne(
  image: string,
  options: AciRunOptions = {},
  args: readonly string[] = [],
): Promise<OutcomeRecord & { readonly id: string }> {
  const [outcome] = jsonLines<OutcomeRecord & { id: string }>(
    await aci(['fetch', INSECURE, '--json', ...args, image], options),
  );
  if (outcome === undefined) throw new Error(`aci fetch ${image} printed nothing`);
  return outcome;
}
