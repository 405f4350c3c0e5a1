/** Help texts and the pages of docs/cli.md, both made from the command specifications. */

import { GLOBAL_OPTIONS, type OptionSpec } from '../index.js';
import type { CommandSpec } from './command-spec.js';
import { COMMAND_SPECS } from './specs.js';

/** `aci help`: every command with its summary, then the global options. */
export function renderOverview(): string {
  return [
    'Usage: aci [GLOBAL OPTIONS] COMMAND [OPTIONS] [ARGUMENT …]',
    '',
    'Commands:',
    ...commandLines(COMMAND_SPECS),
    '',
    'Global options, before or after the command:',
    ...twoColumns(GLOBAL_OPTIONS.map(optionRow)),
    '',
    'Every global option has an environment variable: ACI_DIR for --dir, ACI_WORKERS for --workers, …',
    'More about a command: aci help COMMAND',
    '',
  ].join('\n');
}

/** `aci image`: the commands of a group. */
export function renderGroup(specs: readonly CommandSpec[]): string {
  return ['Commands:', ...commandLines(specs), '', 'More about a command: aci help COMMAND', ''].join('\n');
}

function commandLines(specs: readonly CommandSpec[]): string[] {
  return twoColumns(specs.map(({ path, summary }) => [`aci ${path.join(' ')}`, summary] as const));
}

/** `aci help COMMAND`. */
export function renderCommandHelp(spec: CommandSpec): string {
  const lines = [`Usage: ${usageLine(spec)}`, '', sentence(spec.summary)];
  if (spec.details !== undefined) lines.push('', ...wrap(spec.details, 100));
  if (spec.options.length > 0) lines.push('', 'Options:', ...twoColumns(spec.options.map(optionRow)));
  if (spec.examples !== undefined) lines.push('', 'Examples:', ...spec.examples.map((line) => `  ${line}`));
  lines.push('', 'Global options are listed by: aci help', '');
  return lines.join('\n');
}

/** The whole usage in Markdown: the content of docs/cli.md. */
export function renderUsageMarkdown(): string {
  const commands = COMMAND_SPECS.flatMap((spec) => [
    `## \`aci ${spec.path.join(' ')}\``,
    '',
    sentence(spec.summary),
    '',
    '```sh',
    usageLine(spec),
    '```',
    '',
    ...(spec.details === undefined ? [] : [...wrap(spec.details, 110), '']),
    ...(spec.options.length === 0 ? [] : [...optionTable(spec.options), '']),
    ...(spec.examples === undefined ? [] : ['```sh', ...spec.examples, '```', '']),
  ]);
  return [
    '# Command line',
    '',
    '## Global options',
    '',
    'They may stand before or after the command. The order is: flag, environment variable, default.',
    '',
    ...optionTable(GLOBAL_OPTIONS),
    '',
    ...commands,
  ].join('\n');
}

function usageLine({ path, usage }: CommandSpec): string {
  return ['aci', ...path, usage].join(' ').trim();
}

function sentence(summary: string): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
}

/** The option with its value as usage shows it: `--dir DIR`, `--order asc|desc`, `--full`. */
export function optionUsage(option: OptionSpec): string {
  const names = option.short === undefined ? option.name : `${option.name}, ${option.short}`;
  switch (option.kind) {
    case 'flag':
      return names;
    case 'choice':
      return `${names} ${option.choices.join('|')}`;
    default:
      return `${names} ${option.placeholder}`;
  }
}

function defaultText(option: OptionSpec): string | undefined {
  return option.defaultText ?? (option.kind === 'choice' ? option.default : undefined);
}

function optionRow(option: OptionSpec): readonly [string, string] {
  const fallback = defaultText(option);
  return [
    optionUsage(option),
    fallback === undefined ? option.description : `${option.description} (default: ${fallback})`,
  ];
}

function optionTable(options: readonly OptionSpec[]): string[] {
  const cell = (text: string) => text.replaceAll('|', '\\|');
  const code = (text: string | undefined) => (text === undefined ? '' : `\`${cell(text)}\``);
  return [
    '| option | variable | default | meaning |',
    '|---|---|---|---|',
    ...options.map((option) => {
      const fallback = option.kind === 'flag' ? 'false' : (defaultText(option) ?? '');
      const cells = [code(optionUsage(option)), code(option.env), cell(fallback), cell(option.description)];
      return `| ${cells.join(' | ')} |`;
    }),
  ];
}

const LEFT_WIDTH = 30;
const TOTAL_WIDTH = 100;

function twoColumns(rows: readonly (readonly [string, string])[]): string[] {
  return rows.flatMap(([left, right]) => {
    const [first = '', ...others] = wrap(right, TOTAL_WIDTH - LEFT_WIDTH - 4);
    const indent = ' '.repeat(LEFT_WIDTH + 4);
    const rest = others.map((line) => indent + line);
    return left.length <= LEFT_WIDTH
      ? [`  ${left.padEnd(LEFT_WIDTH)}  ${first}`, ...rest]
      : [`  ${left}`, indent + first, ...rest];
  });
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return line === '' ? lines : [...lines, line];
}
