/** Global options may stand before the command; this puts them where the parser of the command sees them. */

import { GLOBAL_OPTIONS } from '../index.js';

const TAKES_VALUE: ReadonlyMap<string, boolean> = new Map(
  GLOBAL_OPTIONS.map((option) => [option.name, option.kind !== 'flag']),
);

export interface SplitArguments {
  /** The command's words, its own options and arguments, in their order. */
  readonly own: readonly string[];
  /** The global options in their order, a value always bound to its option (`--dir=/x`). */
  readonly globals: readonly string[];
  /** What follows `--`: arguments, whatever they look like; undefined without a `--`. */
  readonly rest: readonly string[] | undefined;
}

/**
 * Takes the global options out of the arguments, wherever they stand before `--`. An option whose value is
 * missing is kept bare, so that the parser of the command complains about it.
 */
export function splitArguments(argv: readonly string[]): SplitArguments {
  const end = argv.indexOf('--');
  const head = end === -1 ? argv : argv.slice(0, end);
  const own: string[] = [];
  const globals: string[] = [];
  for (let index = 0; index < head.length; index++) {
    const word = head[index] ?? '';
    const takesValue = TAKES_VALUE.get(word.split('=', 1)[0] ?? word);
    const value = head[index + 1];
    if (takesValue === undefined) {
      own.push(word);
    } else if (takesValue && !word.includes('=') && value !== undefined && !isOption(value)) {
      globals.push(`${word}=${value}`);
      index++;
    } else {
      globals.push(word);
    }
  }
  return { own, globals, rest: end === -1 ? undefined : argv.slice(end + 1) };
}

/** The same arguments with the global options moved behind the command and its arguments. */
export function hoistGlobalOptions(argv: readonly string[]): string[] {
  const { own, globals, rest } = splitArguments(argv);
  return rest === undefined ? [...own, ...globals] : [...own, ...globals, '--', ...rest];
}

function isOption(word: string): boolean {
  return word.startsWith('-') && word !== '-';
}
