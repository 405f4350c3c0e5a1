/** Lists of images, as text and as JSON. */

import { describe, expect, it } from 'vitest';
import { foldImages, parseImageList } from '../../../src/reference/image-list.js';

const parse = (text: string): unknown[] => parseImageList(text, 'list', '/here');

describe('a list of images', () => {
  it.each<[string, string, unknown[]]>([
    ['is one image a line', 'a.test/x\ndocker://y\n', [{ image: 'a.test/x' }, { image: 'docker://y' }]],
    ['may have comments, empty lines and spaces', '# all\n\n  a.test/x  # x\n', [{ image: 'a.test/x' }]],
    [
      'ends lines as any system does',
      'a.test/x\r\nb.test/y\rc.test/z',
      ['a.test/x', 'b.test/y', 'c.test/z'].map((image) => ({ image })),
    ],
    [
      'takes a # inside a word for a part of it',
      'https://a.test/x#y.aci',
      [{ image: 'https://a.test/x#y.aci' }],
    ],
    ['may begin with a byte order mark', '\uFEFFa.test/x', [{ image: 'a.test/x' }]],
    ['may be empty', '', []],
    ['may be JSON', ' ["a.test/x", {"image": "b.test/y"}]', [{ image: 'a.test/x' }, { image: 'b.test/y' }]],
    [
      'in JSON says more of an image',
      '[{"image":"a.test/x","signature":"x.asc","platform":"linux/arm/v7"}]',
      [
        {
          image: 'a.test/x',
          signature: 'x.asc',
          platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
        },
      ],
    ],
  ])('%s', (_, text, expected) => {
    expect(parse(text)).toEqual(expected);
  });

  it.each<[string, string, RegExp]>([
    ['the place of each wrong line', 'UPPER\na.test/x\nhttps://', /line 1: .*; line 3: /],
    ['the place of a wrong entry', '["a.test/x", 3]', /entry 2: it is no image/],
    ['an unknown field', '[{"image":"a.test/x","os":"linux"}]', /"os" is unknown/],
    ['a signature that is none', '[{"image":"a.test/x","signature":""}]', /"signature"/],
    ['a platform that is none', '[{"image":"a.test/x","platform":3}]', /"platform"/],
    ['broken JSON', '[', /begins as JSON and is none/],
    ['only the first of many', Array.from({ length: 20 }, () => 'UPPER').join('\n'), /and 15 more$/],
  ])('tells %s', (_, text, message) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({ code: 'ERR_USAGE', message: expect.stringMatching(message) }),
    );
  });
});

describe('images that are the same', () => {
  it.each<[string, string[], string[]]>([
    [
      'are there once, however they are spelled',
      ['https://A.test/x.aci#top', 'https://a.test/x.aci'],
      ['https://A.test/x.aci#top'],
    ],
    ['are there once as files', ['./a.aci', '/here/a.aci'], ['./a.aci']],
    // The manifest of the ACI has the name as it was given, so these have other IDs.
    [
      'are not those of another spelling for Docker',
      ['docker://busybox', 'docker://library/busybox'],
      ['docker://busybox', 'docker://library/busybox'],
    ],
    ['are not those of another tag', ['docker://a', 'docker://a:2'], ['docker://a', 'docker://a:2']],
    ['are not those of another name', ['a.test/x', 'a.test/x:1'], ['a.test/x', 'a.test/x:1']],
  ])('%s', (_, images, expected) => {
    const listed = images.map((image) => ({ image }));
    expect(foldImages(listed, '/here').map(({ image }) => image)).toEqual(expected);
  });

  it('are not those for another platform, or with another signature', () => {
    const image = 'a.test/x';
    const platform = { os: 'linux', architecture: 'arm64' };
    const listed = [{ image }, { image, platform }, { image, signature: 'x.asc' }, { image, platform }];
    expect(foldImages(listed, '/here')).toEqual(listed.slice(0, 3));
  });
});
