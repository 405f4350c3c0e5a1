/** From arguments to an exit code: finds the command, lets clipanion parse for it, runs it, renders errors. */

import { Cli, type CommandClass } from 'clipanion';
import { type Environment, flagFromWord, isFetchError, readEnvironment } from '../index.js';
import { bindOption, splitArguments } from './argv.js';
import type { CommandContext } from './command.js';
import type { CommandSpec } from './command-spec.js';
import { type CliContext, OUTPUT_CLOSED } from './context.js';
import { renderCommandHelp, renderGroup, renderOverview, renderUsageMarkdown } from './help.js';
import { abortedError, exitCodeOf, renderError, usageError } from './render-error.js';
import { findSpec, groupOf } from './specs.js';
import { jsonText } from './text.js';
import { readVersionFacts, renderVersion } from './version.js';

/** Commands by their words; loaded when called. */
const COMMANDS: Readonly<Record<string, () => Promise<CommandClass<CommandContext>>>> = {
  fetch: async () => (await import('./commands/fetch.js')).FetchCommand,
  prefetch: async () => (await import('./commands/prefetch.js')).PrefetchCommand,
  trust: async () => (await import('./commands/trust.js')).TrustCommand,
  'trust list': async () => (await import('./commands/trust-list.js')).TrustListCommand,
  'trust rm': async () => (await import('./commands/trust-rm.js')).TrustRmCommand,
  'image list': async () => (await import('./commands/image-list.js')).ImageListCommand,
  'image cat-manifest': async () =>
    (await import('./commands/image-cat-manifest.js')).ImageCatManifestCommand,
  'image export': async () => (await import('./commands/image-export.js')).ImageExportCommand,
  'image extract': async () => (await import('./commands/image-extract.js')).ImageExtractCommand,
  'image rm': async () => (await import('./commands/image-rm.js')).ImageRmCommand,
  config: async () => (await import('./commands/config.js')).ConfigCommand,
  version: async () => (await import('./commands/version.js')).VersionCommand,
};

/**
 * Runs one command line (`argv` without node and script) and resolves to its exit code; never rejects. Errors
 * have been written to stderr by then.
 */
export async function runCli(argv: readonly string[], context: CliContext): Promise<number> {
  const environment = context.environment ?? readEnvironment();
  try {
    return await dispatch(argv, context, environment);
  } catch (error) {
    // Whatever failed after that failed because of it.
    if (context.signal.reason === OUTPUT_CLOSED) return exitCodeOf(abortedError(error));
    const debug = wantsDebug(argv, environment);
    const image = isFetchError(error) ? error.image : undefined;
    context.stderr.write(`${renderError(error, { debug, image })}\n`);
    return exitCodeOf(error);
  }
}

/** The usage of all commands in Markdown; docs/cli.md is generated from it. */
export function cliUsage(): string {
  return renderUsageMarkdown();
}

async function dispatch(
  argv: readonly string[],
  context: CliContext,
  environment: Environment,
): Promise<number> {
  const { own, globals, rest } = splitArguments(argv);
  const [first] = own;
  const asksHelp = own.some((word) => word === '-h' || word === '--help');
  const words = own.filter((word) => !word.startsWith('-'));
  if (first === '--version') {
    context.stdout.write(renderVersion(readVersionFacts()));
    return 0;
  }
  if (words[0] === 'help' || asksHelp || (first === undefined && rest === undefined)) {
    context.stdout.write(helpFor(words[0] === 'help' ? words.slice(1) : words, asksHelp));
    return 0;
  }
  if (first?.startsWith('-')) {
    throw usageError(`${jsonText(first)} is no global option`, 'try: aci help');
  }
  const spec = findSpec(own);
  if (spec === undefined) {
    if (own.length === 1 && groupOf(first).length > 0) {
      context.stdout.write(renderGroup(groupOf(first)));
      return 0;
    }
    throw unknownCommand(own.length > 0 ? own : (rest ?? []));
  }
  const tail = rest === undefined ? [] : ['--', ...rest];
  return await runCommand(spec, [...own, ...globals, ...tail], context, environment);
}

