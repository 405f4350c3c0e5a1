/** Option tables: one list of plain data says how options are named, parsed, checked and documented. */

import { FetchError } from '../errors.js';

interface OptionBase {
  /** Property of the resolved values. */
  readonly key: string;
  readonly name: `--${string}`;
  /** A letter that stands for it. */
  readonly short?: `-${string}` | undefined;
  /** Environment variable that stands for the option; none for options that make sense for one call only. */
  readonly env?: `ACI_${string}` | undefined;
  readonly description: string;
  /** The default in words, where it is computed. */
  readonly defaultText?: string | undefined;
}

/** False unless given; `--x`, `--x=true` and `--x=false` are understood. */
export interface FlagSpec extends OptionBase {
  readonly kind: 'flag';
}

export interface StringSpec extends OptionBase {
  readonly kind: 'string';
  readonly placeholder: string;
}

/** A whole number between two bounds. */
export interface NumberSpec extends OptionBase {
  readonly kind: 'number';
  readonly placeholder: string;
  readonly min: number;
  readonly max: number;
}

/** Bytes, from 1 up: `500000`, `10M` (ten million), `1.5GiB`. */
export interface SizeSpec extends OptionBase {
  readonly kind: 'size';
  readonly placeholder: string;
}

/** Milliseconds, from 1 up: `30s`, `1.5m`, `2h`, `500ms`; a bare number is seconds. */
export interface DurationSpec extends OptionBase {
  readonly kind: 'duration';
  readonly placeholder: string;
}

export interface ChoiceSpec extends OptionBase {
  readonly kind: 'choice';
  readonly choices: readonly string[];
  readonly default?: string | undefined;
}

/** Comma separated and repeatable; every occurrence adds to the list. */
export interface ListSpec extends OptionBase {
  readonly kind: 'list';
  /** A comma is part of an item. Default false. */
  readonly keepsCommas?: boolean | undefined;
  readonly placeholder: string;
  readonly choices?: readonly string[] | undefined;
}

export type OptionSpec = FlagSpec | StringSpec | NumberSpec | SizeSpec | DurationSpec | ChoiceSpec | ListSpec;

type ValueOf<O extends OptionSpec> = O extends FlagSpec
  ? boolean
  : O extends ListSpec
    ? readonly string[]
    : O extends NumberSpec | SizeSpec | DurationSpec
      ? number | undefined
      : O extends ChoiceSpec
        ? O extends { readonly default: string }
          ? O['choices'][number]
          : O['choices'][number] | undefined
        : string | undefined;

/** The resolved values of a table: flags and lists are always there, the others only when given or defaulted. */
export type OptionValues<T extends readonly OptionSpec[]> = {
  readonly [O in T[number] as O['key']]: ValueOf<O>;
};

/** Where a value came from; earlier ones win over later ones. */
export type Origin = 'flag' | 'environment' | 'user' | 'local' | 'system' | 'default';

/** Values by option key, as a parser of flags or of a file left them. */
export type RawValues = Readonly<Record<string, unknown>>;

export interface FileLayer {
  readonly origin: 'user' | 'local' | 'system';
  /** Named in messages. */
  readonly path: string;
  readonly values: RawValues;
}

export interface OptionLayers {
  readonly flags: RawValues;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** In the order in which they win. Default: none. */
  readonly files?: readonly FileLayer[] | undefined;
}

export interface ResolvedOptions<T extends readonly OptionSpec[]> {
  readonly values: OptionValues<T>;
  readonly origins: Readonly<Record<T[number]['key'], Origin>>;
  /** The files of the values that came out of one. */
  readonly files: Readonly<Partial<Record<T[number]['key'], string>>>;
}

interface Found {
  readonly raw: unknown;
  readonly origin: Origin;
  /** How messages name the place of the value. */
  readonly where: string;
  readonly file?: string | undefined;
}

/**
 * The value of every option of a table and where it came from: flag, environment variable, files, default.
 * An empty environment variable counts as absent. Throws ERR_USAGE that names the option for a value that
 * does not fit it.
 */
export function resolveOptions<const T extends readonly OptionSpec[]>(
  table: T,
  layers: OptionLayers,
): ResolvedOptions<T> {
  const values: Record<string, unknown> = {};
  const origins: Record<string, Origin> = {};
  const files: Record<string, string> = {};
  for (const option of table) {
    const found = findValue(option, layers);
    values[option.key] = found === undefined ? defaultOf(option) : parseValue(option, found);
    origins[option.key] = found?.origin ?? 'default';
    if (found?.file !== undefined) files[option.key] = found.file;
  }
  return {
    values: values as OptionValues<T>,
    origins: origins as ResolvedOptions<T>['origins'],
    files: files as ResolvedOptions<T>['files'],
  };
}

