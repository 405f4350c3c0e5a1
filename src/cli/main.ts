#!/usr/bin/env node
/** The program `aci`: signals, closed pipes and the exit code around one run of the command line. */

import { constants } from 'node:os';
import { OUTPUT_CLOSED } from './context.js';
import { nodeVersionProblem, readVersionFacts, renderVersion } from './version.js';

/** Time from an interruption until the process ends whether or not everything has settled. */
const GRACE_MS = 900;

/** What a shell shows for a program that a closed pipe ended. */
const EXIT_PIPE = 128 + constants.signals.SIGPIPE;

async function main(argv: readonly string[]): Promise<number> {
  const problem = nodeVersionProblem(process.version);
  if (problem !== undefined) {
    process.stderr.write(`aci: ${problem}\n`);
    return 1;
  }
  const controller = new AbortController();
  watchOutput(controller);
  if (argv.length === 1 && (argv[0] === 'version' || argv[0] === '--version')) {
    process.stdout.write(renderVersion(readVersionFacts()));
    return 0;
  }
  quietNodeWarnings(argv.includes('--debug'));
  const interruption = watchSignals(controller);
  const { runCli } = await import('./run.js');
  const { stdin, stdout, stderr } = process;
  const code = await runCli(argv, { stdin, stdout, stderr, signal: controller.signal });
  if (controller.signal.reason === OUTPUT_CLOSED && code === 130) return EXIT_PIPE;
  return code === 0 ? 0 : (interruption.exitCode ?? code);
}

/** The first SIGINT or SIGTERM aborts, the second ends the process at once. */
function watchSignals(controller: AbortController): { readonly exitCode: number | undefined } {
  const state: { exitCode: number | undefined } = { exitCode: undefined };
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (state.exitCode !== undefined) process.exit(state.exitCode);
      const exitCode = 128 + constants.signals[name];
      state.exitCode = exitCode;
      controller.abort(new Error(`received ${name}`));
      setTimeout(() => {
        process.stderr.write('aci: interrupted\n');
        process.exit(exitCode);
      }, GRACE_MS).unref();
    });
  }
  return state;
}

/** Node's own warnings are not for users, and would stand in the middle of bars and NDJSON. */
function quietNodeWarnings(shown: boolean): void {
  if (!shown) process.removeAllListeners('warning');
}

/** When nobody reads stdout any more, the work ends without a word. */
function watchOutput(controller: AbortController): void {
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED') {
      controller.abort(OUTPUT_CLOSED);
      return;
    }
    process.stderr.write(`aci: stdout cannot be written: ${error.message}\n`);
    process.exit(8);
  });
}

function dieOf(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`aci: internal error: ${message.replaceAll('\n', ' ')}\n`);
  process.exit(1);
}

process.on('uncaughtException', dieOf);
// Should the event loop run empty before the run has ended, that is a defect and no success.
process.exitCode = 1;
main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
}, dieOf);
