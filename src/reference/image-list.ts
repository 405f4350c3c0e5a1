/** Lists of images, as text or JSON: read and checked as a whole. */

import { FetchError } from '../errors.js';
import type { Platform } from '../types.js';
import { parseReference } from './parse.js';
import { parsePlatform } from './platform.js';

/** An image of a list. */
export interface ListedImage {
  readonly image: string;
  readonly signature?: string | undefined;
  readonly platform?: Platform | undefined;
}

export const IMAGE_LIST_MAX_BYTES = 16 * 1024 * 1024;
const MAX_PROBLEMS_SHOWN = 5;
const FIELDS = new Set(['image', 'signature', 'platform']);

/**
 * One image a line, where `#` at the beginning or after a space begins a comment; or a JSON array of images and of
 * objects with `image`, `signature` and `platform`. `name`: of the list, for messages; `cwd`: what relative paths
 * start from.
 * @throws FetchError ERR_USAGE that names the first wrong lines
 */
export function parseImageList(text: string, name: string, cwd: string): ListedImage[] {
  const whole = text.replace(/^\uFEFF/, '');
  const entries = whole.trimStart().startsWith('[') ? jsonEntries(whole, name) : textEntries(whole);
  const problems: string[] = [];
  const images: ListedImage[] = [];
  for (const { where, value } of entries) {
    try {
      const listed = listedImage(value);
      parseReference(listed.image, cwd);
      images.push(listed);
    } catch (error) {
      if (!(error instanceof FetchError)) throw error;
      problems.push(`${where}: ${error.message}`);
    }
  }
  if (problems.length > 0) throw wrongList(name, problems);
  return images;
}

interface Entry {
  /** `line 3`, `entry 3`; from 1. */
  readonly where: string;
  readonly value: unknown;
}

function textEntries(text: string): Entry[] {
  return text
    .split(/\r\n|\n|\r/)
    .map((line, at) => ({ where: `line ${at + 1}`, value: line.replace(/(?:^|\s)#.*$/, '').trim() }))
    .filter(({ value }) => value !== '');
}

function jsonEntries(text: string, name: string): Entry[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (cause) {
    throw wrongList(name, [`it begins as JSON and is none: ${(cause as Error).message}`]);
  }
  if (!Array.isArray(list)) throw wrongList(name, ['it is no array']);
  return list.map((value: unknown, at) => ({ where: `entry ${at + 1}`, value }));
}

function listedImage(value: unknown): ListedImage {
  if (typeof value === 'string') return { image: value };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('it is no image');
  const unknown = Object.keys(value).find((key) => !FIELDS.has(key));
  if (unknown !== undefined) throw wrong(`the field ${JSON.stringify(unknown)} is unknown`);
  const { image, signature, platform } = value as Record<string, unknown>;
  if (typeof image !== 'string') throw wrong('it has no "image"');
  if (signature !== undefined && (typeof signature !== 'string' || signature === '')) {
    throw wrong('its "signature" is no file name');
  }
  if (platform !== undefined && typeof platform !== 'string') throw wrong('its "platform" is no text');
  return {
    image,
    ...(signature !== undefined && { signature }),
    ...(platform !== undefined && { platform: parsePlatform(platform) }),
  };
}

function wrong(problem: string): FetchError {
  return new FetchError('ERR_USAGE', problem, { stage: 'usage' });
}

function wrongList(name: string, problems: readonly string[]): FetchError {
  const shown = problems.slice(0, MAX_PROBLEMS_SHOWN).join('; ');
  const more =
    problems.length > MAX_PROBLEMS_SHOWN ? `; and ${problems.length - MAX_PROBLEMS_SHOWN} more` : '';
  return new FetchError('ERR_USAGE', `${name} is not a list of images: ${shown}${more}`, {
    stage: 'usage',
    hint: 'one image a line, or a JSON array: aci help prefetch',
  });
}

/** Each image once: of several that are the same, with the same signature and platform, the first. */
export function foldImages(images: readonly ListedImage[], cwd: string): ListedImage[] {
  const seen = new Map<string, ListedImage>();
  for (const listed of images) {
    const { image, signature, platform } = listed;
    const { image: _, ...meant } = parseReference(image, cwd);
    const key = JSON.stringify([meant, signature, platform]);
    if (!seen.has(key)) seen.set(key, listed);
  }
  return [...seen.values()];
}
