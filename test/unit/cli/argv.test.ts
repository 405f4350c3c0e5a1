/** Global options before and after the command. */

import { expect, test } from 'vitest';
import { hoistGlobalOptions } from '../../../src/cli/argv.js';

const words = (text: string) => text.split(' ').filter((word) => word !== '');

test.each([
  ['', ''],
  ['fetch docker://a', 'fetch docker://a'],
  ['--insecure-options=image fetch docker://a', 'fetch docker://a --insecure-options=image'],
  ['--insecure-options image fetch docker://a', 'fetch docker://a --insecure-options=image'],
  ['fetch --dir /s docker://a --full', 'fetch docker://a --full --dir=/s'],
  ['--dir /a image list --dir=/b --json', 'image list --dir=/a --dir=/b --json'],
  ['--json --debug=false image list', 'image list --json --debug=false'],
  ['--json fetch a', 'fetch a --json'],
  ['fetch a -- --dir /s', 'fetch a -- --dir /s'],
  ['--quiet fetch -- a', 'fetch --quiet -- a'],
  ['fetch a --dir', 'fetch a --dir'],
  ['--dir --json fetch a', 'fetch a --dir --json'],
  ['--dir -- fetch', '--dir -- fetch'],
  ['--dir - fetch a', 'fetch a --dir=-'],
  ['--resolve a:1:1.1.1.1 --resolve b:1:1.1.1.1 fetch', 'fetch --resolve=a:1:1.1.1.1 --resolve=b:1:1.1.1.1'],
  ['--unknown x fetch a', '--unknown x fetch a'],
  ['fetch --output --x a', 'fetch --output --x a'],
  ['fetch constructor --toString', 'fetch constructor --toString'],
])('"%s" becomes "%s"', (given, expected) => {
  expect(hoistGlobalOptions(words(given))).toEqual(words(expected));
});

test('values keep their spaces and equal signs', () => {
  expect(hoistGlobalOptions(['--dir', '/a b=c', 'fetch'])).toEqual(['fetch', '--dir=/a b=c']);
  expect(hoistGlobalOptions(['--dir=', 'fetch'])).toEqual(['fetch', '--dir=']);
});
