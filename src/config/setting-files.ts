/** Settings out of configuration folders: rkt's `paths.d`, and `aci.d` for the options of this program. */

import { isAbsolute, join } from 'node:path';
import {
  entriesOf,
  failField,
  fieldAt,
  flagOf,
  isPresent,
  itemsOf,
  type JsonField,
  nonEmptyTextOf,
  quoteForMessage,
  textOrEmpty,
  wholeNumberOf,
} from '../aci/json-fields.js';
import { isFetchError } from '../errors.js';
import { parseResolve } from '../reference/resolve.js';
import { type ConfigFile, type ConfigFolder, invalidConfig, readConfigFiles } from './config-files.js';
import { FILE_OPTIONS } from './global-options.js';
import type { FileLayer, OptionSpec, RawValues } from './options.js';

/**
 * The values that the folders hold, the winning file first: a later folder wins over an earlier one, and `aci.d`
 * over the `paths.d` beside it. A folder that sets a value twice is an error.
 * @param folders system, local, user
 * @throws FetchError ERR_CONFIG_INVALID, ERR_PERMISSION, ERR_IO
 */
export async function readSettingFiles(folders: readonly ConfigFolder[]): Promise<FileLayer[]> {
  const layers: FileLayer[] = [];
  for (const { origin, path } of folders.toReversed()) {
    const own = await readConfigFiles(join(path, 'aci.d'), { kinds: ['aci'] });
    layers.push(...layersOf(origin, own, parseAciFile));
    const paths = await readConfigFiles(join(path, 'paths.d'), { kinds: ['paths'] });
    layers.push(...layersOf(origin, paths, parsePathsFile));
  }
  return layers;
}

function layersOf(
  origin: FileLayer['origin'],
  files: readonly ConfigFile[],
  parse: (document: JsonField) => ReadonlyMap<string, unknown>,
): FileLayer[] {
  const setBy = new Map<string, string>();
  return files.map(({ path, document }) => {
    const values: Record<string, unknown> = {};
    for (const [name, value] of parse(document)) {
      const other = setBy.get(name);
      if (other !== undefined) throw invalidConfig(path, name, `is also set by ${other}`);
      setBy.set(name, path);
      values[KEYS_OF_PATHS[name] ?? name] = value;
    }
    return { origin, path, values: values satisfies RawValues };
  });
}

/** Fields of kind `paths` that are settings here. */
const KEYS_OF_PATHS: Readonly<Record<string, string>> = { data: 'dir' };

function parsePathsFile(document: JsonField): ReadonlyMap<string, unknown> {
  const values = new Map<string, unknown>();
  // Images of stage 1 have no meaning here, but a file of rkt is checked as rkt does it.
  for (const name of ['data', 'stage1-images']) {
    const field = fieldAt(document, name);
    if (textOrEmpty(field) !== '') values.set(name, absolutePathOf(field));
  }
  return values;
}

const HEADER_FIELDS: readonly string[] = ['rktKind', 'rktVersion'];

function parseAciFile(document: JsonField): ReadonlyMap<string, unknown> {
  const values = new Map<string, unknown>();
  for (const [key] of entriesOf(document)) {
    if (HEADER_FIELDS.includes(key)) continue;
    const field = fieldAt(document, key);
    const option = FILE_OPTIONS.find((candidate) => candidate.key === key);
    if (option === undefined) return failField({ ...field, path: quoteForMessage(key) }, 'is no setting');
    if (isPresent(field)) values.set(key, settingOf(option, field));
  }
  return values;
}

function settingOf(option: OptionSpec, field: JsonField): unknown {
  switch (option.kind) {
    case 'flag':
      return flagOf(field);
    case 'number':
      return wholeNumberOf(field, option.min, option.max);
    case 'choice':
      return choiceOf(option.choices, field);
    case 'list':
      return itemsOf(field).map((item) => listItemOf(option, item));
    case 'string':
      return absolutePathOf(field);
    case 'size':
    case 'duration':
      return nonEmptyTextOf(field);
  }
}

function listItemOf({ key, choices }: OptionSpec & { kind: 'list' }, item: JsonField): string {
  if (choices !== undefined) return choiceOf(choices, item);
  const text = nonEmptyTextOf(item);
  if (key === 'resolve') checkOverride(text, item);
  return text;
}

function checkOverride(text: string, field: JsonField): void {
  try {
    parseResolve(text);
  } catch (error) {
    if (!isFetchError(error)) throw error;
    failField(field, 'must be HOST:PORT:ADDR[:PORT]');
  }
}

function choiceOf(choices: readonly string[], field: JsonField): string {
  const text = nonEmptyTextOf(field);
  return choices.includes(text) ? text : failField(field, `must be one of ${choices.join(', ')}`);
}

/** A relative path would mean another place in every working directory. */
function absolutePathOf(field: JsonField): string {
  const path = nonEmptyTextOf(field);
  return isAbsolute(path) ? path : failField(field, 'must be an absolute path');
}