/** Help about the command that the words call; with `-h`, arguments may follow them. */
function helpFor(words: readonly string[], mayHaveArguments: boolean): string {
  const spec = findSpec(words);
  if (spec !== undefined && (mayHaveArguments || spec.path.length === words.length)) {
    return renderCommandHelp(spec);
  }
  if (words.length === 0) return renderOverview();
  const group = groupOf(words[0]);
  if (group.length > 0 && words.length === 1) return renderGroup(group);
  throw unknownCommand(words);
}

function unknownCommand(words: readonly string[]): Error {
  const named = groupOf(words[0]).length > 0 ? words.slice(0, 2) : words.slice(0, 1);
  return usageError(`unknown command ${jsonText(named.join(' '))}`);
}

async function runCommand(
  spec: CommandSpec,
  input: readonly string[],
  context: CliContext,
  environment: Environment,
): Promise<number> {
  const load = COMMANDS[spec.path.join(' ')];
  if (load === undefined) throw new Error(`no code for the command ${spec.path.join(' ')}`);
  const commandClass = await load();
  const { stdin, stdout, stderr, signal } = context;
  const { words, values: signatures } = bindOption('--signature', input, spec.path.length, spec.options);
  const full = { env: {}, stdin, stdout, stderr, colorDepth: 1, environment, signal, signatures };
  const cli = new Cli<CommandContext>({ binaryName: 'aci', enableColors: false });
  cli.register(commandClass);
  const command = parse(spec, () => cli.process([...words], full));
  return await command.validateAndExecute();
}

function parse<T>(spec: CommandSpec, process: () => T): T {
  try {
    return process();
  } catch (error) {
    if (!(error instanceof Error) || !('clipanion' in error)) throw error;
    throw usageError(syntaxProblem(spec, parserReasons(error)), `try: aci help ${spec.path.join(' ')}`);
  }
}

/** The parser tries several readings of the arguments; why each was dropped. */
function parserReasons(error: Error): string[] {
  const candidates: readonly unknown[] =
    'candidates' in error && Array.isArray(error.candidates) ? error.candidates : [];
  return candidates.flatMap((candidate) => {
    if (typeof candidate !== 'object' || candidate === null || !('reason' in candidate)) return [];
    return typeof candidate.reason === 'string' ? [candidate.reason] : [];
  });
}

/** The parser's sentences, and ours for them, the most telling first. */
const PROBLEMS: readonly (readonly [RegExp, (name: string, detail: string) => string])[] = [
  [/^Not enough arguments to option (\S+)\./, (_, option) => `${option} needs a value`],
  [/^(?:Unsupported|Invalid) option name \("([^"=]*)/, (name, option) => `${name} has no option ${option}`],
  [/^Extraneous positional argument \("(.*)"\)/, (name, word) => `${name} takes no argument "${word}"`],
  [/^(Not enough positional arguments)/, (name) => `${name} needs more arguments`],
];

/** What the parser complains about, in one line of our own words. */
function syntaxProblem({ path }: CommandSpec, reasons: readonly string[]): string {
  const name = path.join(' ');
  for (const [pattern, describe] of PROBLEMS) {
    for (const reason of reasons) {
      const detail = pattern.exec(reason)?.[1];
      if (detail !== undefined) return describe(name, detail);
    }
  }
  return `the arguments of ${name} are wrong`;
}

/** Also known when the arguments are wrong, which is when it may be needed. */
function wantsDebug(argv: readonly string[], environment: Environment): boolean {
  const given = splitArguments(argv).globals.findLast((word) => /^--debug(=|$)/.test(word));
  const word = given === undefined ? environment.variables['ACI_DEBUG'] : (given.split('=')[1] ?? true);
  return flagFromWord(word) ?? false;
}
