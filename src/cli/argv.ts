/** Global options may stand before the command; this puts them where the parser of the command sees them. */

import { GLOBAL_OPTIONS, type OptionSpec } from '../index.js';
import { usageError } from './render-error.js';

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

export interface BoundOption {
  /** The words without the option. */
  readonly words: readonly string[];
  /** Its value for the arguments that it followed, by their places, from 0. */
  readonly values: ReadonlyMap<number, string>;
}

/**
 * Takes an option out that belongs to the argument before it, as `--signature FILE` does. `words` begin with the
 * `commandWords` of the command, whose other options are `options`. Throws ERR_USAGE.
 */
export function bindOption(
  name: string,
  words: readonly string[],
  commandWords: number,
  options: readonly OptionSpec[],
): BoundOption {
  const valued = new Set<string>(
    ([...options, ...GLOBAL_OPTIONS] as readonly OptionSpec[])
      .filter(({ kind }) => kind !== 'flag')
      .flatMap(({ name: long, short }) => (short === undefined ? [long] : [long, short])),
  );
  const kept: string[] = [];
  const values = new Map<number, string>();
  const end = words.includes('--') ? words.indexOf('--') : words.length;
  let place = -1;
  for (let at = 0; at < end; at++) {
    const word = words[at] ?? '';
    const [option = '', ...inline] = word.split('=');
    const takesNext = valued.has(option) && !word.includes('=');
    if (option !== name) {
      kept.push(word);
      if (takesNext && at + 1 < end) kept.push(words[++at] ?? '');
      else if (at >= commandWords && !isOption(word)) place += 1;
      continue;
    }
    const value = takesNext ? words[++at] : inline.join('=');
    if (at >= end || value === undefined || value === '') throw usageError(`${name} needs a value`);
    if (place === -1) throw usageError(`${name} must follow an image`);
    if (values.has(place)) throw usageError(`${name} is there twice for one image`);
    values.set(place, value);
  }
  return { words: [...kept, ...words.slice(end)], values };
}

function isOption(word: string): boolean {
  return word.startsWith('-') && word !== '-';
}
