import { describe, expect, it } from 'vitest';
import { MAX_PAGE_BYTES, parseMetaTags } from '../../../src/discovery/meta-tags.js';

const parse = (html: string) => parseMetaTags(Buffer.from(html));
const image = (prefix: string, url: string) => ({ name: 'ac-discovery', prefix, url });
const TAG = '<meta name="ac-discovery" content="h u">';

describe('the tags of a page', () => {
  it('come in its order, images and keys', async () => {
    const html = `<!doctype html><html><head><title>x</title>
      <meta name="ac-discovery" content="example.com https://s.example.com/{name}-{version}.{ext}">
      <meta name="ac-discovery-pubkeys" content="example.com https://example.com/keys.gpg">
      <meta name="ac-discovery" content="example.com hdfs://s.example.com/{name}.{ext}">
      </head><body><h1>images</h1></body></html>`;
    expect(await parse(html)).toEqual([
      image('example.com', 'https://s.example.com/{name}-{version}.{ext}'),
      { name: 'ac-discovery-pubkeys', prefix: 'example.com', url: 'https://example.com/keys.gpg' },
      image('example.com', 'hdfs://s.example.com/{name}.{ext}'),
    ]);
  });

  it.each([
    ['in capitals', `<META NAME="AC-Discovery" CONTENT="h u">`],
    ['in single quotes', `<meta name='ac-discovery' content='h u'>`],
    ['with a name without quotes', `<meta name=ac-discovery content="h u">`],
    ['content first', `<meta content="h u" name="ac-discovery">`],
    ['closed', `<meta name="ac-discovery" content="h u" />`],
    ['over several lines', `<meta\n\tname = "ac-discovery"\n content = "\n h\t\n u \n">`],
    ['with other attributes', `<meta data-x="name" name="ac-discovery" id=1 content="h u" hidden>`],
    ['with an attribute twice', `<meta name="ac-discovery" name="x" content="h u" content="y z">`],
    ['with entities', `<meta name="ac&#45;discovery" content="h&#x20;&#117;">`],
    ['in the body', `<html><head></head><body><p>x${TAG}</body></html>`],
    ['without html and head', TAG],
    ['after an unclosed element', `<div><a href="${TAG}">${TAG}`],
    ['after a byte order mark', `\uFEFF${TAG}`],
  ])('are found when written %s', async (_, html) => {
    expect(await parse(html)).toEqual([image('h', 'u')]);
  });

  it('have the entities of their URLs decoded', async () => {
    const html = '<meta name="ac-discovery" content="h https://h/?a=1&amp;b={ext}&c=2">';
    expect(await parse(html)).toEqual([image('h', 'https://h/?a=1&b={ext}&c=2')]);
  });

  it.each([
    ['a comment', `<!-- ${TAG} -->`],
    ['a comment without end', `<!-- ${TAG}`],
    ['a script', `<script>document.write('${TAG}')</script>`],
    ['a style', `<style>${TAG}</style>`],
    ['a title', `<title>${TAG}</title>`],
    ['a text area', `<textarea>${TAG}</textarea>`],
    ['a frame', `<iframe>${TAG}</iframe>`],
    ['an example', `<xmp>${TAG}</xmp>`],
    ['plain text', `<plaintext>${TAG}`],
    ['a declaration', `<!x ${TAG.slice(0, -1)} >`],
    ['an attribute', `<a title='${TAG}'>x</a>`],
    ['escaped text', TAG.replaceAll('<', '&lt;')],
    ['a tag without end', TAG.slice(0, -1)],
  ])('are not taken from %s', async (_, html) => {
    expect(await parse(html)).toEqual([]);
    expect(await parse(`${TAG}${html}`)).toHaveLength(1);
  });

  it.each([
    ['no content', '<meta name="ac-discovery">'],
    ['empty content', '<meta name="ac-discovery" content="">'],
    ['a prefix only', '<meta name="ac-discovery" content=" h ">'],
    ['three words', '<meta name="ac-discovery" content="h u v">'],
    ['another name', '<meta name="ac-discovery2" content="h u">'],
    ['a property', '<meta property="ac-discovery" content="h u">'],
    ['another element', '<link name="ac-discovery" content="h u">'],
    ['a control character', '<meta name="ac-discovery" content="h u&#1;">'],
  ])('are left out with %s, and the next one is not', async (_, html) => {
    expect(await parse(`${html}${TAG}`)).toEqual([image('h', 'u')]);
  });

  it('are read from Latin-1, where only a tag with such letters is left out', async () => {
    const html = `<title>\u00e9</title><meta name="ac-discovery" content="h \u00e9">${TAG}`;
    expect(await parseMetaTags(Buffer.from(html, 'latin1'))).toEqual([image('h', 'u')]);
  });

  it('of no page at all are none', async () => {
    expect(await parse('')).toEqual([]);
    expect(await parseMetaTags(Buffer.from(TAG, 'utf16le'))).toEqual([]);
    expect(await parseMetaTags(Buffer.from([0xff, 0xfe, 0, 0x3c]))).toEqual([]);
  });
});

describe('the bounds of a page', () => {
  it('are 1 MiB', async () => {
    await expect(parseMetaTags(Buffer.alloc(MAX_PAGE_BYTES, 0x20))).resolves.toEqual([]);
    await expect(parseMetaTags(Buffer.alloc(MAX_PAGE_BYTES + 1, 0x20))).rejects.toMatchObject({
      code: 'ERR_LIMIT',
    });
  });

  it('are 1000 tags', async () => {
    await expect(parse(TAG.repeat(1000))).resolves.toHaveLength(1000);
    await expect(parse(TAG.repeat(1001))).rejects.toMatchObject({ code: 'ERR_LIMIT' });
  });

  const attributes = Array.from({ length: 100_000 }, (_, index) => `a${index}=1`).join(' ');
  it.each([
    '<',
    '<a>',
    '</a>',
    '<div><p></b>',
    '<!--',
    '<![CDATA[',
    '<script>',
    '<title>&',
    '<meta ',
    '<meta name="',
    '<meta name="ac-discovery" content="&amp;',
    '&',
    `<meta ${attributes}>`,
  ])('are enough for every page to be read in no time (%.30s)', async (piece) => {
    const startedAt = performance.now();
    await parse(
      piece.repeat(Math.max(1, Math.floor(MAX_PAGE_BYTES / piece.length))).slice(0, MAX_PAGE_BYTES),
    );
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });
});
