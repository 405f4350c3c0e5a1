/** The meta tags of a discovery page (appc spec, discovery.md). */

import type { TokenizerCallbacks } from 'htmlparser2';
import { FetchError } from '../errors.js';

/** A page has a few tags among little else; what is larger is not one. */
export const MAX_PAGE_BYTES = 1024 * 1024;
const MAX_TAGS = 1000;

export interface MetaTag {
  readonly name: 'ac-discovery' | 'ac-discovery-pubkeys';
  /** The image names that the tag is for: this one and those below it. */
  readonly prefix: string;
  /** Of `ac-discovery` a template. Not checked. */
  readonly url: string;
}

/**
 * The discovery tags in the order of the page, wherever they stand in it but not in comments, scripts, styles and other
 * elements that hold text. A tag whose content is not a prefix and a URL is left out. Throws ERR_LIMIT.
 */
export async function parseMetaTags(html: Buffer): Promise<MetaTag[]> {
  if (html.length > MAX_PAGE_BYTES) throw tooLarge(`larger than ${MAX_PAGE_BYTES} bytes`);
  const tags: MetaTag[] = [];
  for (const { name, content } of await readMetaElements(new TextDecoder().decode(html))) {
    const tag = metaTagOf(name, content);
    if (tag === undefined) continue;
    if (tags.length === MAX_TAGS) throw tooLarge(`with more than ${MAX_TAGS} discovery tags`);
    tags.push(tag);
  }
  return tags;
}

interface MetaElement {
  readonly name: string;
  readonly content: string;
}

async function readMetaElements(text: string): Promise<MetaElement[]> {
  // Loaded only by those who discover. Its Parser keeps the open elements, in quadratic time; no page needs them.
  const { Tokenizer } = await import('htmlparser2');
  const elements: MetaElement[] = [];
  const ignore = (): void => undefined;
  let attributes: Map<string, string> | undefined;
  let attribute: string | undefined;
  let value = '';

  function endTag(): void {
    const [name, content] = [attributes?.get('name'), attributes?.get('content')];
    if (name !== undefined && content !== undefined) elements.push({ name, content });
    attributes = undefined;
  }

  const callbacks: TokenizerCallbacks = {
    onopentagname(start, end) {
      attributes = text.slice(start, end).toLowerCase() === 'meta' ? new Map() : undefined;
    },
    onattribname(start, end) {
      const name = text.slice(start, end).toLowerCase();
      // Of an attribute that is there twice, HTML takes the first.
      const isWanted = (name === 'name' || name === 'content') && attributes?.has(name) === false;
      attribute = isWanted ? name : undefined;
      value = '';
    },
    onattribdata(start, end) {
      if (attribute !== undefined) value += text.slice(start, end);
    },
    onattribentity(codePoint) {
      if (attribute !== undefined) value += String.fromCodePoint(codePoint);
    },
    onattribend() {
      if (attribute !== undefined) attributes?.set(attribute, value);
    },
    onopentagend: endTag,
    onselfclosingtag: endTag,
    oncdata: ignore,
    onclosetag: ignore,
    oncomment: ignore,
    ondeclaration: ignore,
    onend: ignore,
    onprocessinginstruction: ignore,
    ontext: ignore,
    ontextentity: ignore,
  };
  const tokenizer = new Tokenizer({ decodeEntities: true }, callbacks);
  tokenizer.write(text);
  tokenizer.end();
  return elements;
}

function metaTagOf(nameText: string, content: string): MetaTag | undefined {
  const name = nameText.trim().toLowerCase();
  if (name !== 'ac-discovery' && name !== 'ac-discovery-pubkeys') return undefined;
  const [prefix, url, ...rest] = content.trim().split(/\s+/);
  if (!prefix || url === undefined || rest.length > 0) return undefined;
  // Bytes that are not UTF-8 would become another URL than the page means.
  if (/[\p{Cc}\uFFFD]/u.test(content.trim().replace(/\s+/g, ''))) return undefined;
  return { name, prefix, url };
}

function tooLarge(problem: string): FetchError {
  return new FetchError('ERR_LIMIT', `the discovery page is one ${problem}`, { stage: 'discover' });
}