function findValue(option: OptionSpec, layers: OptionLayers): Found | undefined {
  const flag = layers.flags[option.key];
  if (flag !== undefined) return { raw: flag, origin: 'flag', where: option.name };
  if (option.env !== undefined) {
    const variable = layers.variables[option.env];
    if (variable !== undefined && variable !== '') {
      return { raw: variable, origin: 'environment', where: `${option.env} (${option.name})` };
    }
  }
  for (const file of layers.files ?? []) {
    const { origin, path } = file;
    const raw = file.values[option.key];
    if (raw !== undefined) return { raw, origin, where: `${option.name} in ${path}`, file: path };
  }
  return undefined;
}

function defaultOf(option: OptionSpec): unknown {
  if (option.kind === 'flag') return false;
  if (option.kind === 'list') return [];
  return option.kind === 'choice' ? option.default : undefined;
}

function parseValue(option: OptionSpec, found: Found): unknown {
  switch (option.kind) {
    case 'flag':
      return parseFlag(found);
    case 'number':
      return parseNumber(option, found);
    case 'size':
      return parseMeasure(found, SIZE_UNITS, 'a size, as 500M or 1.5GiB');
    case 'duration':
      return parseMeasure(found, DURATION_UNITS, 'a time of at most 500h, as 30s or 5m', MAX_DURATION_MS);
    case 'choice':
      return parseChoice(option.choices, parseText(found), found.where);
    case 'list':
      return parseList(option, found);
    case 'string':
      return parseText(found);
  }
}

const FLAG_WORDS: ReadonlyMap<unknown, boolean> = new Map<unknown, boolean>([
  [true, true],
  ['true', true],
  ['1', true],
  ['yes', true],
  ['on', true],
  [false, false],
  ['false', false],
  ['0', false],
  ['no', false],
  ['off', false],
]);

/** Whether a word means yes or no, or undefined when it means neither; upper and lower case are the same. */
export function flagFromWord(word: unknown): boolean | undefined {
  return FLAG_WORDS.get(typeof word === 'string' ? word.toLowerCase() : word);
}

function parseFlag({ raw, where }: Found): boolean {
  const value = flagFromWord(raw);
  if (value === undefined) throw usage(`${where} must be true or false, not ${JSON.stringify(raw)}`);
  return value;
}

function parseText({ raw, where }: Found): string {
  if (typeof raw !== 'string' || raw === '') throw usage(`${where} needs a value`);
  return raw;
}

function parseNumber(option: NumberSpec, found: Found): number {
  const text = typeof found.raw === 'number' ? String(found.raw) : parseText(found);
  const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= option.min && value <= option.max) return value;
  throw usage(
    `${found.where} must be a whole number from ${option.min} to ${option.max}, not ${JSON.stringify(text)}`,
  );
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  ...Object.fromEntries(
    ['k', 'm', 'g', 't'].flatMap((letter, at) => {
      const [decimal, binary] = [1000 ** (at + 1), 1024 ** (at + 1)];
      return [
        [letter, decimal],
        [`${letter}b`, decimal],
        [`${letter}i`, binary],
        [`${letter}ib`, binary],
      ];
    }),
  ),
};
const DURATION_UNITS: Readonly<Record<string, number>> = {
  '': 1000,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Timers of Node hold some 24 days; with more they end at once. */
const MAX_DURATION_MS = 500 * 3_600_000;

/** A number from 1 up with a unit, in the smallest one. */
function parseMeasure(
  found: Found,
  units: Readonly<Record<string, number>>,
  what: string,
  most = Number.MAX_SAFE_INTEGER,
): number {
  const text = typeof found.raw === 'number' ? String(found.raw) : parseText(found);
  const [, digits, unit] = /^([0-9]{1,15}(?:\.[0-9]{1,6})?)([a-z]*)$/.exec(text.trim().toLowerCase()) ?? [];
  const factor = unit !== undefined && Object.hasOwn(units, unit) ? units[unit] : undefined;
  const value = Math.round(Number(digits) * (factor ?? Number.NaN));
  if (value >= 1 && value <= most) return value;
  throw usage(`${found.where} must be ${what}, not ${JSON.stringify(text)}`);
}

function parseChoice(choices: readonly string[], text: string, where: string): string {
  if (choices.includes(text)) return text;
  throw usage(`${where} does not know ${JSON.stringify(text)}`, `known: ${choices.join(', ')}`);
}

function parseList(option: ListSpec, found: Found): readonly string[] {
  const raws: readonly unknown[] = Array.isArray(found.raw) ? found.raw : [found.raw];
  const texts = raws.map((raw) => parseText({ ...found, raw }));
  if (option.keepsCommas) return texts;
  const items = texts.flatMap((text) => text.split(',')).map((item) => item.trim());
  const given = items.filter((item) => item !== '');
  const { choices } = option;
  if (choices !== undefined) for (const item of given) parseChoice(choices, item, found.where);
  return given;
}

function usage(message: string, hint?: string): FetchError {
  return new FetchError('ERR_USAGE', message, { stage: 'usage', hint });
}
